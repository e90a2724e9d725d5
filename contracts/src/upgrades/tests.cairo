mod upgrade;
mod versions;
