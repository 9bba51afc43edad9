use http::HeaderMap;
use obs_runtime::correlated;

#[correlated]
fn create(#[carrier] headers: &HeaderMap, #[carrier] others: &HeaderMap) -> usize {
    headers.len() + others.len()
}

fn main() {
    create(&HeaderMap::new(), &HeaderMap::new());
}
