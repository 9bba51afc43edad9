//! `operation_duration_seconds` and `operations_in_flight`: the cells of one observed callsite.

use std::sync::Arc;

use crate::metrics::scope::Scope;
use crate::outcome::Outcome;

/// The cells of one callsite. It lives in a static and joins the process's list at its first use.
pub struct Operation {
    _name: &'static str,
    _target: &'static str,
}

impl Operation {
    /// Cells for the operation `name` of `target`.
    #[must_use]
    pub const fn new(name: &'static str, target: &'static str) -> Self {
        Operation { _name: name, _target: target }
    }

    /// A call has begun: one more in flight.
    pub(crate) fn begin(&'static self, _scope: Option<&Arc<Scope>>) {}

    /// A call has ended: one less in flight, one more observation.
    pub(crate) fn end(&'static self, _scope: Option<&Arc<Scope>>, _outcome: Outcome, _nanos: u64) {}
}
