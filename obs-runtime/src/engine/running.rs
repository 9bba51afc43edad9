//! What is running now, for whoever asks.
//!
//! A span in a slot is found there, fields and all. An observed call owns its record, and nobody else can look at that: so each
//! such record has a beacon, a few words that the call sets when it begins and another thread may read at any time. They tell
//! name, ids and age. Once somebody has asked, observed calls go by way of a slot for a while, from their next poll on: then
//! their fields are seen too, and where they were polled last.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use tracing::Metadata;

use crate::engine::callsite::Callsite;
use crate::engine::clock::Moment;
use crate::engine::core::CoreRef;
use crate::engine::record::{Ids, Record};
use crate::engine::{slots, task};
use crate::{SpanId, TraceId};

/// An open span.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) target: &'static str,
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// Nothing where only its beacon is seen.
    pub(crate) seen: Option<Seen>,
    pub(crate) age: Duration,
}

/// What is seen of a span in a slot.
pub(crate) struct Seen {
    pub(crate) parent_id: Option<SpanId>,
    /// `,"key":value` for each field, inherited or not.
    pub(crate) fields: Vec<u8>,
    pub(crate) polled: Option<Polled>,
}

/// The last time that a span was entered: an observed future by a poll.
#[derive(Clone)]
pub(crate) struct Polled {
    at: Moment,
    /// Whether it was not left since.
    pub(crate) is_inside: bool,
    pub(crate) thread: Thread,
    /// The task of tokio.
    pub(crate) task: Option<String>,
}

impl Polled {
    pub(crate) fn ago(&self) -> Duration {
        Duration::from_nanos(Moment::now().since(self.at))
    }
}

/// What an observed call tells of itself while it runs.
#[derive(Default)]
pub(crate) struct Beacon {
    /// The span; 0 while the record is not in use.
    span: AtomicU64,
    trace: [AtomicU64; 2],
    start: AtomicU64,
    /// The address of its callsite.
    site: AtomicUsize,
    engine: AtomicUsize,
}

/// The beacons of all records, and which callsite has which address.
#[derive(Default)]
struct Harbour {
    beacons: Vec<Arc<Beacon>>,
    /// How many there may be before those of records that are gone are taken out.
    prune_at: usize,
    sites: Option<HashMap<usize, &'static Callsite>>,
}

static HARBOUR: Mutex<Harbour> = Mutex::new(Harbour { beacons: Vec::new(), prune_at: 0, sites: None });

fn harbour() -> MutexGuard<'static, Harbour> {
    HARBOUR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes note of a callsite: beacons name it by its address.
#[cold]
pub(crate) fn register(site: &'static Callsite) {
    harbour().sites.get_or_insert_default().insert(std::ptr::from_ref(site).addr(), site);
}

impl Beacon {
    #[cold]
    fn new() -> Arc<Self> {
        let beacon = Arc::<Beacon>::default();
        let mut harbour = harbour();
        if harbour.beacons.len() >= harbour.prune_at {
            harbour.beacons.retain(|beacon| Arc::strong_count(beacon) > 1);
            harbour.prune_at = 2 * harbour.beacons.len() + 64;
        }
        harbour.beacons.push(Arc::clone(&beacon));
        beacon
    }

    /// The span of this record has begun.
    #[inline]
    fn light(&self, ids: &Ids, start: Moment, site: &'static Callsite, engine: usize) {
        let trace = ids.trace.to_u128();
        self.trace[0].store((trace >> 64) as u64, Ordering::Relaxed);
        self.trace[1].store(trace as u64, Ordering::Relaxed);
        self.start.store(start.nanos(), Ordering::Relaxed);
        self.site.store(std::ptr::from_ref(site).addr(), Ordering::Relaxed);
        self.engine.store(engine, Ordering::Relaxed);
        self.span.store(ids.span.to_u64(), Ordering::Release);
    }

    /// It has ended.
    #[inline]
    pub(crate) fn put_out(&self) {
        self.span.store(0, Ordering::Relaxed);
    }

