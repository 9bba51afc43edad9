use obs_runtime::Classify;

#[derive(Classify)]
#[classify(transparent)]
enum Failure {
    #[classify(transparent)]
    Nothing,
    #[classify(transparent)]
    Two(u8, u8),
    #[classify(transparent, level = "warn", kind = "x")]
    Both(u8),
    #[classify(transparent)]
    Marked { at: u8, source: u8 },
}

fn main() {}
