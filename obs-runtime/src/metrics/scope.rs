//! Where `testing::capture` sends the updates made inside it: cells of its own, in place of the process's.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics::family::AnyFamily;
use crate::metrics::lanes::{self, Place, Reading};
use crate::metrics::operations::{self, Operation, Scoped};
use crate::metrics::snapshot::{self, Snapshot};

/// How many scopes there are in the process.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// Cells that stand in for the process's own while a capture runs.
pub(crate) struct Scope {
    /// By the id of the family that they stand for.
    families: Mutex<HashMap<u64, Arc<dyn AnyFamily>>>,
    /// By the address of the operation that they stand for.
    operations: Mutex<HashMap<usize, (&'static Operation, Scoped)>>,
}

impl Scope {
    #[cfg_attr(not(feature = "testing"), allow(dead_code))]
    pub(crate) fn new() -> Arc<Self> {
        SCOPES.fetch_add(1, Relaxed);
        Arc::new(Scope { families: Mutex::default(), operations: Mutex::default() })
    }

    /// The text (0.0.4) of what changed in here.
    #[cfg_attr(not(feature = "testing"), allow(dead_code))]
    pub(crate) fn encode(&self) -> String {
        snapshot::encode(self.snapshots())
    }

    /// The sum of the series called `name` (a histogram has `_bucket`, `_sum` and `_count`) that bear all of `labels`,
    /// whatever their other labels are; `None` if nothing of the kind changed in here.
    #[cfg_attr(not(feature = "testing"), allow(dead_code))]
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        snapshot::value(&self.snapshots(), name, labels)
    }

    #[cfg_attr(not(feature = "testing"), allow(dead_code))]
    fn snapshots(&self) -> Vec<Snapshot> {
        let reading = Reading::now();
        let operations: Vec<_> = lock(&self.operations)
            .values()
            .filter_map(|(operation, scoped)| Some((*operation, scoped.place()?)))
            .collect();
        let families: Vec<_> = lock(&self.families).values().cloned().collect();
        let mut snapshots = Vec::from(operations::snapshots(operations.into_iter(), &reading));
        snapshots.extend(families.iter().map(|family| Snapshot::of(&**family, &reading)));
        snapshots
    }

    /// What stands in here for the family `id`.
    pub(crate) fn family<F: AnyFamily>(&self, id: u64, make: impl FnOnce() -> Arc<F>) -> Option<Arc<F>> {
        let family = Arc::clone(lock(&self.families).entry(id).or_insert_with(|| make()));
        let family: Arc<dyn Any + Send + Sync> = family;
        family.downcast().ok()
    }

    /// What stands in here for the place of `operation`.
    pub(crate) fn operation(&self, operation: &'static Operation) -> Option<Place> {
        let mut operations = lock(&self.operations);
        let (_, scoped) =
            operations.entry(std::ptr::from_ref(operation).addr()).or_insert_with(|| (operation, Scoped::new()));
        scoped.place()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Relaxed);
    }
}

/// Whether a capture runs anywhere: one relaxed load.
#[inline]
pub(crate) fn any() -> bool {
    SCOPES.load(Relaxed) != 0
}

/// The scope that this thread is in; `None` at the cost of one relaxed load while no capture runs anywhere.
#[inline]
pub(crate) fn current() -> Option<Arc<Scope>> {
    if !any() {
        return None;
    }
    CURRENT.try_with(|current| current.try_borrow().ok()?.clone()).ok().flatten()
}

/// Puts this thread in `scope` until the guard is dropped.
#[inline]
pub(crate) fn enter(scope: Option<Arc<Scope>>) -> Entered {
    let before = if any() { Some(replace(scope)) } else { None };
    Entered { before, _thread: PhantomData }
}

/// Leaves the scope when dropped, back to the one before.
pub(crate) struct Entered {
    before: Option<Option<Arc<Scope>>>,
    /// It must be dropped on the thread that it was made on.
    _thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            drop(replace(before));
        }
    }
}

