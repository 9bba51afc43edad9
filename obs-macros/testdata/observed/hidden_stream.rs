#[observed(stream)]
fn read() -> impl Stream<Item = u8> {
    lines()
}
