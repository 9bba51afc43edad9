//! What a piece of code emitted, for tests: nothing global is touched, and tests may run in parallel.
//!
//! ```
//! use obs_runtime::{info, observed, record, testing::capture};
//!
//! #[observed(user_id, agent_id)]
//! fn create_agent(user_id: &str) -> Result<(), std::io::Error> {
//!     record!(agent_id = "a1");
//!     info!("Creating agent");
//!     Ok(())
//! }
//!
//! let seen = capture(|| create_agent("u1"));
//! assert!(seen.value.is_ok());
//! assert_eq!(seen.spans()[0].name, "create_agent");
//! assert_eq!(seen.logs()[0]["agent_id"], "a1");
//! assert_eq!(seen.metric("operation_duration_seconds_count", &[("outcome", "ok")]), Some(1.0));
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::Value;
use tracing::{Dispatch, Level, dispatcher};

use crate::engine::call::Active;
use crate::engine::clock::Moment;
use crate::engine::core::{Core, CoreRef, Out};
use crate::engine::filter::Filter;
use crate::engine::running;
use crate::engine::sampling::Sampler;
use crate::engine::subscriber::{self, Engine};
use crate::engine::{Closed, FieldValue, FinishedSpan, Link, SpanKind};
use crate::export::batch::Batch;
use crate::log::Render;
use crate::metrics::scope::{self, Scope};
use crate::{Ended, SpanId, TraceId};

/// Runs `code`, and keeps what it emitted: every level is on, and metrics are counted for this capture alone.
///
/// A panic of `code` goes through. Captures nest; the inner one has its own.
pub fn capture<T>(code: impl FnOnce() -> T) -> Captured<T> {
    let capture = Capture::new();
    let value = {
        let _scope = scope::enter(Some(Arc::clone(&capture.scope)));
        dispatcher::with_default(&capture.dispatch, code)
    };
    capture.finish(value)
}

/// The same for a future, and for what [`spawn`](crate::spawn) starts inside it (until the future is done).
pub async fn capture_async<F: Future>(future: F) -> Captured<F::Output> {
    let capture = Capture::new();
    let value = Captive { capture: &capture, future: pin!(future) }.await;
    capture.finish(value)
}

/// What a piece of code emitted.
#[derive(Debug)]
pub struct Captured<T> {
    /// What it returned.
    pub value: T,
    spans: Vec<CapturedSpan>,
    open: Vec<String>,
    logs: Vec<Value>,
    scope: Arc<Scope>,
    _active: Active,
}

impl<T> Captured<T> {
    /// The spans that ended, in the order in which they did.
    #[must_use]
    pub fn spans(&self) -> &[CapturedSpan] {
        &self.spans
    }

    /// The only span of this name.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[must_use]
    #[track_caller]
    pub fn span(&self, name: &str) -> &CapturedSpan {
        let named: Vec<_> = self.spans.iter().filter(|span| span.name == name).collect();
        match named[..] {
            [span] => span,
            _ => panic!("{} spans are named `{name}`; all: {:?}", named.len(), self.spans),
        }
    }

    /// The names of the spans that were begun and had not ended by the end of the capture, the oldest first: held by a handle
    /// that is still there, by a task that goes on, or leaked.
    #[must_use]
    pub fn open_spans(&self) -> &[String] {
        &self.open
    }

    /// The log lines, parsed.
    #[must_use]
    pub fn logs(&self) -> &[Value] {
        &self.logs
    }

    /// What changed here, and in what [`spawn`](crate::spawn) started, as exposition text.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.scope.encode()
    }

    /// The value of a sample by its name, as it stands in [`metrics`](Self::metrics): the sum over the series that bear these
    /// labels, whatever else they bear; `None` when there is no such series.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.scope.value(name, labels)
    }
}

