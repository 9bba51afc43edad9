//! minimal
fn main() {}
