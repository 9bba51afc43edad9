use http::HeaderMap;
use obs_runtime::correlated;

struct State<T>(T);

#[correlated]
fn create(#[carrier] State(headers): State<HeaderMap>) -> usize {
    headers.len()
}

fn main() {
    create(State(HeaderMap::new()));
}
