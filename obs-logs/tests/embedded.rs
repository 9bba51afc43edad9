//! The embedded store: what it keeps, for how long, and how it is read.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use jiff::Timestamp;
use obs_logs::{
    Batch, Cursor, Direction, Embedded, Filter, Level, Line, Owner, Page, Read, Retention, Start, Stream, TraceId,
};
use proptest::prelude::*;
use support::{agent, matching, messages, store};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn line(timestamp: i64, message: &str) -> Line<'_> {
    Line { timestamp, stream: Stream::Stdout, level: Level::Info, message, trace_id: None, fields: "", cut: false }
}

fn owner(id: &str) -> Owner {
    Owner { agent_id: agent(id), user_id: None }
}

fn append(store: &Embedded, id: &str, lines: &[Line<'_>]) {
    let mut batch = Batch::default();
    let agent = batch.lines_of(&owner(id));
    lines.iter().for_each(|line| agent.push(line));
    store.append_blocking(batch).unwrap();
}

fn read(id: &str, direction: Direction, limit: usize) -> Read {
    Read { agent: agent(id), filter: Filter::default(), start: Start::Outside, direction, limit }
}

fn seqs(page: &Page) -> Vec<u64> {
    page.found.iter().map(|found| found.entry.seq).collect()
}

#[test]
fn pages_join_without_gap_or_repeat_in_both_directions() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    let long = "x".repeat(3_000);
    for n in 0..40 {
        append(&store, "a", &[line(n, "short"), line(n, &long), line(n, "short")]);
        append(&store, "b", &[line(n, "of another agent")]);
    }
    for limit in [1, 7, 100, 119, 120, 1000] {
        for (direction, expected) in
            [(Direction::Forward, (1..=120).collect::<Vec<u64>>()), (Direction::Backward, (1..=120).rev().collect())]
        {
            let (mut got, mut wish) = (Vec::new(), read("a", direction, limit));
            loop {
                let page = store.read_blocking(&wish).unwrap();
                assert!(page.found.len() <= limit);
                got.extend(seqs(&page));
                if page.done {
                    break;
                }
                wish.start = Start::After(page.ended);
            }
            assert_eq!(got, expected, "{limit} {direction:?}");
        }
    }
}

#[test]
fn reading_on_from_the_newest_line_misses_nothing_that_is_written_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    append(&store, "a", &[line(0, "first")]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (0..60).for_each(|n| append(&store, "a", &[line(n, "more"), line(n, "and more")]));
            done.store(true, SeqCst);
        });
        let tail = store.read_blocking(&read("a", Direction::Backward, 2)).unwrap();
        let mut got: Vec<u64> = seqs(&tail).into_iter().rev().collect();
        let mut wish = Read { start: Start::After(tail.began), ..read("a", Direction::Forward, 5) };
        let older = Read { start: Start::After(tail.ended), ..read("a", Direction::Backward, 1000) };
        loop {
            let last = done.load(SeqCst);
            let page = store.read_blocking(&wish).unwrap();
            got.extend(seqs(&page));
            wish.start = Start::After(page.ended);
            if last && page.done {
                break;
            }
        }
        let mut all: Vec<u64> = seqs(&store.read_blocking(&older).unwrap()).into_iter().rev().collect();
        all.extend(got);
        assert_eq!(all, (1..=121).collect::<Vec<_>>());
    });
}

#[test]
fn a_place_of_a_log_that_began_anew_reads_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let store = store(root.path());
    append(&store, "a", &[line(0, "first")]);
    let cursor = Cursor { at: 700, tie: 0 };
    let wish = Read { start: Start::After(cursor), ..read("a", Direction::Forward, 10) };
    assert_eq!(seqs(&store.read_blocking(&wish).unwrap()), [1]);
}

#[test]
fn lines_that_are_too_old_leave_and_numbers_go_on() {
    let root = tempfile::tempdir().unwrap();
    let store = Embedded::open(root.path(), Retention::default().age(7 * DAY)).unwrap();
    let now = Timestamp::now().as_nanosecond() as i64;
    let ago = |days: i64| now - days * DAY.as_nanos() as i64;
    let long = "x".repeat(5_000);
    append(&store, "a", &[line(ago(9), "old"), line(ago(9), &long)]);
    append(&store, "b", &[line(ago(8), "old")]);
    append(&store, "a", &[line(ago(6), "young"), line(ago(-9), "of the future")]);
    assert_eq!(messages(&store, "a"), ["young", "of the future"]);
    assert!(messages(&store, "b").is_empty());
    append(&store, "a", &[line(now, "new")]);
    assert_eq!(matching(&store, "a", &Filter::default()).pop().unwrap().seq, 5);
}

