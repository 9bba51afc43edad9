use http::HeaderMap;
use obs_runtime::correlated;

#[correlated(outbound, trust = "ids")]
fn schedule(headers: &mut HeaderMap) -> usize {
    headers.len()
}

fn main() {
    schedule(&mut HeaderMap::new());
}
