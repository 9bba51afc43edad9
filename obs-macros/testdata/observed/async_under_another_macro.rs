#[observed]
#[tokio::test]
async fn stays_async() {
    work().await;
}
