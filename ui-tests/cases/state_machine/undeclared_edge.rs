use obs_runtime::{StateMachine, Tracked, transition};

#[derive(StateMachine)]
#[state_machine(name = "agent", label = "status")]
enum AgentStatus {
    #[initial]
    #[to(Running)]
    Provisioning,
    #[to(Stopped)]
    Running,
    #[terminal]
    Stopped,
}

fn main() {
    let mut status = Tracked::new(AgentStatus::Provisioning);
    let _ = transition!(status, Running => Provisioning);
}
