//! What is marked as sensitive never shows.

use std::panic;

use obs_runtime::testing::capture;
use obs_runtime::{Sensitive, info, observed, record};

const SECRET: &str = "hunter2";

#[derive(Debug)]
#[allow(dead_code)]
struct Login {
    user: &'static str,
    password: Sensitive<&'static str>,
}

#[observed(token, ?login, size = token.expose().len(), late(shown))]
fn log_in(token: Sensitive<String>, login: Login) -> Result<(), Sensitive<&'static str>> {
    record!(shown = ?token);
    info!(%token, login = ?login, "logging in with {token} and {token:?}");
    Err(login.password)
}

#[test]
fn no_line_span_or_metric_shows_it() {
    let login = Login { user: "u1", password: Sensitive::new(SECRET) };
    let seen = capture(|| log_in(Sensitive::new(SECRET.to_owned()), login));
    let all = format!("{:?} {:?} {} {:?}", seen.spans(), seen.logs(), seen.metrics(), seen.value);
    assert!(!all.contains(SECRET), "{all}");
    let span = seen.span("log_in");
    assert_eq!(span.fields.get("token"), Some(&"[redacted]".into()));
    assert_eq!(span.fields.get("shown"), Some(&"[redacted]".into()));
    assert_eq!(span.fields.get("login"), Some(&"Login { user: \"u1\", password: [redacted] }".into()));
    assert_eq!(span.fields.get("size"), Some(&7.into()));
    assert_eq!(span.fields.get("error"), Some(&"[redacted]".into()));
}

#[test]
fn no_panic_message_shows_it() {
    let secret = Sensitive::new(SECRET);
    let payload = panic::catch_unwind(|| assert_eq!(secret, Sensitive::new("else"))).expect_err("they differ");
    let text = payload.downcast_ref::<String>().expect("a message");
    assert!(!text.contains(SECRET) && text.contains("[redacted]"), "{text}");
    let failed: Result<(), _> = log_in(Sensitive::new(SECRET.to_owned()), Login { user: "u1", password: secret });
    let payload = panic::catch_unwind(|| failed.expect("to log in")).expect_err("it is an error");
    assert!(!payload.downcast_ref::<String>().expect("a message").contains(SECRET));
}

#[test]
fn it_is_not_serialized_and_may_be_read() {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Config {
        password: Sensitive<String>,
    }
    let config: Config = serde_json::from_str(r#"{"password":"hunter2"}"#).expect("a configuration");
    assert_eq!(config.password.expose(), SECRET);
    assert_eq!(serde_json::to_string(&config).expect("text"), r#"{"password":"[redacted]"}"#);
    assert_eq!(format!("{:>12}|{:?}", config.password, config.password), "  [redacted]|[redacted]");
}
