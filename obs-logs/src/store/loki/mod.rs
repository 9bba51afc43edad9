//! Loki over HTTP: lines are pushed to it and asked of it.
//!
//! Agents' lines are those with the label `stream="agent"`, by which Loki keeps them as long as it shall, and `level`. Whose a line is and of
//! which trace may be labels or structured metadata. A line that says more than a text is JSON. So Vector sends them by the pipeline in
//! `deploy/`; what is pushed from here has `agent_id` as a label, for Loki keeps lines of the same labels, time and text once, and older versions
//! do not look at structured metadata there. The pipeline takes the runtime's nanoseconds for an agent's line, so two agents' lines hardly ever agree.

mod answer;
mod push;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, RequestBuilder, StatusCode};

use self::answer::Line;
use super::read::Matcher;
use super::remote::{AHEAD, Checkpoints, failed};
use super::{Batch, Checkpoint, Cursor, Direction, Filter, Found, LogStore, Page, Read, Start, StoreError, Watch};
use crate::metrics::{Fault, Skipped, skipped};
use crate::model::{AgentId, Level, nanoseconds};

/// Loki answers a larger limit with an error.
const MOST: usize = 5_000;
/// So many lines are asked for at least: a few of the same time are of no account then.
const LEAST: usize = 200;
/// The header that names the tenant.
const TENANT: HeaderName = HeaderName::from_static("x-scope-orgid");

/// A store in a Loki.
///
/// Loki has no sequence numbers: an entry's `seq` is its time in nanoseconds since 1970, and lines of the same time are in an order of their
/// own that does not change. Lines that reach Loki later than newer ones of the same agent are not told to who follows or reads on
/// to newer lines. A line of an agent with the time, level and text of another of its lines is kept once.
#[derive(Clone)]
pub struct Loki {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    url: String,
    tenant: Option<HeaderValue>,
    lookback: Duration,
    poll: Duration,
    checkpoints: Checkpoints,
}

/// What a [`Loki`] is made of.
pub struct LokiBuilder {
    url: String,
    tenant: Option<String>,
    lookback: Duration,
    poll: Duration,
    timeout: Duration,
    checkpoints: Option<PathBuf>,
}

impl LokiBuilder {
    /// The tenant: `X-Scope-OrgID`.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// How far back is looked where nobody says since when: as long as Loki keeps agents' logs. Default: 7 days.
    #[must_use]
    pub fn lookback(mut self, lookback: Duration) -> Self {
        self.lookback = lookback;
        self
    }

    /// How often it is asked for new lines while somebody follows. Default: a second.
    #[must_use]
    pub fn poll(mut self, pause: Duration) -> Self {
        self.poll = pause;
        self
    }

    /// How long an answer may take. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where a collector keeps how far it has read. Without it, a restart pushes what is in the files anew; Loki keeps it once.
    #[must_use]
    pub fn checkpoints(mut self, file: impl Into<PathBuf>) -> Self {
        self.checkpoints = Some(file.into());
        self
    }

    /// Makes the store; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The tenant is no value of a header, or the checkpoints cannot be read.
    pub fn build(self) -> Result<Loki, StoreError> {
        let tenant = self.tenant.map(HeaderValue::try_from).transpose();
        let tenant = tenant.map_err(|_| StoreError::Unreadable("the tenant: it is no value of a header"))?;
        let client = Client::builder().timeout(self.timeout).build().map_err(unreachable)?;
        Ok(Loki {
            shared: Arc::new(Shared {
                client,
                url: self.url.trim_end_matches('/').to_owned(),
                tenant,
                lookback: self.lookback,
                poll: self.poll,
                checkpoints: Checkpoints::open(self.checkpoints)?,
            }),
        })
    }
}

impl Loki {
    /// The Loki at this URL, as `http://loki:3100`. For `https` the service around turns on one of reqwest's features for TLS.
    #[must_use]
    pub fn at(url: impl Into<String>) -> LokiBuilder {
        LokiBuilder {
            url: url.into(),
            tenant: None,
            lookback: Duration::from_secs(7 * 24 * 60 * 60),
            poll: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            checkpoints: None,
        }
    }
}

fn unreachable(err: reqwest::Error) -> StoreError {
    // Not where it was sent to: queries are in it.
    failed("Loki", Fault::Unavailable, None, Some(Box::new(err.without_url())))
}

