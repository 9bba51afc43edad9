#[correlated]
async fn handle(mut headers: HeaderMap, (a, b): (u8, u8)) -> Result<impl Sized, Error> {
    headers.clear();
    Ok(a + b)
}
