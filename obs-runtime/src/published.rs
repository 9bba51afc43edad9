//! The functions that the platform has published.
