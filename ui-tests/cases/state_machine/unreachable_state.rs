use obs_runtime::StateMachine;

#[derive(StateMachine)]
enum Door {
    #[initial]
    #[to(Open)]
    Shut,
    #[to(Shut)]
    Open,
    #[to(Shut)]
    Painted,
}

fn main() {}
