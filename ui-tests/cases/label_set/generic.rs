use obs_runtime::LabelSet;

#[derive(LabelSet)]
struct Labels<T> {
    value: T,
}

fn main() {}
