#[observed(a)]
fn get(#[cfg(unix)] a: u8, #[expect(unused_variables)] b: u8) {}
