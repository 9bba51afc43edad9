use obs_runtime::LabelValue;

#[derive(LabelValue)]
#[label(max = 10)]
struct Pair(String, String);

#[derive(LabelValue)]
union Both {
    a: u8,
    b: i8,
}

fn main() {}
