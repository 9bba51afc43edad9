use obs_runtime::LabelValue;

#[derive(LabelValue)]
struct UserId(String);

fn main() {}
