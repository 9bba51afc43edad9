#[observed]
fn get(id: u8) -> impl Future<Output = Result<u8, Error>> + Send {
    async move { Ok(id) }
}