fn replace(scope: Option<Arc<Scope>>) -> Option<Arc<Scope>> {
    // So an update need not ask whether it is in a scope: there it finds no words at hand.
    lanes::keep_far(scope.is_some());
    CURRENT
        .try_with(|current| current.try_borrow_mut().ok().map(|mut current| std::mem::replace(&mut *current, scope)))
        .ok()
        .flatten()
        .flatten()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counter, Gauge, LabelSet, LabelValue, MetricSet};

    #[derive(MetricSet)]
    #[metric_set(crate = crate)]
    struct Things {
        /// Things that were counted.
        scoped_things_total: Counter,
        /// Things by colour.
        scoped_colours: Gauge<Colour>,
    }

    #[derive(LabelSet)]
    #[label_set(crate = crate)]
    struct Colour {
        colour: Shade,
    }

    #[derive(LabelValue)]
    #[label(crate = crate)]
    enum Shade {
        Dark,
        Light,
    }

    fn count(scope: &Scope) -> Option<f64> {
        scope.value("scoped_things_total", &[])
    }

    #[test]
    fn a_scope_sees_its_own_updates_and_the_process_sees_none_of_them() {
        let things = Things::global();
        let scope = Scope::new();
        {
            let _entered = enter(Some(Arc::clone(&scope)));
            things.scoped_things_total.add(3);
            things.scoped_colours.with(Colour { colour: Shade::Dark }).add(2.0);
            things.scoped_colours.with(Colour { colour: Shade::Light }).add(1.0);
        }
        assert_eq!(count(&scope), Some(3.0));
        assert_eq!(scope.value("scoped_colours", &[]), Some(3.0));
        assert_eq!(scope.value("scoped_colours", &[("colour", "dark")]), Some(2.0));
        assert_eq!(scope.value("scoped_colours", &[("colour", "blue")]), None);
        assert!(!crate::metrics::encode().contains("scoped_colours"));
    }

    #[test]
    fn a_handle_counts_where_it_is_used_whatever_it_was_made_in() {
        let things = Things::new();
        let outside = things.scoped_colours.with(Colour { colour: Shade::Dark });
        let scope = Scope::new();
        let inside = {
            let _entered = enter(Some(Arc::clone(&scope)));
            outside.add(1.0);
            things.scoped_colours.with(Colour { colour: Shade::Dark })
        };
        inside.add(5.0);
        assert_eq!(scope.value("scoped_colours", &[]), Some(1.0));
        let registry = crate::Registry::new();
        registry.register(&things).expect("a free name");
        assert!(registry.encode().contains("scoped_colours{colour=\"dark\"} 5\n"), "{}", registry.encode());
    }

    #[test]
    fn scopes_nest_and_go_to_other_threads() {
        let things = Things::global();
        let (outer, inner) = (Scope::new(), Scope::new());
        let _outer = enter(Some(Arc::clone(&outer)));
        {
            let _inner = enter(Some(Arc::clone(&inner)));
            things.scoped_things_total.inc();
            let carried = current();
            std::thread::spawn(move || {
                let _carried = enter(carried);
                things.scoped_things_total.inc();
            })
            .join()
            .expect("the thread ends");
        }
        things.scoped_things_total.add(7);
        assert_eq!((count(&outer), count(&inner)), (Some(7.0), Some(2.0)));
    }

    #[test]
    fn removing_in_a_scope_leaves_the_process_as_it_was() {
        let things = Things::new();
        things.scoped_colours.with(Colour { colour: Shade::Dark }).set(1.0);
        let _entered = enter(Some(Scope::new()));
        assert!(!things.scoped_colours.remove(&Colour { colour: Shade::Dark }));
        drop(_entered);
        assert!(things.scoped_colours.remove(&Colour { colour: Shade::Dark }));
    }
}
