//! Spans of one trace as a tree of text.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use crate::collect::span::Span;

/// Every root with its children under it, in the order in which they began. A span whose parent is not here is a root.
#[must_use]
pub fn render(spans: &[Span]) -> String {
    let mut rows = Vec::new();
    for root in roots(spans) {
        rows.push((root.name.clone(), root));
        children(&mut rows, "", spans, &root.span_id);
    }
    // Widths count characters, and every character of a tree is one column wide.
    let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for (label, span) in rows {
        let millis = span.end_unix_nanos.saturating_sub(span.start_unix_nanos) as f64 / 1e6;
        let _ = writeln!(text, "{label:<width$}  {:<16} {millis:>9.2} ms{}", span.service, notes(span));
    }
    text
}

/// The spans that have this attribute, with those above and below them.
#[must_use]
pub fn branch(spans: &[Span], key: &str, value: &str) -> Vec<Span> {
    let mut wanted = HashSet::new();
    for span in spans {
        let line = upwards(spans, span);
        if line.iter().any(|span| span.text(key) == Some(value)) {
            wanted.extend(line.iter().map(|span| span.span_id.as_str()));
        }
    }
    spans.iter().filter(|span| wanted.contains(span.span_id.as_str())).cloned().collect()
}

/// The span, its parent, and so on to the root.
#[must_use]
pub fn upwards<'a>(spans: &'a [Span], span: &'a Span) -> Vec<&'a Span> {
    let mut line = vec![span];
    // Nobody is above more spans than there are; a circle ends there.
    while line.len() < spans.len() {
        let parent_id = line[line.len() - 1].parent_id.as_ref();
        let Some(parent) = spans.iter().find(|parent| Some(&parent.span_id) == parent_id) else { break };
        line.push(parent);
    }
    line
}

/// The `count` traces that began last, the newest first, each under its id.
#[must_use]
pub fn newest(spans: Vec<Span>, count: usize) -> String {
    let mut traces: HashMap<String, Vec<Span>> = HashMap::new();
    for span in spans {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    let mut traces: Vec<_> = traces.into_iter().collect();
    traces.sort_by_key(|(_, spans)| Reverse(spans.iter().map(|span| span.start_unix_nanos).min()));
    let mut text = String::new();
    for (trace_id, spans) in traces.iter().take(count) {
        let _ = writeln!(text, "{trace_id}\n{}", render(spans));
    }
    text
}

/// The spans that have no parent among these.
#[must_use]
pub fn roots(spans: &[Span]) -> Vec<&Span> {
    let known: HashSet<_> = spans.iter().map(|span| span.span_id.as_str()).collect();
    let is_root = |span: &&Span| span.parent_id.as_deref().is_none_or(|parent| !known.contains(parent));
    in_order(spans.iter().filter(is_root).collect())
}

fn children<'a>(rows: &mut Vec<(String, &'a Span)>, indent: &str, spans: &'a [Span], parent: &str) {
    // A span that names itself as its parent would never end.
    let is_child = |span: &&Span| span.parent_id.as_deref() == Some(parent) && span.span_id != parent;
    let found = in_order(spans.iter().filter(is_child).collect());
    let last = found.len().saturating_sub(1);
    for (position, span) in found.into_iter().enumerate() {
        let (branch, below) = if position == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        rows.push((format!("{indent}{branch}{}", span.name), span));
        children(rows, &format!("{indent}{below}"), spans, &span.span_id);
    }
}

fn in_order(mut spans: Vec<&Span>) -> Vec<&Span> {
    spans.sort_by_key(|span| span.start_unix_nanos);
    spans
}

/// How it ended, if not well.
fn notes(span: &Span) -> String {
    let mut notes = String::new();
    if let Some(outcome) = span.text("outcome").filter(|outcome| *outcome != "ok") {
        let _ = write!(notes, "  {outcome}");
    }
    if let Some(error) = span.text("error") {
        let _ = write!(notes, ": {error}");
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(span_id: &str, parent_id: Option<&str>, start_unix_nanos: u64) -> Span {
        Span {
            service: "s".to_owned(),
            name: span_id.to_owned(),
            trace_id: "t".to_owned(),
            span_id: span_id.to_owned(),
            parent_id: parent_id.map(str::to_owned),
            kind: "internal".to_owned(),
            start_unix_nanos,
            end_unix_nanos: start_unix_nanos,
            trace_state: String::new(),
            flags: 1,
            attributes: serde_json::Map::new(),
            status: "unset".to_owned(),
            status_message: String::new(),
            links: Vec::new(),
        }
    }

    #[test]
    fn children_stand_under_their_parents_in_the_order_of_time() {
        let spans = [span("late", Some("root"), 3), span("early", Some("root"), 2), span("root", Some("away"), 1)];
        let text = render(&spans);
        let names: Vec<_> = text.lines().map(|line| line.split("  ").next().unwrap_or_default()).collect();
        assert_eq!(names, ["root", "├─ early", "└─ late"]);
    }

    #[test]
    fn a_branch_is_what_has_the_attribute_and_what_is_above_and_below_it() {
        let mut spans = [
            span("root", None, 1),
            span("other", Some("root"), 2),
            span("message", Some("root"), 3),
            span("leaf", Some("message"), 4),
        ];
        spans[2].attributes.insert("message_id".to_owned(), "m-1".into());
        let names: Vec<_> = branch(&spans, "message_id", "m-1").into_iter().map(|span| span.name).collect();
        assert_eq!(names, ["root", "message", "leaf"]);
    }

    #[test]
    fn the_newest_trace_comes_first_and_the_oldest_not_at_all() {
        let of = |trace: &str, at| Span { trace_id: trace.to_owned(), ..span("root", None, at) };
        let text = newest(vec![of("old", 1), of("new", 3), of("middle", 2)], 2);
        let ids: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with("root")).collect();
        assert_eq!(ids, ["new", "middle"]);
    }
}
