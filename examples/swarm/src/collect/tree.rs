//! Spans of one trace as a tree of text.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use crate::collect::span::Span;

/// Every root with its children under it, in the order in which they began. A span whose parent is not here is a root.
#[must_use]
pub fn render(spans: &[Span]) -> String {
    let mut text = String::new();
    for root in roots(spans) {
        line(&mut text, "", "", root);
        children(&mut text, "", spans, &root.span_id);
    }
    text
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

fn children(text: &mut String, indent: &str, spans: &[Span], parent: &str) {
    // A span that names itself as its parent would never end.
    let is_child = |span: &&Span| span.parent_id.as_deref() == Some(parent) && span.span_id != parent;
    let found = in_order(spans.iter().filter(is_child).collect());
    for (position, span) in found.iter().enumerate() {
        let (branch, below) = if position + 1 == found.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        line(text, indent, branch, span);
        children(text, &format!("{indent}{below}"), spans, &span.span_id);
    }
}

fn in_order(mut spans: Vec<&Span>) -> Vec<&Span> {
    spans.sort_by_key(|span| span.start_unix_nanos);
    spans
}

fn line(text: &mut String, indent: &str, branch: &str, span: &Span) {
    let label = format!("{indent}{branch}{}", span.name);
    let millis = span.end_unix_nanos.saturating_sub(span.start_unix_nanos) as f64 / 1e6;
    let mut notes = String::new();
    if let Some(outcome) = span.text("outcome").filter(|outcome| *outcome != "ok") {
        let _ = write!(notes, "  {outcome}");
    }
    if let Some(error) = span.text("error") {
        let _ = write!(notes, ": {error}");
    }
    // Widths count characters, and every character of a tree is one column wide.
    let _ = writeln!(text, "{label:<46} {:<16} {:>9.2} ms{notes}", span.service, millis);
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
    fn the_newest_trace_comes_first_and_the_oldest_not_at_all() {
        let of = |trace: &str, at| Span { trace_id: trace.to_owned(), ..span("root", None, at) };
        let text = newest(vec![of("old", 1), of("new", 3), of("middle", 2)], 2);
        let ids: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.starts_with("root")).collect();
        assert_eq!(ids, ["new", "middle"]);
    }
}
