use http::HeaderMap;
use obs_runtime::{correlated, observed};

#[observed]
#[correlated(outbound)]
fn schedule(headers: &HeaderMap) -> usize {
    headers.len()
}

fn main() {
    schedule(&HeaderMap::new());
}
