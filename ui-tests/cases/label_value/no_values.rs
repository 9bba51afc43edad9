use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(max = 0)]
struct UserId(String);

#[derive(LabelValue)]
enum Nothing {}

fn main() {}
