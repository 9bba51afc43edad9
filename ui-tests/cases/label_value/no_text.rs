use obs_runtime::LabelValue;

struct Opaque;

#[derive(LabelValue)]
#[label(max = 10)]
struct Id(Opaque);

fn main() {}
