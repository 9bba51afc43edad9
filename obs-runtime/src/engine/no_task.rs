//! Without the feature `tokio` there are no tasks.

pub(crate) fn current() -> Option<String> {
    None
}
