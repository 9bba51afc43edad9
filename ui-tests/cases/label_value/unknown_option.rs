use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(maxx = 10)]
struct UserId(String);

fn main() {}
