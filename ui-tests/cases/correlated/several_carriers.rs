use std::collections::HashMap;

use http::HeaderMap;
use obs_runtime::{correlated, observed};

#[correlated]
#[observed(user_id)]
fn create(user_id: &str, headers: &HeaderMap, agents: &HashMap<String, String>) -> usize {
    user_id.len() + headers.len() + agents.len()
}

fn main() {
    create("u1", &HeaderMap::new(), &HashMap::new());
}
