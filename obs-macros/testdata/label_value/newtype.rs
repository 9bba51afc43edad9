#[label(max = 10_000)]
struct UserId(Arc<str>);
