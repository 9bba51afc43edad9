//! What happened inside a span: its log lines, kept until it ends, in bounded memory.

use std::collections::VecDeque;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::engine::visit::EventVisitor;
use crate::log::json;
use crate::names;

/// The most text that the events of one span take, in bytes.
const MOST_TEXT: usize = 64 * 1024;
/// Buffers beyond this are given back when the record is used again.
const LARGEST_KEPT: usize = 8 * 1024;

/// Which lines are events of their span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    level: LevelFilter,
    most: usize,
}

impl Rules {
    /// None are.
    pub(crate) const OFF: Rules = Rules { level: LevelFilter::OFF, most: 0 };

    /// Lines of this level and worse; of one span the newest so many.
    pub(crate) const fn new(level: LevelFilter, most: usize) -> Self {
        Rules { level, most }
    }

    #[inline]
    pub(crate) fn want(&self, level: Level) -> bool {
        level <= self.level
    }
}

/// The newest events of an open span. The older ones are counted.
#[derive(Debug, Default)]
pub(crate) struct Events {
    heads: VecDeque<Head>,
    /// The message of each, as a JSON string, and `,"key":value` for each of its fields.
    text: VecDeque<u8>,
    dropped: u32,
}

/// When something happened, how bad it was, and how long its texts are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) unix_nanos: u64,
    pub(crate) level: Level,
    pub(crate) message: u32,
    pub(crate) fields: u32,
}

impl Events {
    /// Adds what a line tells, whose target is that of its span or `target`.
    pub(crate) fn put(
        &mut self,
        rules: &Rules,
        unix_nanos: u64,
        level: Level,
        line: &EventVisitor,
        target: Option<&str>,
    ) {
        let mut elsewhere = Vec::new();
        if let Some(target) = target {
            elsewhere.extend_from_slice(names::TARGET_FIELD);
            json::string(&mut elsewhere, target);
        }
        // An event is known by a name; by its message, where there is one.
        let message: &[u8] = if line.message.is_empty() { b"\"event\"" } else { &line.message };
        let fields = line.fields.text();
        let length = message.len() + fields.len() + elsewhere.len();
        if rules.most == 0 || length > MOST_TEXT {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        while self.heads.len() >= rules.most || self.text.len() + length > MOST_TEXT {
            let Some(oldest) = self.heads.pop_front() else { break };
            self.text.drain(..(oldest.message + oldest.fields) as usize);
            self.dropped = self.dropped.saturating_add(1);
        }
        self.text.extend(message);
        self.text.extend(fields);
        self.text.extend(&elsewhere);
        let (message, fields) = (message.len() as u32, (fields.len() + elsewhere.len()) as u32);
        self.heads.push_back(Head { unix_nanos, level, message, fields });
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.dropped == 0
    }

    /// How many are not here any more.
    pub(crate) fn dropped(&self) -> u32 {
        self.dropped
    }

    pub(crate) fn heads(&self) -> impl ExactSizeIterator<Item = &Head> {
        self.heads.iter()
    }

    /// The texts, one after the other, in two pieces.
    pub(crate) fn text(&self) -> (&[u8], &[u8]) {
        self.text.as_slices()
    }

    /// How long the texts are together.
    pub(crate) fn text_length(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn clear(&mut self) {
        if self.text.capacity() > LARGEST_KEPT {
            *self = Events::default();
        } else {
            self.heads.clear();
            self.text.clear();
            self.dropped = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str) -> EventVisitor {
        let mut line = EventVisitor::default();
        json::string(&mut line.message, message);
        line.fields.put_str("key", message);
        line
    }

    fn text(events: &Events) -> String {
        let (first, second) = events.text();
        String::from_utf8([first, second].concat()).expect("UTF-8")
    }

    #[test]
    fn the_newest_are_kept_and_the_others_counted() {
        let (mut events, rules) = (Events::default(), Rules::new(LevelFilter::INFO, 2));
        for number in 0..100_u64 {
            events.put(&rules, number, Level::INFO, &line(&number.to_string()), None);
        }
        assert_eq!(text(&events), r#""98","key":"98""99","key":"99""#);
        assert_eq!(events.heads().map(|head| head.unix_nanos).collect::<Vec<_>>(), [98, 99]);
        assert_eq!(events.dropped(), 98);
    }

    #[test]
    fn a_span_open_for_a_day_does_not_grow() {
        let (mut events, rules) = (Events::default(), Rules::new(LevelFilter::INFO, usize::MAX));
        let long = line(&"x".repeat(10_000));
        for _ in 0..1_000 {
            events.put(&rules, 0, Level::WARN, &long, Some("elsewhere"));
        }
        assert_eq!(events.heads.len(), 3);
        assert_eq!(events.dropped(), 997);
        assert!(events.text.capacity() <= 2 * MOST_TEXT, "{}", events.text.capacity());
        events.put(&rules, 0, Level::WARN, &line(&"x".repeat(MOST_TEXT)), None);
        assert_eq!((events.heads.len(), events.dropped()), (3, 998), "one that is larger than all together");
    }

    #[test]
    fn with_a_limit_of_zero_all_are_counted() {
        let mut events = Events::default();
        events.put(&Rules::new(LevelFilter::INFO, 0), 0, Level::INFO, &line("a"), None);
        assert_eq!((events.heads.len(), events.dropped(), events.is_empty()), (0, 1, false));
    }
}
