//! Lines on their way from CloudWatch: the events of one stream, in either direction.
//!
//! Events have no numbers, but an order that does not change: by their time, then by when they came. So a line's place is its millisecond
//! and how many lines of that millisecond come before it, and a reader always begins with a whole millisecond.

use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata;
use aws_sdk_cloudwatchlogs::operation::get_log_events::GetLogEventsError;
use jiff::Timestamp;

use super::super::read::Matcher;
use super::super::remote::AHEAD;
use super::super::{Cursor, Direction, Filter, Found, Page, Read, Start, StoreError};
use super::put::Event;
use super::{Shared, failed, says, text};
use crate::collect::content::Content;
use crate::model::nanoseconds;

/// CloudWatch gives no more events at once, and no more than 1 MiB of them.
const MOST: usize = 10_000;
/// So many more events are asked for than are wanted, for a millisecond of which not all are there.
const MORE: usize = 100;
/// A read that has asked so often ends, so that none holds up its reader for long.
const ASKED: usize = 16;
/// More lines of one millisecond than these are not held in memory.
const CROWD: usize = 200_000;

pub(super) async fn read(shared: &Shared, read: &Read) -> Result<Page, StoreError> {
    let window = Window::of(shared, read);
    let began = match read.start {
        Start::After(cursor) => cursor,
        Start::Outside => Cursor { at: window.start.unsigned_abs(), tie: 0 },
    };
    let narrow = read.filter != Filter { since: read.filter.since, until: read.filter.until, ..Filter::default() };
    let limit = if narrow { MOST } else { (read.limit + MORE).min(MOST) };
    let answers = Answers { shared, read, window, limit, token: None, asked: 0 };
    let page = Page { began, ended: began, ..Page::default() };
    Reading { read, matcher: Matcher::new(&read.filter), answers, page }.run().await
}

/// Milliseconds since 1970: the first is in it, the second is not.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: i64,
    end: i64,
}

impl Window {
    /// The times that can matter, from what is wanted and where reading begins.
    fn of(shared: &Shared, read: &Read) -> Self {
        let now = Timestamp::now();
        let since = read.filter.since.or_else(|| now.checked_sub(shared.lookback).ok()).unwrap_or_default();
        let until = read.filter.until.or_else(|| now.checked_add(AHEAD).ok()).unwrap_or(now);
        let mut window =
            Window { start: since.as_millisecond().max(0), end: nanoseconds(until).div_euclid(1_000_000) + 1 };
        if let Start::After(cursor) = read.start {
            let at = i64::try_from(cursor.at).unwrap_or(i64::MAX - 1);
            match read.direction {
                Direction::Forward => window.start = window.start.max(at),
                Direction::Backward => window.end = window.end.min(at + 1),
            }
        }
        window
    }
}

struct Reading<'a> {
    read: &'a Read,
    matcher: Matcher<'a>,
    answers: Answers<'a>,
    page: Page,
}

