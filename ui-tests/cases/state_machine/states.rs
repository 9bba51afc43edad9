use obs_runtime::StateMachine;

#[derive(StateMachine)]
enum Door {
    #[initial]
    #[to(Open)]
    Shut,
    #[to(Shut, open)]
    Open,
    #[allow(non_camel_case_types)]
    #[terminal]
    open,
}

#[derive(StateMachine)]
enum Door2 {
    #[initial]
    #[to(Open)]
    Shut,
    #[to(Shut)]
    Open(u8),
}

#[derive(StateMachine)]
enum Door3<T> {
    #[initial]
    #[terminal]
    Shut,
    #[terminal]
    Open(T),
}

#[derive(StateMachine)]
struct Door4;

fn main() {}
