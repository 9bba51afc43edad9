#[observed(user_id, shard = self.shard, level = "debug")]
impl<T: Clone> Store for Shelf<T> {
    type Key = u8;

    fn put(&mut self, user_id: u8) {}

    #[observed(name = "shelf.size", level = "info")]
    fn size(&self) -> usize {
        0
    }

    #[observed(skip)]
    fn kind() -> Kind {
        Kind::Shelf
    }

    fn open() {}
}
