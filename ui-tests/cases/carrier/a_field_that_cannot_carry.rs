use std::collections::BTreeMap;

use obs_runtime::Carrier;

#[derive(Carrier)]
struct Pod {
    image: String,
    #[carrier]
    annotations: BTreeMap<u64, String>,
}

#[derive(Carrier)]
struct Borrows<'a>(&'a BTreeMap<String, String>);

fn main() {}
