//! The embedded store.

use std::sync::Arc;

use obs_logs::{Embedded, Retention};

use crate::suite::Opened;

async fn open() -> Option<Opened> {
    let root = tempfile::tempdir().unwrap();
    let store = Embedded::open(root.path(), Retention::default()).unwrap();
    Some(Opened { store: Arc::new(store), tick: 1, ordered: true, _held: Box::new(root) })
}

suite!(open());
