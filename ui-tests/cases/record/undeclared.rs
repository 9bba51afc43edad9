use obs_runtime::{observed, record};

#[observed(late(agent_id))]
fn misspelt() {
    record!(agnt_id = 1);
}

#[observed(late(agent_id))]
async fn in_an_async_fn() {
    record!(status = 200);
}

fn main() {
    misspelt();
    drop(in_an_async_fn());
}
