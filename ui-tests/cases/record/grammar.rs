use obs_runtime::{observed, record};

#[observed(late(agent_id, status))]
fn wrong(agent_id: u8) {
    record!();
    record!(agent_id =);
    record!(agent_id status);
    record!(agent_id = 1, agent_id = 2);
    record!("agent_id", 1);
    record!(?status = %1, self);
    record!(agent.id = 1);
}

fn main() {}
