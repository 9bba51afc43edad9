//! Rendering values into [`List`]s. User code (`Display`, `Debug`) runs here, so never under a lock.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::field::{Field, Visit};

use crate::engine::fields::List;
use crate::log::json;
use crate::names;

/// Renders what a `Display` or `Debug` writes as a JSON string. One that panics leaves a note: telemetry never fails the
/// caller's work.
pub(crate) fn formatted(text: &mut Vec<u8>, value: fmt::Arguments<'_>) {
    let start = text.len();
    text.push(b'"');
    let written = catch_unwind(AssertUnwindSafe(|| {
        let _ = json::Escaped::new(text).write_fmt(value);
    }));
    if written.is_err() {
        text.truncate(start);
        text.extend_from_slice(b"\"[panicked while formatting]");
    }
    text.push(b'"');
}

/// What a formatter writes, as text.
pub(crate) fn to_text(value: fmt::Arguments<'_>) -> String {
    catch_unwind(AssertUnwindSafe(|| {
        let mut text = String::new();
        let _ = text.write_fmt(value);
        text
    }))
    .unwrap_or_else(|_| "[panicked while formatting]".to_owned())
}

/// Records the values of a `tracing` span.
pub(crate) struct SpanVisitor<'a>(pub(crate) &'a mut List);

/// Records the values of a `tracing` event: its message apart from its fields.
#[derive(Default)]
pub(crate) struct EventVisitor {
    /// The message, as a JSON string.
    pub(crate) message: Vec<u8>,
    pub(crate) fields: List,
}

impl EventVisitor {
    /// How many lines of the same callsite were held back before this one.
    pub(crate) fn suppressed(&mut self, lines: u64) {
        if lines > 0 {
            self.fields.put(names::SUPPRESSED, |text| json::integer(text, lines));
        }
    }

    pub(crate) fn clear(&mut self) {
        self.message.clear();
        self.fields.clear();
    }
}

trait Render {
    fn render(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>));
}

impl Render for SpanVisitor<'_> {
    fn render(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>)) {
        self.0.put(key(field), value);
    }
}

impl Render for EventVisitor {
    fn render(&mut self, field: &Field, value: impl FnOnce(&mut Vec<u8>)) {
        if field.name() == "message" {
            self.message.clear();
            value(&mut self.message);
        } else {
            self.fields.put(key(field), value);
        }
    }
}

/// `tracing` keeps the `r#` of a raw identifier in the name.
fn key(field: &Field) -> &'static str {
    let name = field.name();
    name.strip_prefix("r#").unwrap_or(name)
}

macro_rules! visit {
    ($visitor:ty) => {
        impl Visit for $visitor {
            fn record_str(&mut self, field: &Field, value: &str) {
                self.render(field, |text| json::string(text, value));
            }
            fn record_i64(&mut self, field: &Field, value: i64) {
                self.render(field, |text| json::integer(text, value));
            }
            fn record_u64(&mut self, field: &Field, value: u64) {
                self.render(field, |text| json::integer(text, value));
            }
            fn record_i128(&mut self, field: &Field, value: i128) {
                self.render(field, |text| json::integer(text, value));
            }
            fn record_u128(&mut self, field: &Field, value: u128) {
                self.render(field, |text| json::integer(text, value));
            }
            fn record_f64(&mut self, field: &Field, value: f64) {
                self.render(field, |text| json::float(text, value));
            }
            fn record_bool(&mut self, field: &Field, value: bool) {
                self.render(field, |text| json::boolean(text, value));
            }
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.render(field, |text| formatted(text, format_args!("{value:?}")));
            }
            fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
                self.render(field, |text| formatted(text, format_args!("{value}")));
            }
        }
    };
}

visit!(SpanVisitor<'_>);
visit!(EventVisitor);
