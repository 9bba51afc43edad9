#[classify(level = "warn")]
enum CreateError<T> {
    #[classify(kind = "quota")]
    QuotaExceeded { used: u32 },
    #[classify(transparent)]
    Store(StoreError),
    Broken(T),
}
