use obs_runtime::Classify;

#[derive(Classify)]
union Either {
    a: u8,
    b: u8,
}

fn main() {}
