use std::borrow::Cow;

use obs_runtime::{Counter, Gauge, Histogram, LabelSet, LabelValue, MetricSet, StateMachine, Tracked, observed};

use crate::{BUCKETS, Case, PATHS};

#[derive(Clone, Copy, LabelValue)]
#[label(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

#[derive(Clone, Copy, LabelValue)]
pub enum Path {
    Agents,
    Agent,
    Logs,
    Sessions,
    Session,
    User,
    Health,
    Ready,
}

#[derive(Clone, Copy, LabelValue)]
pub enum Status {
    Ok,
    Created,
    Bad,
    Missing,
    Failed,
}

pub const METHOD: [Method; 4] = [Method::Get, Method::Post, Method::Put, Method::Delete];
pub const PATH: [Path; 8] =
    [Path::Agents, Path::Agent, Path::Logs, Path::Sessions, Path::Session, Path::User, Path::Health, Path::Ready];
pub const STATUS: [Status; 5] = [Status::Ok, Status::Created, Status::Bad, Status::Missing, Status::Failed];

#[derive(LabelSet)]
struct Closed {
    method: Method,
    path: Path,
    status: Status,
}

#[derive(LabelValue)]
#[label(max = 100_000)]
pub struct Text(pub &'static str);

#[derive(LabelSet)]
pub struct Open {
    pub method: Text,
    pub path: Text,
    pub status: Text,
}

/// A text that could be anywhere, so that it is read.
#[derive(LabelValue)]
#[label(max = 100_000)]
pub struct Read(pub Cow<'static, str>);

#[derive(LabelSet)]
pub struct OpenRead {
    pub method: Read,
    pub path: Read,
    pub status: Read,
}

#[derive(MetricSet)]
struct Set {
    /// Requests.
    closed_total: Counter<Closed>,
    /// Durations.
    #[metric(buckets = BUCKETS.as_slice())]
    closed_seconds: Histogram<Closed>,
    /// Requests.
    open_total: Counter<Open>,
    /// Requests.
    read_total: Counter<OpenRead>,
    /// Durations.
    #[metric(buckets = BUCKETS.as_slice())]
    open_seconds: Histogram<Open>,
    /// Connections.
    closed_level: Gauge<Closed>,
    /// Connections.
    open_level: Gauge<Open>,
}

#[derive(StateMachine)]
#[state_machine(name = "bench")]
enum State {
    #[initial]
    #[to(Off)]
    On,
    #[to(On)]
    Off,
}

#[observed(level = "trace")]
fn call() {}

thread_local! {
    static TRACKED: std::cell::RefCell<Tracked<State>> = std::cell::RefCell::new(Tracked::new(State::On));
}

pub fn cases() -> Vec<Case> {
    let set: &'static Set = Set::global();
    let closed = |pick: &crate::Pick| Closed {
        method: METHOD[pick.method as usize % 4],
        path: PATH[pick.path as usize % 8],
        status: STATUS[pick.status as usize % 5],
    };
    let open = |pick: &crate::Pick| Open {
        method: Text(crate::METHODS[pick.method as usize % 4]),
        path: Text(PATHS[pick.path as usize % 8]),
        status: Text(crate::STATUSES[pick.status as usize % 5]),
    };
    let read = |pick: &crate::Pick| OpenRead {
        method: Read(Cow::Borrowed(crate::METHODS[pick.method as usize % 4])),
        path: Read(Cow::Borrowed(PATHS[pick.path as usize % 8])),
        status: Read(Cow::Borrowed(crate::STATUSES[pick.status as usize % 5])),
    };
    vec![
        Case::new("Nothing but the choice of a series", "the loop", move |pick| {
            std::hint::black_box(closed(pick));
        }),
        Case::new("Nothing but the choice of a series", "the loop, texts that are read", move |pick| {
            std::hint::black_box(read(pick));
        }),
        Case::new("Counter, 3 enum labels", "obs-runtime", move |pick| set.closed_total.with(closed(pick)).inc()),
        Case::new("Histogram, 3 enum labels, 12 buckets", "obs-runtime", move |pick| {
            set.closed_seconds.with(closed(pick)).observe(pick.seconds);
        }),
        Case::new("Counter, 3 dynamic labels, hit", "obs-runtime", move |pick| {
            set.open_total.with(open(pick)).inc();
        }),
        Case::new("Counter, 3 dynamic labels whose texts are read, hit", "obs-runtime", move |pick| {
            set.read_total.with(read(pick)).inc();
        }),
        Case::new("Histogram, 3 dynamic labels, 12 buckets", "obs-runtime", move |pick| {
            set.open_seconds.with(open(pick)).observe(pick.seconds);
        }),
        Case::new("Gauge set, 3 enum labels", "obs-runtime", move |pick| {
            set.closed_level.with(closed(pick)).set(pick.seconds);
        }),
        Case::new("Gauge set, 3 dynamic labels", "obs-runtime", move |pick| {
            set.open_level.with(open(pick)).set(pick.seconds);
        }),
        Case::new("State transition, event off", "obs-runtime", |_| {
            TRACKED.with_borrow_mut(|tracked| {
                let to = if matches!(tracked.state(), State::On) { State::Off } else { State::On };
                let _ = tracked.transition(to);
            });
        }),
        Case::new("An observed call whose span is off, no runtime", "obs-runtime", |_| call()),
    ]
}
