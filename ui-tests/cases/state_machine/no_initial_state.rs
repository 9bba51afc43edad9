use obs_runtime::StateMachine;

#[derive(StateMachine)]
enum Door {
    #[to(Open)]
    Shut,
    #[to(Shut)]
    Open,
}

#[derive(StateMachine)]
enum Nothing {}

fn main() {}
