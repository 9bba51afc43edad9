use obs_runtime::{StateMachine, Tracked, transition};

#[derive(StateMachine)]
enum Door {
    #[initial]
    #[to(Open)]
    Shut,
    #[to(Shut)]
    Open,
}

fn main() {
    let mut door = Tracked::new(Door::Shut);
    let _ = transition!(door, Shut => Opn);
}
