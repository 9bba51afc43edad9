// Of each function only its own mistake is told: what calls it and what it records still resolve.
use obs_runtime::{observed, record};

#[observed(agent_id, levl = "debug")]
fn observed_wrongly(user_id: &str) -> usize {
    record!(agent_id = user_id);
    user_id.len()
}

#[observed]
fn body_is_wrong() -> u8 {
    "text"
}

#[observed]
async fn async_body_is_wrong() -> u8 {
    "text"
}

fn main() {
    let _: usize = observed_wrongly("u1");
}
