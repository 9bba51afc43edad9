#[observed(user_id)]
pub(crate) async fn create<T: Store>(store: &T, user_id: &str) -> Result<Agent, Error> {
    store.put(user_id).await
}
