use obs_runtime::LabelSet;

#[derive(LabelSet)]
struct Labels {
    le: bool,
    quantile: bool,
    __name: bool,
    größe: bool,
}

fn main() {}
