use std::collections::HashMap;

use obs_runtime::{correlated, observed};

#[correlated]
#[observed]
fn create(#[carrier] headers: &String) -> usize {
    headers.len()
}

#[correlated(outbound)]
async fn schedule(agents: &mut HashMap<u64, String>) -> usize {
    agents.len()
}

fn main() {
    create(&String::new());
    let _ = schedule(&mut HashMap::new());
}
