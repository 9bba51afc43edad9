use obs_runtime::observed;

#[observed(slow = "250ms", ret, user_id)]
fn slow(user_id: &str) -> u8 {
    1
}

#[observed(parent = current(), links = links(), root)]
fn placed() {}

#[observed(audit, future, stream)]
fn kinds() {}

fn main() {}
