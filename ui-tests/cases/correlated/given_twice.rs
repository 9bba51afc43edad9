use http::HeaderMap;
use obs_runtime::{correlated, observed};

#[correlated]
#[observed]
#[correlated(outbound)]
fn create(headers: &mut HeaderMap) -> usize {
    headers.len()
}

#[correlated]
#[correlated(outbound)]
fn again(headers: &mut HeaderMap) -> usize {
    headers.len()
}

fn main() {
    create(&mut HeaderMap::new());
    again(&mut HeaderMap::new());
}