fn unexpected(status: StatusCode) -> StoreError {
    let status = Some(status.as_u16());
    failed("Loki", Fault::of(status), status, None)
}

impl Shared {
    fn with_tenant(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.tenant {
            Some(tenant) => request.header(TENANT, tenant),
            None => request,
        }
    }

    async fn push(&self, body: Vec<u8>, lines: u64) -> Result<(), StoreError> {
        let request = self.client.post(format!("{}/loki/api/v1/push", self.url));
        let request = self.with_tenant(request).header("content-type", "application/json").body(body);
        match request.send().await.map_err(unreachable)?.status() {
            status if status.is_success() => Ok(()),
            // Some lines are too old or too long for it; it will never take them, and has taken the others.
            StatusCode::BAD_REQUEST => {
                skipped(Skipped::Refused, lines);
                obs_runtime::warn!(lines, "Loki refuses lines of a batch");
                Ok(())
            }
            status => Err(unexpected(status)),
        }
    }

    async fn append(&self, batch: Batch) -> Result<(), StoreError> {
        for request in push::requests(&batch)? {
            self.push(request.body, request.lines).await?;
        }
        self.checkpoints.keep(&batch)
    }

    /// Lines with `start <= time < end`, in no particular order, and whether there may be more of them.
    async fn query(&self, read: &Read, window: Window, limit: usize) -> Result<(Vec<Line>, bool), StoreError> {
        let request = self.client.get(self.query_url(read, window, limit));
        let response = self.with_tenant(request).send().await.map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(unexpected(response.status()));
        }
        let lines = answer::lines(&response.bytes().await.map_err(unreachable)?)?;
        let full = lines.len() >= limit;
        Ok((lines, full))
    }

    fn query_url(&self, read: &Read, window: Window, limit: usize) -> String {
        let direction = if read.direction == Direction::Forward { "forward" } else { "backward" };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("query", &logql(&read.agent, &read.filter));
        query.append_pair("start", &window.start.to_string());
        query.append_pair("end", &window.end.to_string());
        query.append_pair("limit", &limit.to_string());
        query.append_pair("direction", direction);
        format!("{}/loki/api/v1/query_range?{}", self.url, query.finish())
    }

    /// Reads whole groups of lines of the same time, so that their order never depends on where an answer ends.
    async fn read(&self, read: Read) -> Result<Page, StoreError> {
        let mut window = self.window(&read);
        let matcher = Matcher::new(&read.filter);
        let (mut page, forward) = (Page::default(), read.direction == Direction::Forward);
        let behind = match read.start {
            Start::After(cursor) => Some(cursor),
            Start::Outside => None,
        };
        page.began = behind.unwrap_or(Cursor { at: window.start, tie: 0 });
        page.ended = page.began;
        if read.limit == 0 {
            if behind.is_none() && !forward {
                page.began = Cursor { at: nanoseconds(Timestamp::now()).unsigned_abs(), tie: u64::MAX };
            }
            return Ok(page);
        }
        loop {
            if window.start >= window.end {
                page.done = true;
                return Ok(page);
            }
            let (mut lines, full) = self.query(&read, window, (read.limit + 1).clamp(LEAST, MOST)).await?;
            lines.sort_by_key(Line::cursor);
            lines.dedup_by_key(|line| line.cursor());
            if full {
                // The last group in the direction of reading may not be whole.
                let (first, last) = (lines.first().map(Line::time), lines.last().map(Line::time));
                let edge = if forward { last } else { first };
                if first == last {
                    let Some(time) = edge else { return Ok(page) };
                    lines = self.query(&read, Window { start: time, end: time + 1 }, MOST).await?.0;
                    lines.sort_by_key(Line::cursor);
                    lines.dedup_by_key(|line| line.cursor());
                    window =
                        if forward { Window { start: time + 1, ..window } } else { Window { end: time, ..window } };
                } else if let Some(edge) = edge {
                    lines.retain(|line| line.time() != edge);
                    window =
                        if forward { Window { start: edge, ..window } } else { Window { end: edge + 1, ..window } };
                }
            }
            if behind.is_none() && !forward && page.began.tie == 0 {
                // What comes from now on comes behind the newest line that matches.
                page.began = lines.last().map_or(page.began, Line::cursor);
            }
            if !forward {
                lines.reverse();
            }
            for line in lines {
                let cursor = line.cursor();
                let seen = behind.is_some_and(|behind| if forward { cursor <= behind } else { cursor >= behind });
                let Some(entry) = line.entry(&matcher).filter(|_| !seen) else { continue };
                if page.found.len() == read.limit {
                    return Ok(page);
                }
                page.ended = cursor;
                page.found.push(Found { entry, cursor });
            }
            if !full {
                page.done = true;
                return Ok(page);
            }
        }
    }

    /// The times that can matter, from what is wanted and where reading begins.
    fn window(&self, read: &Read) -> Window {
        let now = Timestamp::now();
        let since =
            read.filter.since.unwrap_or_else(|| now.saturating_sub(self.lookback).unwrap_or(Timestamp::UNIX_EPOCH));
        let until = read.filter.until.unwrap_or_else(|| now.saturating_add(AHEAD).unwrap_or(now));
        let positive = |time: Timestamp| nanoseconds(time).max(0).unsigned_abs();
        let mut window = Window { start: positive(since), end: positive(until) };
        if let Start::After(cursor) = read.start {
            match read.direction {
                Direction::Forward => window.start = window.start.max(cursor.at),
                Direction::Backward => window.end = window.end.min(cursor.at + 1),
            }
        }
        window
    }
}

