#[observed(
    name = "agent.create",
    target = "lifecycle",
    level = "debug",
    kind = "server",
    err = "warn",
    err(Debug),
    metrics = off,
    late(status),
    crate = facade::obs
)]
fn create() -> Result<(), Error> {
    #![allow(unused)]
    Ok(())
}
