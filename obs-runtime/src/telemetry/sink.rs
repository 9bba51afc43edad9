//! Where the lines and spans of a runtime go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::Level;

use crate::engine::Closed;
use crate::engine::core::Out;
use crate::export::Pipeline;
use crate::log::writer::Writer;
use crate::metrics::own;
use crate::muted;

/// How long who flushes without a deadline of its own may be held up.
const FLUSH: Duration = Duration::from_secs(1);

pub(crate) struct Sink {
    pub(crate) writer: Writer,
    pub(crate) pipelines: Arc<[Pipeline]>,
    /// Whether the pipelines decide by the ends of traces what they keep.
    pub(crate) tail_sampling: bool,
}

impl Out for Sink {
    fn line(&self, line: &[u8], level: Level) {
        if muted::is_muted() {
            return;
        }
        own::line(level);
        self.writer.line(line);
    }

    fn span(&self, span: &Closed<'_>) {
        if muted::is_muted() {
            return;
        }
        for pipeline in self.pipelines.iter() {
            pipeline.close_span(span);
        }
    }

    fn flush(&self) {
        self.writer.flush(Instant::now() + FLUSH);
    }

    fn wants_unsampled(&self) -> bool {
        self.tail_sampling && !self.pipelines.is_empty()
    }
}
