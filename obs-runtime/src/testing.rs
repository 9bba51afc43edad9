//! What a piece of code emitted, for tests.
