use std::future::{Ready, ready};

use obs_runtime::observed;

#[observed(future)]
async fn already() {}

#[observed(stream)]
async fn ends_before_its_stream() {}

#[observed(future)]
fn returns_nothing() {}

#[observed(future)]
fn of_a_type_of_its_own() -> Ready<u8> {
    ready(1)
}

#[observed(future)]
fn no_future() -> u8 {
    1
}

#[observed(stream)]
fn no_stream() -> Vec<u8> {
    Vec::new()
}

#[observed(future, stream)]
fn both() -> Ready<u8> {
    ready(1)
}

struct Shelf;

#[observed(future)]
impl Shelf {
    fn get() -> Ready<u8> {
        ready(1)
    }
}

fn main() {}
