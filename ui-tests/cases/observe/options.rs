use obs_runtime::{observe, record};

fn all_mistakes_at_once(id: u8) {
    observe!("a", name = "b", crate = obs_runtime, future, level = "loud", id, id, outcome = 1; {});
}

fn stream() {
    observe!("a", stream; {});
}

fn misspelt() {
    observe!("a", late(bytes); { record!(byts = 1) });
}

fn main() {}
