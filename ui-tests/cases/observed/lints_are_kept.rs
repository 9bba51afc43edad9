// What the compiler says of a function, it says of an observed one, at the same places.
#![deny(warnings)]

use obs_runtime::observed;

#[observed(recorded)]
fn arguments(recorded: u8, unused: u8, mut never_changed: u8, (part, _): (u8, u8)) -> u8 {
    never_changed
}

#[observed]
async fn arguments_async(unused: u8, mut never_changed: u8) -> u8 {
    never_changed
}

#[must_use]
#[observed]
fn to_be_used() -> u8 {
    1
}

#[observed]
#[must_use]
async fn to_be_used_async() -> u8 {
    1
}

#[deprecated]
#[observed]
fn old() {}

#[observed]
fn in_the_body() -> Result<(), std::num::ParseIntError> {
    "1".parse::<u8>();
    return Ok(());
    let unreachable = 1;
}

#[observed]
async fn calls() {
    to_be_used();
    to_be_used_async().await;
    arguments_async(1, 2);
    old();
}

fn main() {
    arguments(1, 2, 3, (4, 5));
    drop(calls());
    drop(in_the_body());
}
