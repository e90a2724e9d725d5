//! What the benches compare with. Declared by tests and benches only.

pub mod single_price;
