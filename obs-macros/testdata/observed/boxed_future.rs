#[observed]
fn get(id: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { id })
}
