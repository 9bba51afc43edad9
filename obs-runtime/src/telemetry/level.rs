//! The level changed while the service runs: for a while, for everybody or for one user or agent only.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::config;
use crate::engine::core::CoreRef;
use crate::engine::facade;
use crate::engine::filter::{Change, Directives, Whom};
use crate::names;
use crate::telemetry::Telemetry;

/// Other directives than the configured ones, for a while.
///
/// ```
/// use std::time::Duration;
/// use obs_runtime::{LevelChange, Telemetry};
///
/// let telemetry = Telemetry::builder("swarm-control").build()?;
/// telemetry.set_level(LevelChange::new("debug").lasting(Duration::from_secs(300)).user_id("u1"))?;
/// assert_eq!(telemetry.level().filter, "debug");
/// telemetry.reset_level();
/// assert_eq!(telemetry.level().filter, "info");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it is in force once it is given to `Telemetry::set_level`"]
pub struct LevelChange {
    filter: String,
    lasts: Duration,
    whom: Vec<Whom>,
}

impl LevelChange {
    /// How long a change lasts at most: 1 hour.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// `filter` in the syntax of `EnvFilter`, for five minutes.
    pub fn new(filter: impl Into<String>) -> Self {
        LevelChange { filter: filter.into(), lasts: Duration::from_secs(300), whom: Vec::new() }
    }

    /// How long it lasts, at most [`LONGEST`](Self::LONGEST).
    pub fn lasting(mut self, duration: Duration) -> Self {
        self.lasts = duration;
        self
    }

    /// Only what happens inside spans that have this `user_id`. What was on before stays on for everybody.
    pub fn user_id(self, id: impl Into<String>) -> Self {
        self.only(names::USER_ID, id.into())
    }

    /// Only what happens inside spans that have this `agent_id`. What was on before stays on for everybody.
    pub fn agent_id(self, id: impl Into<String>) -> Self {
        self.only(names::AGENT_ID, id.into())
    }

    fn only(mut self, key: &'static str, value: String) -> Self {
        self.whom.retain(|whom| whom.key != key);
        self.whom.push(Whom { key, value });
        self
    }
}

/// Why the level stays as it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum LevelError {
    /// The directives do not parse, or silence everything by a misspelled level; what may be written instead.
    Filter(String),
    /// It shall last for no time, or for longer than [`LevelChange::LONGEST`].
    Duration(Duration),
    /// The system gave no thread that would end it.
    Thread(std::io::Error),
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LevelError::Filter(allowed) => write!(f, "the filter takes {allowed}"),
            LevelError::Duration(_) => f.write_str("a change lasts longer than no time and at most 1 hour"),
            LevelError::Thread(_) => f.write_str("no thread to end the change"),
        }
    }
}

impl std::error::Error for LevelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LevelError::Thread(source) => Some(source),
            LevelError::Filter(_) | LevelError::Duration(_) => None,
        }
    }
}

/// The directives in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelStatus {
    /// The directives in force, for those whom they concern.
    pub filter: String,
    /// The directives of the configuration.
    pub configured: String,
    /// How long they are in force, where they are not those of the configuration.
    pub remaining: Option<Duration>,
    /// The user whom they concern alone.
    pub user_id: Option<String>,
    /// The agent whom they concern alone.
    pub agent_id: Option<String>,
}

/// The level of a runtime: what is in force, and until when.
pub(super) struct Level {
    core: CoreRef,
    configured: String,
    state: Mutex<State>,
    /// A change has ended or given way to another.
    moved: Condvar,
}

#[derive(Default)]
struct State {
    change: Option<(LevelChange, Instant)>,
    /// Counts the changes, so that the thread of one knows that it is over.
    number: u64,
}

impl Level {
    pub(super) fn new(core: CoreRef, configured: String) -> Arc<Self> {
        Arc::new(Level { core, configured, state: Mutex::default(), moved: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(self: &Arc<Self>, change: LevelChange) -> Result<(), LevelError> {
        config::check_level(&change.filter).map_err(LevelError::Filter)?;
        let directives: Directives = change.filter.parse().map_err(|_| LevelError::Filter("directives".to_owned()))?;
        if change.lasts.is_zero() || change.lasts > LevelChange::LONGEST {
            return Err(LevelError::Duration(change.lasts));
        }
        let until = Instant::now() + change.lasts;
        let mut state = self.state();
        let number = state.number + 1;
        let level = Arc::clone(self);
        // First the thread that ends it: a change that nobody ends is none.
        thread::Builder::new()
            .name("obs-level".to_owned())
            .spawn(move || level.end_at(until, number))
            .map_err(LevelError::Thread)?;
        self.core.filter.change(Some(Change::new(directives, change.whom.clone())));
        self.follow();
        *state = State { change: Some((change, until)), number };
        drop(state);
        self.moved.notify_all();
        Ok(())
    }

    /// Makes `log` records follow the level in force.
    pub(super) fn follow(&self) {
        facade::follow(&self.core);
    }

    pub(super) fn reset(&self) {
        self.end(&mut self.state());
    }

    fn end(&self, state: &mut State) {
        state.number += 1;
        if state.change.take().is_some() {
            self.core.filter.change(None);
            self.follow();
        }
        self.moved.notify_all();
    }

    /// Ends the change of this number when its time has come, unless another came before.
    fn end_at(&self, until: Instant, number: u64) {
        let mut state = self.state();
        while state.number == number {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return self.end(&mut state);
            };
            state = self.moved.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn status(&self) -> LevelStatus {
        let state = self.state();
        let of = |key| {
            let (change, _) = state.change.as_ref()?;
            change.whom.iter().find(|whom| whom.key == key).map(|whom| whom.value.clone())
        };
        LevelStatus {
            filter: state.change.as_ref().map_or(&self.configured, |(change, _)| &change.filter).clone(),
            configured: self.configured.clone(),
            remaining: state.change.as_ref().map(|(_, until)| until.saturating_duration_since(Instant::now())),
            user_id: of(names::USER_ID),
            agent_id: of(names::AGENT_ID),
        }
    }
}

impl Telemetry {
    /// Changes the level for a while, in place of a change that is in force.
    ///
    /// # Errors
    /// When the directives mean nothing, or the time is too long; then nothing changes.
    pub fn set_level(&self, change: LevelChange) -> Result<(), LevelError> {
        self.inner.level.set(change)
    }

    /// Goes back to the directives of the configuration.
    pub fn reset_level(&self) {
        self.inner.level.reset();
    }

    /// The directives in force.
    #[must_use]
    pub fn level(&self) -> LevelStatus {
        self.inner.level.status()
    }
}
