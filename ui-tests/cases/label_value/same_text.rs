use obs_runtime::LabelValue;

#[derive(LabelValue)]
enum Direction {
    Inbound,
    #[label(rename = "inbound")]
    Incoming,
}

fn main() {}
