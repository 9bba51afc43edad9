//! Spans opened by hand, for middleware: what `#[observed]` does, with names and fields known at run time.
//!
//! ```
//! use obs_runtime::operation::{Callsite, Operation, Site};
//! use obs_runtime::propagation::Correlation;
//! use obs_runtime::engine::SpanKind;
//!
//! static REQUEST: Callsite = Callsite::new(
//!     Site::new("HTTP", module_path!(), file!(), line!(), &["url.path", "outcome", "error", "error.type"])
//!         .kind(SpanKind::Server)
//!         .no_metrics(),
//! );
//!
//! let mut operation = Operation::open(&REQUEST, Correlation::default());
//! operation.set_name("GET /agents");
//! operation.record("url.path", "/agents");
//! operation.in_scope(|| { /* the work */ });
//! operation.succeed();
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use tracing::Level;

use crate::engine::call::{self, Failure};
pub use crate::engine::callsite::{Callsite, Site};
use crate::engine::held::Held;
use crate::engine::opening::{Opening, Under};
use crate::engine::recorder::{self, Recorded};
use crate::engine::{FieldValue, SpanKind};
use crate::outcome::Ended;
use crate::propagation::Correlation;

/// A span that is open until this is dropped: `cancelled`, unless it was told another outcome.
#[derive(Debug)]
#[must_use = "the span ends when this is dropped"]
pub struct Operation {
    site: &'static Callsite,
    held: Held,
    outcome: Ended,
    failure: Option<Failure>,
}

impl Operation {
    /// Opens a span that continues `parent`.
    pub fn open(site: &'static Callsite, parent: Correlation) -> Self {
        Self::begin(site, Some(Under::Context(parent)))
    }

    /// Opens a span under what is around the caller, as an observed call does.
    pub fn child(site: &'static Callsite) -> Self {
        Self::begin(site, None)
    }

    fn begin(site: &'static Callsite, under: Option<Under>) -> Self {
        let opening = if call::idle(site) { None } else { Opening::begin_at(site, under) };
        let held = opening.map_or(Held::Gone, Opening::finish);
        Operation { site, held, outcome: Ended::Cancelled, failure: None }
    }

    /// Gives the span another name than its site's.
    pub fn set_name(&mut self, name: impl Into<Cow<'static, str>>) {
        let name = name.into();
        self.held.with(|record| record.rare_mut().name = Some(name));
    }

    /// Gives the span another role than its site's.
    pub fn set_kind(&mut self, kind: SpanKind) {
        self.held.with(|record| record.kind = kind);
    }

    /// Records a field. A foreign subscriber sees it only where the site names it.
    pub fn record<'a>(&mut self, key: &'static str, value: impl Into<FieldValue<'a>>) {
        let value = value.into();
        let value = match &value {
            FieldValue::Str(value) => Recorded::Str(value),
            FieldValue::I64(value) => Recorded::I64(*value),
            FieldValue::U64(value) => Recorded::U64(*value),
            FieldValue::F64(value) => Recorded::F64(*value),
            FieldValue::Bool(value) => Recorded::Bool(*value),
        };
        recorder::record_on(&mut self.held, |recorder| recorder.record_named(key, &value));
    }

    /// The outcome will be `ok`.
    pub fn succeed(&mut self) {
        self.outcome = Ended::Ok;
        self.failure = None;
    }

    /// The outcome will be `error`, with this text and this low-cardinality `error.type`. It is told by an event, unless it
    /// began in an observed function below.
    pub fn fail(&mut self, error: impl Into<String>, kind: impl Into<Cow<'static, str>>) {
        self.outcome = Ended::Error;
        self.failure = Some(Failure { texts: vec![error.into()], kind: kind.into(), level: Level::ERROR });
    }

    /// Whether an observed function below has failed, and told it.
    #[must_use]
    pub fn failed_below(&mut self) -> bool {
        self.held.with(|record| record.failed_below()).unwrap_or(false)
    }

    /// As [`fail`](Self::fail), but told by no event: for the consequence of an error that was told where it began.
    pub fn fail_silently(&mut self, error: impl Into<String>, kind: impl Into<Cow<'static, str>>) {
        let error = error.into();
        self.held.with(|record| record.child_failed(error.clone()));
        self.fail(error, kind);
    }

    /// The outcome will be `cancelled`, unless another one is told: as it was when the span was opened.
    pub fn cancel(&mut self) {
        self.outcome = Ended::Cancelled;
        self.failure = None;
    }

    /// The outcome will be `panicked`.
    pub fn panicked(&mut self) {
        self.outcome = Ended::Panicked;
        self.failure = None;
    }

    /// What the span's children elsewhere continue; `None` where nobody listens.
    #[must_use]
    pub fn correlation(&mut self) -> Option<Correlation> {
        self.held.with(|record| record.correlation()).flatten()
    }

    /// Changes what the span hands on to its children besides the trace: the ids and the baggage. To its own fields nothing is added.
    pub fn carry(&mut self, change: impl FnOnce(&mut Correlation)) {
        self.held.with(|record| {
            let mut correlation = record.carried.as_deref().cloned().unwrap_or_default();
            change(&mut correlation);
            record.carried = Some(Arc::new(correlation));
        });
    }

    /// Runs `work` inside the span: a poll of a future, for instance. If it unwinds, the outcome will be `panicked`.
    pub fn in_scope<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.held.enter();
        let mut inside = Inside { operation: self, unwinding: true };
        let result = work();
        inside.unwinding = false;
        result
    }
}

struct Inside<'a> {
    operation: &'a mut Operation,
    unwinding: bool,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.unwinding {
            self.operation.panicked();
        }
        self.operation.held.leave();
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if !matches!(self.held, Held::Gone) {
            self.held.enter();
            call::end(self.site, &mut self.held, self.outcome, self.failure.as_ref());
        }
    }
}

impl<'a> From<&'a str> for FieldValue<'a> {
    fn from(value: &'a str) -> Self {
        FieldValue::Str(Cow::Borrowed(value))
    }
}

impl From<String> for FieldValue<'_> {
    fn from(value: String) -> Self {
        FieldValue::Str(Cow::Owned(value))
    }
}

impl From<i64> for FieldValue<'_> {
    fn from(value: i64) -> Self {
        FieldValue::I64(value)
    }
}

impl From<u64> for FieldValue<'_> {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(FieldValue::U64(value), FieldValue::I64)
    }
}

impl From<u16> for FieldValue<'_> {
    fn from(value: u16) -> Self {
        FieldValue::I64(value.into())
    }
}

impl From<f64> for FieldValue<'_> {
    fn from(value: f64) -> Self {
        FieldValue::F64(value)
    }
}

impl From<bool> for FieldValue<'_> {
    fn from(value: bool) -> Self {
        FieldValue::Bool(value)
    }
}
