use obs_runtime::observe;

struct Opaque;

fn no_variable() {
    observe!("a", agent_id; {});
}

fn not_shown(opaque: Opaque) {
    observe!("a", opaque, other = ?opaque; {});
}

fn main() {}
