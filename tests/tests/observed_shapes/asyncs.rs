use super::*;

#[observed(user_id, agent_id)]
async fn create(user_id: &str, mut tries: u8) -> Result<String, Failure> {
    tries += 1;
    std::future::ready(()).await;
    record!(agent_id = tries);
    info!("created");
    Ok(user_id.to_owned())
}

#[test]
fn an_async_function_records_and_returns() {
    let seen = capture(|| now(create("u1", 1)));
    assert_eq!(seen.value, Ok("u1".to_owned()));
    assert_eq!(spans(&seen), r#"create{user_id="u1",agent_id=2} ok"#);
    let line = seen.logs().iter().find(|line| line["message"] == "created").expect("the line");
    assert_eq!(line["user_id"], "u1");
    assert_eq!(line["span_id"], seen.spans()[0].span_id.to_string());
}

#[test]
fn an_async_function_never_polled_leaves_no_trace() {
    let seen = capture(|| drop(create("u1", 1)));
    assert_eq!(spans(&seen), "");
}

#[observed]
async fn waits() {
    std::future::pending::<()>().await;
}

#[test]
fn a_future_dropped_half_way_is_cancelled() {
    let seen = capture(|| {
        let mut future = pin!(waits());
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    assert_eq!(spans(&seen), "waits{} cancelled");
}

#[observed(n)]
fn returned(n: u8) -> impl Future<Output = Result<u8, Failure>> + Send {
    info!("before");
    async move { if n == 0 { Err(Failure("zero")) } else { Ok(n) } }
}

#[observed(n)]
fn boxed<'a>(n: u8, text: &'a str) -> Pin<Box<dyn Future<Output = Result<usize, Failure>> + Send + 'a>> {
    if n == 0 {
        return Box::pin(std::future::ready(Err(Failure("zero"))));
    }
    Box::pin(async move { Ok(text.len()) })
}

#[test]
fn a_returned_future_is_observed_from_the_call_to_its_end() {
    let seen = capture(|| (now(returned(1)), now(boxed(1, "abc"))));
    assert_eq!(seen.value, (Ok(1), Ok(3)));
    assert_eq!(spans(&seen), "returned{n=1} ok\nboxed{n=1} ok");
    assert!(!seen.logs()[0]["span_id"].is_null(), "{:?}", seen.logs());
    let seen = capture(|| (now(returned(0)).is_err(), now(boxed(0, "")).is_err()));
    assert_eq!(seen.value, (true, true));
    assert_eq!(seen.spans().iter().filter(|span| span.fields.get("error") == Some(&json!("zero"))).count(), 2);
}

/// What `#[async_trait]` makes of `async fn get(&self, key: &str) -> usize`.
#[observed(key)]
#[allow(clippy::let_and_return, clippy::redundant_locals)]
fn by_async_trait<'life0, 'async_trait>(
    key: &'life0 str,
) -> Pin<Box<dyn Future<Output = Result<usize, Failure>> + Send + 'async_trait>>
where
    'life0: 'async_trait,
{
    Box::pin(async move {
        if let Some(__ret) = None::<Result<usize, Failure>> {
            return __ret;
        }
        let key = key;
        let __ret: Result<usize, Failure> = { Ok(key.len()) };
        __ret
    })
}

#[test]
fn a_method_of_async_trait_begins_at_its_first_poll() {
    assert_eq!(spans(&capture(|| drop(by_async_trait("k")))), "");
    let seen = capture(|| now(by_async_trait("key")));
    assert_eq!(seen.value, Ok(3));
    assert_eq!(spans(&seen), "by_async_trait{key=\"key\"} ok");
}

#[test]
fn a_returned_future_never_polled_is_cancelled() {
    let seen = capture(|| drop(boxed(1, "")));
    assert_eq!(spans(&seen), "boxed{n=1} cancelled");
}
