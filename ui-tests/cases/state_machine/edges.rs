use obs_runtime::StateMachine;

#[derive(StateMachine)]
enum Door {
    #[initial]
    #[to(Open, Open)]
    Shut,
    #[to(Shutt)]
    Open,
    #[to("Shut")]
    Ajar,
    #[terminal]
    #[to(Shut)]
    Broken,
    Lost,
}

fn main() {}
