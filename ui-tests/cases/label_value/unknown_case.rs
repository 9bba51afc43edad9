use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(rename_all = "kebap-case")]
enum Direction {
    Inbound,
}

fn main() {}
