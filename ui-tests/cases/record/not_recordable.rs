use obs_runtime::{observed, record};

struct Opaque;

#[observed(late(opaque, other))]
fn wrong() {
    let opaque = Opaque;
    record!(opaque);
    record!(other = ?Opaque);
}

fn main() {
    wrong();
}
