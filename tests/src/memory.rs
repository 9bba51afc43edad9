//! A runtime whose lines and spans stay in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use obs_runtime::engine::FinishedSpan;
use obs_runtime::export::{Delivery, Exporter};
use obs_runtime::{Builder, ObservabilityConfig, Telemetry};
use serde_json::Value;

use crate::Written;

/// What was written, and the spans that ended.
#[derive(Clone, Default)]
pub struct Memory {
    lines: Written,
    spans: Arc<Mutex<Vec<FinishedSpan>>>,
}

/// Longer than any test waits.
pub const SOON: Duration = Duration::from_secs(10);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Spans(Memory);

impl Exporter for Spans {
    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        let delivery = Delivery::all(&spans);
        lock(&self.0.spans).extend(spans);
        delivery
    }
}

impl Memory {
    /// A runtime of this filter that writes here, still to be built. Its servers are on free ports of the loopback.
    pub fn builder(&self, filter: &str) -> Builder {
        let config = ObservabilityConfig {
            log_level: filter.to_owned(),
            metrics_address: [127, 0, 0, 1].into(),
            metrics_port: 0,
            admin_port: 0,
            ..ObservabilityConfig::default()
        };
        Telemetry::builder("tests").config(config).log_writer(self.lines.clone()).exporter(Spans(self.clone()))
    }

    /// The lines so far.
    ///
    /// # Panics
    /// When one of them is no JSON object.
    #[must_use]
    pub fn lines(&self, telemetry: &Telemetry) -> Vec<Value> {
        telemetry.flush(SOON);
        self.lines.json()
    }

    /// The spans that have ended so far.
    #[must_use]
    pub fn spans(&self, telemetry: &Telemetry) -> Vec<FinishedSpan> {
        telemetry.flush(SOON);
        lock(&self.spans).clone()
    }
}

/// Says of ids that are made anew each time which is which: the first one is 1.
#[derive(Default)]
pub struct Numbers(HashMap<String, usize>);

impl Numbers {
    /// The number of this id.
    pub fn of(&mut self, id: impl ToString) -> usize {
        let next = self.0.len() + 1;
        *self.0.entry(id.to_string()).or_insert(next)
    }
}

/// The lines without what differs from one run to the next: times are left out, ids are numbers.
#[must_use]
pub fn comparable(lines: &[Value]) -> Vec<String> {
    let mut numbers = Numbers::default();
    let comparable = |line: &Value| {
        let mut line = line.as_object().cloned().unwrap_or_default();
        for time in ["timestamp", "duration_ms"] {
            line.remove(time);
        }
        for id in ["trace_id", "span_id"] {
            if let Some(Value::String(text)) = line.get(id) {
                let number = numbers.of(text);
                line.insert(id.to_owned(), number.into());
            }
        }
        Value::Object(line).to_string()
    };
    lines.iter().map(comparable).collect()
}
