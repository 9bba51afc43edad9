//! Without the API of OpenTelemetry nobody looks at its context.

pub(super) fn entered(_: u64) {}

pub(super) fn exited(_: u64) {}
