use http::HeaderMap;
use obs_runtime::correlated;

#[correlated(outbond, trust = "some", inbound, colour = 1)]
fn misspelt(headers: &mut HeaderMap) -> usize {
    headers.len()
}

#[correlated(outbound, outbound, trust = ids, crate)]
fn malformed(headers: &mut HeaderMap) -> usize {
    headers.len()
}

fn main() {
    misspelt(&mut HeaderMap::new());
    malformed(&mut HeaderMap::new());
}
