use obs_runtime::{observed, record};

#[observed(agent_id)]
fn nothing_records_it() {}

#[observed(status)]
fn not_a_standard_field() {
    record!(status = 200);
}

#[observed(late())]
fn none() {}

#[observed(late)]
fn no_list() {}

#[observed(late(status = 200))]
fn with_a_value() {}

fn main() {}
