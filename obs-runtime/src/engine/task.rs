//! The task of tokio that this thread works on.

/// Its id, as tokio shows it.
pub(crate) fn current() -> Option<String> {
    tokio::task::try_id().map(|id| id.to_string())
}
