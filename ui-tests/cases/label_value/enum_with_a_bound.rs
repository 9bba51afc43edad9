use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(max = 10)]
enum Direction {
    Inbound,
}

fn main() {}