/// Nanoseconds since 1970: the first is in it, the second is not.
#[derive(Clone, Copy)]
struct Window {
    start: u64,
    end: u64,
}

/// The query for an agent's lines. It may give more than is wanted; each line is looked at again.
fn logql(agent: &AgentId, filter: &Filter) -> String {
    let mut query = r#"{stream="agent""#.to_owned();
    if let Some(level) = filter.level.filter(|level| *level > Level::Info) {
        let names: Vec<_> = Level::ALL.iter().filter(|one| **one >= level).map(|one| one.as_str()).collect();
        query.push_str(&format!(r#",level=~"{}""#, names.join("|")));
    }
    query.push('}');
    if let Some(text) =
        filter.q.as_deref().filter(|text| !text.contains(|c: char| c == '"' || c == '\\' || c.is_control()))
    {
        // A text that JSON writes in another way is not looked for by Loki.
        query.push_str(&format!(" |= {}", quoted(text)));
    }
    query.push_str(&format!(" | agent_id={}", quoted(agent.as_str())));
    if let Some(id) = filter.trace_id {
        query.push_str(&format!(r#" | trace_id="{id}""#));
    }
    query
}

/// A string of LogQL: its escapes are those of JSON, as far as ids and texts without control characters have any.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl LogStore for Loki {
    fn append(&self, batch: Batch) -> BoxFuture<'static, Result<(), StoreError>> {
        let shared = self.shared.clone();
        Box::pin(async move { shared.append(batch).await })
    }

    fn checkpoints(&self) -> BoxFuture<'static, Result<Vec<Checkpoint>, StoreError>> {
        let all = self.shared.checkpoints.all();
        Box::pin(async move { Ok(all) })
    }

    fn read(&self, read: Read) -> BoxFuture<'static, Result<Page, StoreError>> {
        let shared = self.shared.clone();
        Box::pin(async move { shared.read(read).await })
    }

    fn watch(&self, _: &AgentId) -> Watch {
        Watch::Every(self.shared.poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TraceId;

    #[test]
    fn queries_say_what_loki_can_tell_and_no_more() {
        let agent = AgentId::parse(r#"a"}|="#).unwrap();
        assert_eq!(logql(&agent, &Filter::default()), r#"{stream="agent"} | agent_id="a\"}|=""#);
        let filter = Filter {
            q: Some("50% `é`".to_owned()),
            level: Some(Level::Warn),
            trace_id: TraceId::parse("0af7651916cd43dd8448eb211c80319c"),
            ..Filter::default()
        };
        let agent = AgentId::parse("a").unwrap();
        assert_eq!(
            logql(&agent, &filter),
            concat!(
                r#"{stream="agent",level=~"warn|error"} |= "50% `é`" | agent_id="a""#,
                r#" | trace_id="0af7651916cd43dd8448eb211c80319c""#
            )
        );
        let unsaid = Filter { q: Some("\"x\"".to_owned()), level: Some(Level::Info), ..Filter::default() };
        assert_eq!(logql(&agent, &unsaid), r#"{stream="agent"} | agent_id="a""#);
    }
}
