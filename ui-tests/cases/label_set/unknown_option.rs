use obs_runtime::LabelSet;

#[derive(LabelSet)]
#[label_set(krate = obs_runtime)]
struct Labels {
    ok: bool,
}

fn main() {}