#[test]
fn the_oldest_leave_when_all_are_too_much() {
    let root = tempfile::tempdir().unwrap();
    let store = Embedded::open(root.path(), Retention::default().bytes(100_000)).unwrap();
    let now = Timestamp::now().as_nanosecond() as i64;
    let long = "x".repeat(5_000);
    append(&store, "old", &[line(now, &long)]);
    (0..30).for_each(|_| append(&store, "new", &[line(now, &long)]));
    append(&store, "new", &[]);
    assert!(messages(&store, "old").is_empty());
    let left = messages(&store, "new").len();
    assert!((15..=19).contains(&left), "{left}");
}

#[test]
fn an_agent_that_writes_much_does_not_push_out_the_others() {
    let root = tempfile::tempdir().unwrap();
    let store = Embedded::open(root.path(), Retention::default().bytes_per_agent(50_000)).unwrap();
    let now = Timestamp::now().as_nanosecond() as i64;
    append(&store, "quiet", &[line(now, "still here")]);
    let long = "x".repeat(5_000);
    (0..20).for_each(|_| append(&store, "loud", &[line(now, &long)]));
    assert_eq!(messages(&store, "quiet"), ["still here"]);
    let left = matching(&store, "loud", &Filter::default());
    assert!((7..=10).contains(&left.len()), "{}", left.len());
    assert_eq!(left.last().unwrap().seq, 20);
}

#[test]
fn a_directory_has_one_store_at_a_time() {
    let root = tempfile::tempdir().unwrap();
    let first = Embedded::open(root.path(), Retention::default()).unwrap();
    assert!(Embedded::open(root.path(), Retention::default()).is_err());
    drop(first);
    assert!(Embedded::open(root.path(), Retention::default()).is_ok());
}

/// A line as the tests make it: time, level, trace, text, fields.
type Made = (i64, usize, u8, String, bool);

fn filter() -> impl Strategy<Value = Filter> {
    let time = || {
        prop::option::of(0..60_i64).prop_map(|time| time.map(|time| Timestamp::from_nanosecond(time.into()).unwrap()))
    };
    (time(), time(), prop::option::of(0..5_usize), prop::option::of("[ab]{1,2}"), prop::option::of(0..3_u8)).prop_map(
        |(since, until, level, q, trace)| Filter {
            since,
            until,
            level: level.map(|level| Level::ALL[level]),
            q,
            trace_id: trace.and_then(trace_id),
        },
    )
}

fn trace_id(n: u8) -> Option<TraceId> {
    TraceId::parse(&format!("{n:032x}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_filter_finds_what_a_look_at_every_line_finds(
        batches in prop::collection::vec(prop::collection::vec(
            (0..50_i64, 0..5_usize, 0..3_u8, "[abc]{0,6}", any::<bool>()), 0..20), 0..8),
        filters in prop::collection::vec(filter(), 20),
    ) {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let made: Vec<Made> = batches.iter().flatten().cloned().collect();
        for batch in &batches {
            let lines: Vec<_> = batch.iter().map(|(timestamp, level, trace, text, in_fields)| Line {
                timestamp: *timestamp,
                stream: Stream::Stderr,
                level: Level::ALL[*level],
                message: if *in_fields { "" } else { text },
                trace_id: trace_id(*trace),
                fields: if *in_fields { text } else { "" },
                cut: false,
            }).collect();
            append(&store, "a", &lines);
        }
        for filter in filters {
            let nanoseconds = |time: Option<Timestamp>| time.map(|time| time.as_nanosecond() as i64);
            let wanted: Vec<u64> = (1..).zip(&made).filter(|(_, (time, level, trace, text, _))| {
                nanoseconds(filter.since).is_none_or(|since| *time >= since)
                    && nanoseconds(filter.until).is_none_or(|until| *time < until)
                    && filter.level.is_none_or(|least| Level::ALL[*level] >= least)
                    && filter.q.as_ref().is_none_or(|q| text.contains(q))
                    && filter.trace_id.is_none_or(|id| trace_id(*trace) == Some(id))
            }).map(|(seq, _)| seq).collect();
            let found: Vec<u64> = matching(&store, "a", &filter).iter().map(|entry| entry.seq).collect();
            prop_assert_eq!(&found, &wanted);
            let wish = Read { filter, ..read("a", Direction::Backward, 5) };
            let last: Vec<u64> = wanted.into_iter().rev().take(5).collect();
            prop_assert_eq!(seqs(&store.read_blocking(&wish).unwrap()), last);
        }
    }
}
