use obs_runtime::record;

fn plain() {
    record!(agent_id = 1);
}

fn main() {
    plain();
}