    /// What it tells, if it is a span of this engine.
    fn read(&self, engine: usize, sites: &HashMap<usize, &'static Callsite>) -> Option<Running> {
        let span = self.span.load(Ordering::Acquire);
        let site = *sites.get(&self.site.load(Ordering::Relaxed))?;
        let trace =
            u128::from(self.trace[0].load(Ordering::Relaxed)) << 64 | u128::from(self.trace[1].load(Ordering::Relaxed));
        let start = Moment::of_nanos(self.start.load(Ordering::Relaxed));
        // If another span has taken its place meanwhile, this may be a mixture of both.
        let is_whole =
            self.engine.load(Ordering::Relaxed) == engine && span != 0 && self.span.load(Ordering::Acquire) == span;
        let (Some(trace_id), Some(span_id)) = (TraceId::from_u128(trace), SpanId::from_u64(span)) else { return None };
        is_whole.then(|| Running {
            name: site.name().to_owned(),
            target: site.target(),
            trace_id,
            span_id,
            seen: None,
            age: Duration::from_nanos(Moment::now().since(start)),
        })
    }
}

/// Says that the span of an observed call has begun. The beacon of a record is used again with it.
#[inline]
pub(crate) fn begun(record: &mut Record, site: &'static Callsite) {
    let (engine, start) = (record.engine(), record.start);
    if let Some(ids) = &record.ids {
        record.beacon.get_or_insert_with(Beacon::new).light(ids, start, site, engine);
    }
}

/// Somebody has asked of late.
static WATCHED: AtomicBool = AtomicBool::new(false);
/// Since when, and until when somebody else asks.
static SINCE: AtomicU64 = AtomicU64::new(0);
static UNTIL: AtomicU64 = AtomicU64::new(0);

/// How long calls go by way of slots after somebody has asked.
pub(crate) const WATCH: Duration = Duration::from_secs(60);

/// Whether somebody has asked of late.
#[inline]
pub(crate) fn is_watched() -> bool {
    WATCHED.load(Ordering::Relaxed)
}

/// Takes note that this thread enters the span. For while somebody watches.
#[cold]
pub(crate) fn entered(record: &mut Record) {
    let at = Moment::now();
    if at.nanos() > UNTIL.load(Ordering::Relaxed) {
        // Nobody has asked for long: it costs nothing again.
        return WATCHED.store(false, Ordering::Relaxed);
    }
    record.rare_mut().polled = Some(Polled { at, is_inside: true, thread: thread::current(), task: task::current() });
}

/// Takes note that this thread has left the span in a slot, while somebody watches.
#[inline]
pub(crate) fn left(slot: u64) {
    if is_watched() {
        slots::with(slot, Record::left);
    }
}

/// The open spans of an engine, the oldest first, and for how long it is known when they are entered. From here on they are
/// watched for a while.
pub(crate) fn all(core: &CoreRef) -> (Vec<Running>, Duration) {
    let now = Moment::now();
    UNTIL.store(now.nanos().saturating_add(WATCH.as_nanos() as u64), Ordering::Relaxed);
    if !WATCHED.swap(true, Ordering::Relaxed) {
        SINCE.store(now.nanos(), Ordering::Relaxed);
    }
    let since = Moment::of_nanos(SINCE.load(Ordering::Relaxed));
    (open(core, since), Duration::from_nanos(now.since(since)))
}

/// The same without a watch: what was seen of spans when they were entered, is told from `since` on.
pub(crate) fn open(core: &CoreRef, since: Moment) -> Vec<Running> {
    let now = Moment::now();
    let mut running = in_slots(core.address(), now, since);
    let seen: HashSet<SpanId> = running.iter().map(|running| running.span_id).collect();
    let (beacons, sites) = {
        let harbour = harbour();
        (harbour.beacons.clone(), harbour.sites.clone().unwrap_or_default())
    };
    let beacons = beacons.iter().filter_map(|beacon| beacon.read(core.address(), &sites));
    running.extend(beacons.filter(|running| !seen.contains(&running.span_id)));
    running.sort_by_key(|running| std::cmp::Reverse(running.age));
    running
}

fn in_slots(engine: usize, now: Moment, since: Moment) -> Vec<Running> {
    let mut running = Vec::new();
    slots::each(|record| {
        let (Some(ids), Some(meta)) = (record.ids, record.meta) else { return };
        if !record.on || record.ended || record.engine() != engine {
            return;
        }
        let rare = record.rare();
        let name = rare.and_then(|rare| rare.name.as_deref()).unwrap_or(Metadata::name(meta));
        let polled = rare.and_then(|rare| rare.polled.as_ref()).filter(|polled| polled.at >= since);
        running.push(Running {
            name: name.to_owned(),
            target: meta.target(),
            trace_id: ids.trace,
            span_id: ids.span,
            seen: Some(Seen { parent_id: ids.parent, fields: record.fields.text().to_vec(), polled: polled.cloned() }),
            age: Duration::from_nanos(now.since(record.start)),
        });
    });
    running
}
