use obs_runtime::StateMachine;

#[derive(StateMachine)]
#[state_machine(name = "front door", lable = "state")]
enum Door {
    #[initial]
    #[terminal]
    Shut,
}

#[derive(StateMachine)]
#[state_machine(label = "le")]
enum Door2 {
    #[initial]
    #[terminal]
    Shut,
}

#[derive(StateMachine)]
#[state_machine(buckets = [2.0, 1.0])]
enum Door3 {
    #[initial]
    #[terminal]
    Shut,
}

fn main() {}