impl Reading<'_> {
    async fn run(mut self) -> Result<Page, StoreError> {
        match self.read.direction {
            Direction::Forward => self.forward().await?,
            Direction::Backward => self.backward().await?,
        }
        Ok(self.page)
    }

    async fn forward(&mut self) -> Result<(), StoreError> {
        let mut place = Cursor::default();
        while let Some(events) = self.answers.next().await? {
            for event in events {
                place = next(place, &event);
                if self.is_behind(place) && !self.take(place, event) {
                    return Ok(());
                }
            }
            if self.answers.asked >= ASKED && self.page.ended > self.page.began {
                return Ok(());
            }
        }
        self.page.done = true;
        Ok(())
    }

    async fn backward(&mut self) -> Result<(), StoreError> {
        // The events of the earliest millisecond so far: the next answer may have others of it, which come before them.
        let mut edge: Vec<Event> = Vec::new();
        while let Some(mut events) = self.answers.next().await? {
            events.append(&mut edge);
            let Some(first) = events.first().map(|event| event.time) else { continue };
            let whole = events.split_off(events.partition_point(|event| event.time == first));
            edge = events;
            if edge.len() > CROWD {
                return Err(StoreError::Unreadable("a stream: very many lines have the same time"));
            }
            if !self.take_back(whole) || (self.answers.asked >= ASKED && self.page.ended != self.page.began) {
                return Ok(());
            }
        }
        self.page.done = self.take_back(edge);
        Ok(())
    }

    /// Looks at events of whole milliseconds, the newest first. Says whether there is room for more.
    fn take_back(&mut self, events: Vec<Event>) -> bool {
        let mut place = Cursor::default();
        let places = events.iter().map(|event| {
            place = next(place, event);
            place
        });
        let places: Vec<_> = places.collect();
        for (event, place) in events.into_iter().zip(places).rev() {
            if self.read.start == Start::Outside && self.page.found.is_empty() && self.page.ended == self.page.began {
                // What comes from now on comes behind the newest line.
                (self.page.began, self.page.ended) = (place, Cursor { tie: place.tie + 1, ..place });
            }
            if self.is_behind(place) && !self.take(place, event) {
                return false;
            }
        }
        true
    }

    /// The place is on the side of the start to which it is read.
    fn is_behind(&self, place: Cursor) -> bool {
        match (self.read.start, self.read.direction) {
            (Start::Outside, _) => true,
            (Start::After(start), Direction::Forward) => place > start,
            (Start::After(start), Direction::Backward) => place < start,
        }
    }

    /// Takes a line if it is wanted; `false` if there is no room for it.
    fn take(&mut self, place: Cursor, event: Event) -> bool {
        if self.page.found.len() >= self.read.limit {
            return false;
        }
        self.page.ended = place;
        let (text, stream, cut) = text::unmarked(event.text);
        let content = Content::read(text.as_bytes(), false);
        let record = content.record(event.time.saturating_mul(1_000_000), stream, cut);
        if self.matcher.wants(&record) {
            // Numbers that JavaScript can hold: of a millisecond, the thousandth line and those behind it share one.
            let seq = place.at * 1000 + (place.tie - 1).min(999);
            self.page.found.push(Found { entry: record.entry(seq), cursor: place });
        }
        true
    }
}

/// The place of the event that comes right behind that of another.
fn next(before: Cursor, event: &Event) -> Cursor {
    let at = event.time.unsigned_abs();
    Cursor { at, tie: if at == before.at { before.tie + 1 } else { 1 } }
}

/// What CloudWatch answers to one question after the other, in the direction of reading.
struct Answers<'a> {
    shared: &'a Shared,
    read: &'a Read,
    window: Window,
    limit: usize,
    token: Option<String>,
    asked: usize,
}

impl Answers<'_> {
    /// Some events, the oldest of them first, which may be none; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Vec<Event>>, StoreError> {
        if self.window.start >= self.window.end {
            return Ok(None);
        }
        self.asked += 1;
        let forward = self.read.direction == Direction::Forward;
        let question = self.shared.client.get_log_events();
        let question = question
            .log_group_name(&self.shared.group)
            .log_stream_name(self.shared.stream(&self.read.agent))
            .start_time(self.window.start)
            .end_time(self.window.end)
            .limit(i32::try_from(self.limit).unwrap_or(i32::MAX))
            .start_from_head(forward)
            .set_next_token(self.token.clone());
        let answer = match question.send().await {
            Ok(answer) => answer,
            Err(err) if says(&err, is_missing_stream) => return Ok(None),
            Err(err) => return Err(failed(err)),
        };
        let token = if forward { answer.next_forward_token } else { answer.next_backward_token };
        // The token that was sent comes back where nothing is left.
        if token.is_none() || token == self.token {
            return Ok(None);
        }
        self.token = token;
        let events = answer.events.unwrap_or_default();
        let events = events.into_iter().filter_map(|event| {
            let time = event.timestamp.filter(|time| (self.window.start..self.window.end).contains(time))?;
            Some(Event { time, text: event.message.unwrap_or_default() })
        });
        let mut events: Vec<_> = events.collect();
        // Which end of an answer is the newer one is not said.
        if events.first().map(|event| event.time) > events.last().map(|event| event.time) {
            events.reverse();
        }
        Ok(Some(events))
    }
}

/// Nobody wrote of the agent. A missing group has the same code, but is a mistake of who set this up.
fn is_missing_stream(err: &GetLogEventsError) -> bool {
    err.is_resource_not_found_exception() && !err.message().unwrap_or_default().contains("log group")
}
