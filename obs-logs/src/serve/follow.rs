//! Lines as they come, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use obs_runtime::{info, warn};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::admit::Admitted;
use super::page::newest;
use super::refusal::Refusal;
use crate::metrics::metrics;
use crate::store::{Cursor, Direction, Found, Start, Watch};

/// Lines that are read at once.
const LINES: usize = 256;
/// So often a comment is sent where no line is, so that nobody on the way takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// So often it is asked whose the agent is.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Ends the streams of those who follow a log, for a server that stops: otherwise it would wait for them.
///
/// Clones are the same. Whoever follows meets the event `stopping` and the end of the stream, connects again, wherever that leads, and goes on
/// behind its last event.
#[derive(Clone, Debug)]
pub struct Followers {
    ending: watch::Sender<bool>,
}

impl Followers {
    pub(super) fn new() -> Self {
        Followers { ending: watch::Sender::new(false) }
    }

    /// Ends the streams that are open, and each that is opened from now on.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }
}

/// Opens the stream: the newest lines, or those behind the last event, and then every new one.
pub(super) async fn follow(shared: Arc<Shared>, admitted: Admitted) -> Response {
    // Before anything is read: what comes from here on is told.
    let watch = shared.store.watch(&admitted.agent);
    let (waiting, cursor) = match admitted.cursor {
        Some(cursor) => (VecDeque::new(), cursor),
        None => match newest(&*shared.store, &admitted, admitted.params.tail).await {
            Ok(page) => (page.found.into(), page.began),
            Err(err) => return Refusal::Store(err).into_response(),
        },
    };
    let follower = Follower {
        ending: shared.followers.ending.subscribe(),
        shared,
        admitted,
        watch,
        cursor,
        waiting,
        ask: Instant::now() + ASK_AGAIN,
        ended: false,
        _counted: Counted::new(),
    };
    let events = stream::unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], sse).into_response()
}

struct Follower {
    shared: Arc<Shared>,
    admitted: Admitted,
    watch: Watch,
    /// Whether the server stops.
    ending: watch::Receiver<bool>,
    /// Behind the last line that was read.
    cursor: Cursor,
    /// Lines that were read and not sent.
    waiting: VecDeque<Found>,
    /// When to ask whose the agent is.
    ask: Instant,
    ended: bool,
    _counted: Counted,
}

impl Follower {
    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.ended {
                return None;
            }
            if let Some(found) = self.waiting.pop_front() {
                return Some(self.event(&found));
            }
            if *self.ending.borrow() {
                return self.end("stopping");
            }
            if Instant::now() >= self.ask && !self.is_still_theirs().await {
                return self.end("gone");
            }
            let read = self.admitted.read(Start::After(self.cursor), Direction::Forward, LINES);
            match self.shared.store.read(read).await {
                Ok(page) => {
                    self.cursor = page.ended;
                    let wait = page.done && page.found.is_empty();
                    self.waiting = page.found.into();
                    if wait {
                        tokio::select! {
                            () = self.watch.changed() => {}
                            () = sleep_until(self.ask) => {}
                            _ = self.ending.wait_for(|ending| *ending) => {}
                        }
                    }
                }
                Err(err) => {
                    warn!(error = &err as &dyn std::error::Error, "A followed log cannot be read");
                    return self.end("error");
                }
            }
        }
    }

    fn event(&self, found: &Found) -> Event {
        let id = self.shared.key.seal(&self.admitted.bound, found.cursor);
        // JSON has no line feed, and an entry is always written.
        Event::default().id(id).data(serde_json::to_string(&found.entry).unwrap_or_default())
    }

    /// Says why the stream ends; the client may connect again.
    fn end(&mut self, why: &str) -> Option<Event> {
        self.ended = true;
        Some(Event::default().event(why).data("{}"))
    }

    async fn is_still_theirs(&mut self) -> bool {
        self.ask = Instant::now() + ASK_AGAIN;
        match self.shared.ownership.owner(&self.admitted.agent).await {
            Ok(owner) => {
                let still = owner.as_ref() == Some(&self.admitted.user);
                if !still {
                    info!(
                        target: obs_runtime::names::AUDIT,
                        user_id = self.admitted.user.as_str(),
                        agent_id = self.admitted.agent.as_str(),
                        "A followed agent is no longer the reader's"
                    );
                }
                still
            }
            // Nobody is disconnected because the owners cannot be asked for a moment.
            Err(err) => {
                warn!(error = &*err as &dyn std::error::Error, "The owner of a followed agent cannot be found out");
                true
            }
        }
    }
}

/// Counts the streams that are open.
struct Counted;

impl Counted {
    fn new() -> Self {
        metrics().followers.add(1.0);
        Counted
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics().followers.sub(1.0);
    }
}
