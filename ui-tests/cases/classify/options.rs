use obs_runtime::Classify;

#[derive(Classify)]
#[classify(levl = "warn", kind = "")]
enum OfTheType {
    #[classify(level = "warning")]
    A,
    #[classify(level = debug)]
    B,
    #[classify(kind)]
    C,
    #[classify(level =, kind = "c", kind = "d")]
    D,
    #[classify("warn")]
    E,
    #[classify]
    F,
    #[classify = "warn"]
    G,
    #[classify()]
    H,
    #[classify(crate = obs_runtime)]
    I,
    #[classify(level = "warn" kind = "x")]
    J,
}

fn main() {}
