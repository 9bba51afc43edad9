// An observed function that nobody calls is unused, like any other.
#![deny(dead_code)]

use obs_runtime::observed;

#[observed]
fn never_called() {}

#[observed]
async fn never_called_async(text: &str) -> usize {
    text.len()
}

struct Store;

#[observed]
impl Store {
    fn open() -> Self {
        Store
    }

    fn get(&self, (a, _): (u8, u8)) -> u8 {
        a
    }
}

fn main() {
    let _ = Store::open();
}
