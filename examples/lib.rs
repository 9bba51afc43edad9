//! Each example is one file beside this one: `cargo run -p examples --example minimal`.
