use http::HeaderMap;
use obs_runtime::correlated;

#[correlated]
const fn create(headers: &HeaderMap) -> bool {
    let _ = headers;
    true
}

fn main() {
    create(&HeaderMap::new());
}
