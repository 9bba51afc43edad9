use obs_runtime::LabelSet;

#[derive(LabelSet)]
struct Labels(bool);

#[derive(LabelSet)]
enum Direction {
    Inbound,
}

fn main() {}
