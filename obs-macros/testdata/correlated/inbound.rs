#[correlated(trust = "ids")]
fn handle(headers: &HeaderMap) -> usize {
    headers.len()
}
