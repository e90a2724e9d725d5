mod distributor;
mod shape;
