use std::net::Ipv4Addr;

use super::*;

#[observed(user_id, ?tags, %size, doubled = size * 2, shout = %user_id.to_uppercase(), nothing, something)]
fn record_all(user_id: &str, tags: Vec<u8>, size: u64, nothing: Option<u8>, something: Option<u8>) -> usize {
    user_id.len() + tags.len() + usize::from(nothing.or(something).unwrap_or_default())
}

#[test]
fn each_form_keeps_its_type_or_becomes_text() {
    let seen = capture(|| record_all("u1", vec![1, 2], 21, None, Some(7)));
    assert_eq!(seen.value, 11);
    assert_eq!(
        spans(&seen),
        r#"record_all{user_id="u1",tags="[1, 2]",size="21",doubled=42,shout="U1",something=7} ok"#
    );
}

#[observed(id, late(found), ?tags, %size, nothing, host, ratio)]
fn listed(id: &str, tags: &[u8], size: u64, nothing: Option<Ipv4Addr>, host: Option<Ipv4Addr>, ratio: f32) {
    record!(found = id.len());
}

#[observed(id, late(found), ?tags, %size, nothing, host, ratio, more = 1)]
async fn computed(id: &str, tags: &[u8], size: u64, nothing: Option<Ipv4Addr>, host: Option<Ipv4Addr>, ratio: f32) {
    record!(found = id.len());
}

#[test]
fn fields_are_the_same_whether_all_are_arguments_or_one_is_computed() {
    let (id, tags, host) = ("i", &[1, 2], Some(Ipv4Addr::LOCALHOST));
    let fields = r#"id="i",tags="[1, 2]",size="21",host="127.0.0.1",ratio=0.5"#;
    let seen = capture(|| listed(id, tags, 21, None, host, 0.5));
    assert_eq!(spans(&seen), format!("listed{{{fields},found=1}} ok"));
    let seen = capture(|| now(computed(id, tags, 21, None, host, 0.5)));
    assert_eq!(spans(&seen), format!("computed{{{fields},more=1,found=1}} ok"));
}

#[observed(agent_id, user_id, late(bytes))]
fn recorded_in_the_body(user_id: &str) {
    let agent_id = format!("agent of {user_id}");
    record!(agent_id);
    record!(bytes = agent_id.len());
}

#[test]
fn a_standard_field_without_argument_is_recorded_in_the_body() {
    let seen = capture(|| recorded_in_the_body("u1"));
    assert_eq!(spans(&seen), r#"recorded_in_the_body{user_id="u1",agent_id="agent of u1",bytes=11} ok"#);
}

#[observed(message_id)]
fn recorded_by_tracing() {
    tracing::Span::current().record("message_id", "m1");
}

#[test]
fn a_standard_field_may_be_recorded_by_tracing() {
    assert_eq!(spans(&capture(recorded_by_tracing)), r#"recorded_by_tracing{message_id="m1"} ok"#);
}

#[observed(%name, ?kind, %err, r#type)]
fn called_like_options(name: &str, kind: u8, err: bool, r#type: &str) -> usize {
    name.len() + usize::from(kind) + usize::from(err) + r#type.len()
}

#[test]
fn an_argument_called_like_an_option_is_recorded_with_a_sigil() {
    let seen = capture(|| called_like_options("n", 1, true, "t"));
    assert_eq!(spans(&seen), r#"called_like_options{name="n",kind="1",err="true",type="t"} ok"#);
}

struct Pair {
    left: u8,
    right: u8,
}

#[observed(left, b, z, sum = left + b)]
fn patterns(Pair { left, .. }: Pair, (mut b, _): (u8, u8), &z: &u8, _: String, [.., last]: [u8; 3]) -> u8 {
    b += 1;
    left + b + z + last
}

#[test]
fn names_bound_in_patterns_are_arguments() {
    let seen = capture(|| patterns(Pair { left: 1, right: 2 }, (3, 4), &5, String::new(), [6, 7, 8]));
    assert_eq!(seen.value, 18);
    assert_eq!(spans(&seen), "patterns{left=1,b=3,z=5,sum=4} ok");
    assert_eq!(Pair { left: 1, right: 2 }.right, 2);
}

#[observed(b, a)]
#[allow(clippy::non_minimal_cfg)]
fn conditional(#[cfg(any())] a: Missing, #[cfg(all())] b: u8) -> u8 {
    b
}

#[test]
fn an_argument_that_is_configured_away_is_not_recorded() {
    assert_eq!(spans(&capture(|| conditional(3))), "conditional{b=3} ok");
}

#[observed(name = "agent.create", target = "lifecycle", level = "debug", kind = "server", metrics = off)]
fn options() {}

#[test]
fn options_reach_the_span() {
    let seen = capture(options);
    let span = seen.span("agent.create");
    assert_eq!(span.target, "lifecycle");
    assert_eq!(span.kind, obs_runtime::engine::SpanKind::Server);
    assert_eq!(seen.metric("operation_duration_seconds_count", &[]), None);
}
