use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(max = 10, rename_all = "kebab-case", rename = "x")]
struct UserId(String);

fn main() {}
