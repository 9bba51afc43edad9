//! Server and client middleware.
