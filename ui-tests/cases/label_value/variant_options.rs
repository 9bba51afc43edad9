use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(rename = "way")]
enum Direction {
    #[label(max = 10)]
    Inbound,
    #[label(rename_all = "kebab-case")]
    Outbound,
}

fn main() {}