/// A span that ended inside a capture.
#[derive(Clone, Debug)]
pub struct CapturedSpan {
    /// Its name.
    pub name: String,
    /// Its target.
    pub target: String,
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// The span it is a child of.
    pub parent_id: Option<SpanId>,
    /// Its role.
    pub kind: SpanKind,
    /// Its own fields, with `outcome`, `error` and `error.type`; of those that it inherits the ids of request, session and message, and the
    /// chosen keys of the baggage.
    pub fields: CapturedFields,
    /// How it ended, where it was observed.
    pub outcome: Option<Ended>,
    /// The status that is exported: the error's text where it failed.
    pub status: Result<(), String>,
    /// How long it lasted.
    pub duration: Duration,
    /// Other spans that it belongs with.
    pub links: Vec<Link>,
}

/// The fields of a captured span, in the order in which they were recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CapturedFields(Vec<(String, Value)>);

impl CapturedFields {
    /// The value of the field `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Each name with its value.
    pub fn iter(&self) -> std::slice::Iter<'_, (String, Value)> {
        self.0.iter()
    }

    /// All of them by name.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, Value> {
        self.0.iter().cloned().collect()
    }
}

impl<'a> IntoIterator for &'a CapturedFields {
    type Item = &'a (String, Value);
    type IntoIter = std::slice::Iter<'a, (String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<FinishedSpan> for CapturedSpan {
    fn from(span: FinishedSpan) -> Self {
        let fields = span.fields.iter().map(|(name, value)| (name.into_owned(), json(&value))).collect();
        CapturedSpan {
            status: span.status().map_err(str::to_owned),
            name: span.name.into_owned(),
            target: span.target.to_owned(),
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_id: span.parent_id,
            kind: span.kind,
            fields: CapturedFields(fields),
            outcome: span.outcome,
            duration: Duration::from_nanos(span.duration_nanos),
            links: span.links,
        }
    }
}

fn json(value: &FieldValue<'_>) -> Value {
    match value {
        FieldValue::Str(value) => Value::from(&**value),
        FieldValue::I64(value) => Value::from(*value),
        FieldValue::U64(value) => Value::from(*value),
        FieldValue::F64(value) => Value::from(*value),
        FieldValue::Bool(value) => Value::from(*value),
    }
}

/// An engine whose lines and spans stay in memory.
struct Capture {
    memory: Arc<Memory>,
    dispatch: Dispatch,
    scope: Arc<Scope>,
    active: Active,
}

#[derive(Default)]
struct Memory {
    lines: Mutex<Vec<u8>>,
    spans: Mutex<Vec<FinishedSpan>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct InMemory(Arc<Memory>);

impl Out for InMemory {
    fn line(&self, line: &[u8], _: Level) {
        lock(&self.0.lines).extend_from_slice(line);
    }

    fn span(&self, span: &Closed<'_>) {
        lock(&self.0.spans).extend(Batch::one(span));
    }

    fn wants_unsampled(&self) -> bool {
        true
    }
}

impl Capture {
    fn new() -> Self {
        let memory = Arc::<Memory>::default();
        let sampler = Sampler::new(1.0, &BTreeMap::new());
        let out = Box::new(InMemory(Arc::clone(&memory)));
        let core = Core::new(Filter::everything(), sampler, Render::Json, out);
        Capture {
            memory,
            dispatch: subscriber::scoped(Engine(CoreRef::Shared(Arc::new(core)))),
            scope: Scope::new(),
            active: Active::begin(),
        }
    }

    fn finish<T>(self, value: T) -> Captured<T> {
        let open = subscriber::of(&self.dispatch).map_or(Vec::new(), |core| running::open(core, Moment::now()));
        let open = open.into_iter().map(|running| running.name).collect();
        let lines = std::mem::take(&mut *lock(&self.memory.lines));
        let logs = serde_json::Deserializer::from_slice(&lines).into_iter().filter_map(Result::ok).collect();
        let spans = std::mem::take(&mut *lock(&self.memory.spans)).into_iter().map(CapturedSpan::from).collect();
        Captured { value, spans, open, logs, scope: self.scope, _active: self.active }
    }
}

/// A future that is polled inside a capture.
struct Captive<'a, F> {
    capture: &'a Capture,
    future: Pin<&'a mut F>,
}

impl<F: Future> Future for Captive<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let _scope = scope::enter(Some(Arc::clone(&self.capture.scope)));
        let dispatch = self.capture.dispatch.clone();
        dispatcher::with_default(&dispatch, || self.future.as_mut().poll(cx))
    }
}
