//! The HTTP servers: `/metrics` and the probes, and the administration.
