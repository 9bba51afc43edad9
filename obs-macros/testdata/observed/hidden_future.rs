#[observed(future, root)]
fn get(id: u8) -> Answer<u8> {
    fetch(id)
}
