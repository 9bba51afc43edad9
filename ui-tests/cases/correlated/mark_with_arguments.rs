use http::HeaderMap;
use obs_runtime::correlated;

#[correlated]
fn create(#[carrier(outbound)] headers: &mut HeaderMap) -> usize {
    headers.len()
}

fn main() {
    create(&mut HeaderMap::new());
}
