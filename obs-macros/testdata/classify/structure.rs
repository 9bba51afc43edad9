#[classify(level = "debug", kind = "gone", crate = facade::obs)]
struct Gone {
    key: String,
    at: u64,
}
