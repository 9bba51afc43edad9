#[state_machine(name = "agent", label = "status")]
enum AgentStatus {
    #[initial]
    #[to(Running)]
    Provisioning,
    #[to(Running, Stopped)]
    Running,
    #[terminal]
    Stopped,
}
