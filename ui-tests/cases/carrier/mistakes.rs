use std::collections::BTreeMap;

use obs_runtime::Carrier;

#[derive(Carrier)]
struct Unmarked {
    image: String,
    annotations: BTreeMap<String, String>,
}

#[derive(Carrier)]
struct Empty;

#[derive(Carrier)]
struct Twice {
    #[carrier]
    labels: BTreeMap<String, String>,
    #[carrier]
    annotations: BTreeMap<String, String>,
}

#[derive(Carrier)]
enum Either {
    One(#[carrier] BTreeMap<String, String>),
}

#[derive(Carrier)]
#[carrier(readonly)]
struct Misspelt {
    #[carrier]
    annotations: BTreeMap<String, String>,
}

#[derive(Carrier)]
#[carrier]
struct MarkedItself {
    annotations: BTreeMap<String, String>,
}

#[derive(Carrier)]
struct OptionsOnTheField {
    #[carrier(read_only)]
    annotations: BTreeMap<String, String>,
    image: String,
}

fn main() {}
