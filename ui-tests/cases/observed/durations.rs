use obs_runtime::observed;

#[observed(slow = "250")]
fn no_unit() {}

#[observed(slow = "2 days")]
fn no_such_unit() {}

#[observed(slow = "ms")]
fn no_number() {}

#[observed(slow = "0s")]
fn nothing() {}

#[observed(slow = "1.5ns")]
fn too_fine() {}

#[observed(slow = "99999999999999999999s")]
fn too_long() {}

#[observed(slow = 250)]
fn no_string() {}

fn main() {}
