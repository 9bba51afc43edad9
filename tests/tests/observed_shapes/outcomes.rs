use super::*;

type Answer<T> = Result<T, Failure>;

#[observed]
fn early_return(fail: bool) -> Answer<u8> {
    if fail {
        return Err(Failure("no room"));
    }
    Ok(1)
}

#[observed]
fn question_mark() -> Answer<u8> {
    early_return(true)?;
    Ok(1)
}

#[test]
fn an_early_return_and_a_question_mark_are_errors() {
    let seen = capture(question_mark);
    assert_eq!(seen.spans().len(), 2);
    for span in seen.spans() {
        assert_eq!(span.outcome, Some(obs_runtime::Ended::Error));
        assert_eq!(span.fields.get("error"), Some(&json!("no room")));
    }
}

#[derive(Debug)]
struct Mute;

#[observed(err(Debug), err = "warn")]
fn by_debug() -> Result<(), Mute> {
    Err(Mute)
}

#[test]
fn an_error_may_be_shown_by_debug_at_a_level_of_ones_own() {
    let seen = capture(by_debug);
    assert_eq!(seen.span("by_debug").fields.get("error"), Some(&json!("Mute")));
    assert!(seen.logs().iter().any(|line| line["level"] == "warn"), "{:?}", seen.logs());
}

#[observed(err = off)]
fn unlogged() -> Result<(), Failure> {
    Err(Failure("quiet"))
}

#[test]
fn an_error_may_stay_without_event() {
    let seen = capture(unlogged);
    assert_eq!(seen.span("unlogged").fields.get("error"), Some(&json!("quiet")));
    assert!(seen.logs().iter().all(|line| line["level"] == "debug"), "{:?}", seen.logs());
}

#[observed]
fn never() -> ! {
    panic!("as it should")
}

#[test]
fn a_function_that_never_returns_is_seen_to_panic() {
    let seen = capture(|| std::panic::catch_unwind(|| never()).is_err());
    assert!(seen.value);
    assert_eq!(spans(&seen), "never{} panicked");
}

#[observed]
async fn never_async() -> ! {
    panic!("as it should")
}

#[test]
fn an_async_function_that_never_returns_is_seen_to_panic() {
    let seen = capture(|| std::panic::catch_unwind(|| now(never_async())).is_err());
    assert!(seen.value);
    assert_eq!(spans(&seen), "never_async{} panicked");
}
