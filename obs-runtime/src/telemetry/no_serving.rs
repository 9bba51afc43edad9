/// There are no servers.
#[derive(Default)]
pub(super) struct Serving {}

impl Serving {
    pub(super) fn stop(&self) {}
}
