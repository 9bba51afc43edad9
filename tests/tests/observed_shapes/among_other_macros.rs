use super::*;

#[observed]
#[tokio::test]
async fn above_a_test_of_tokio() {
    tokio::task::yield_now().await;
}

#[tokio::test]
#[observed]
async fn below_a_test_of_tokio() {
    tokio::task::yield_now().await;
}

#[observed(n)]
#[tracing::instrument(name = "lower", skip_all)]
async fn above_instrument(n: u8) -> Result<u8, Failure> {
    if n == 0 { Err(Failure("zero")) } else { Ok(n) }
}

#[tracing::instrument(name = "upper", skip_all)]
#[observed(n)]
async fn below_instrument(n: u8) -> u8 {
    n
}

#[cfg_attr(all(), observed(n))]
fn conditionally(n: u8) -> u8 {
    n
}

#[test]
fn spans_of_other_macros_nest() {
    let seen = capture(|| (now(above_instrument(1)), now(below_instrument(2)), conditionally(3)));
    assert_eq!(seen.value, (Ok(1), 2, 3));
    // The upper attribute is expanded first, so the lower one wraps what it made.
    assert_eq!(seen.span("above_instrument").parent_id, Some(seen.span("lower").span_id));
    assert_eq!(seen.span("upper").parent_id, Some(seen.span("below_instrument").span_id));
    assert_eq!(seen.span("conditionally").fields.get("n"), Some(&json!(3)));
}
