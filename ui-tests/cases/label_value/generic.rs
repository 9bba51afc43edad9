use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(max = 10)]
struct Id<T>(T);

fn main() {}
