#[correlated(outbound)]
#[observed]
async fn schedule(job: Job, #[carrier] headers: &mut HeaderMap) -> usize {
    headers.len()
}
