use super::*;

#[observed(late(outer, n))]
fn outer() {
    record!(n = 1);
    #[observed(late(n))]
    fn inner() {
        record!(n = 2);
    }
    inner();
    let inside = obs_runtime::info_span!("plain");
    inside.in_scope(|| [1].iter().for_each(|_| record!(outer = ?"set", n = 3)));
}

#[test]
fn a_value_goes_to_the_span_of_the_function_that_declared_it() {
    let seen = capture(outer);
    assert_eq!(seen.span("inner").fields.get("n"), Some(&json!(2)));
    assert_eq!(seen.span("outer").fields.get("n"), Some(&json!(3)));
    assert_eq!(seen.span("outer").fields.get("outer"), Some(&json!("\"set\"")));
    assert_eq!(seen.span("plain").fields.get("n"), None);
}

#[observed(late(size))]
async fn with_control_flow(text: &str) -> Result<usize, std::num::ParseIntError> {
    record!(size = std::future::ready(text.parse::<usize>()).await?);
    Ok(1)
}

#[test]
fn a_value_may_await_and_fail() {
    let seen = capture(|| (now(with_control_flow("7")).is_ok(), now(with_control_flow("x")).is_err()));
    assert_eq!(seen.value, (true, true));
    assert_eq!(seen.spans()[0].fields.get("size"), Some(&json!(7)));
}

#[observed(late(size))]
fn counts(left: &mut Vec<u8>) {
    record!(size = left.pop().unwrap_or_default());
}

#[test]
fn a_value_is_computed_once_with_or_without_a_runtime() {
    let mut left = vec![1, 2, 3];
    counts(&mut left);
    assert_eq!(left, [1, 2]);
    capture(|| counts(&mut left));
    assert_eq!(left, [1]);
}

#[observed(asked = ask(asked))]
fn asks(asked: &std::cell::Cell<u8>) {}

fn ask(asked: &std::cell::Cell<u8>) -> u8 {
    asked.set(asked.get() + 1);
    asked.get()
}

#[test]
fn a_field_is_asked_once_and_not_at_all_without_a_runtime() {
    let asked = std::cell::Cell::new(0);
    asks(&asked);
    assert_eq!(asked.get(), 0);
    capture(|| asks(&asked));
    assert_eq!(asked.get(), 1);
}
