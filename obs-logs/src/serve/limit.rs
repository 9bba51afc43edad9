//! How much a user may ask for: requests by the generic cell rate algorithm, and streams that are open at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::UserId;

/// So many users are remembered at once; only those count who asked a moment ago or have a stream open.
const USERS: usize = 100_000;

/// What a user may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests a second, in the long run. Default: 20.
    pub requests_per_second: u32,
    /// Requests at once, after a while without any. Default: 100.
    pub burst: u32,
    /// Streams (`follow` and downloads) that are open at once. Default: 16.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { requests_per_second: 20, burst: 100, streams: 16 }
    }
}

impl Limits {
    /// Other numbers of requests; zero counts as one.
    #[must_use]
    pub fn requests(mut self, per_second: u32, burst: u32) -> Self {
        (self.requests_per_second, self.burst) = (per_second, burst);
        self
    }

    /// Another number of streams.
    #[must_use]
    pub fn streams(mut self, streams: usize) -> Self {
        self.streams = streams;
        self
    }
}

/// Who asked for how much.
pub(super) struct Limiter {
    limits: Limits,
    users: Mutex<HashMap<UserId, Asked>>,
}

#[derive(Clone, Copy)]
struct Asked {
    /// When all that was asked for is due at the rate of the long run.
    due: Instant,
    streams: usize,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Limiter { limits, users: Mutex::default() }
    }

    /// Counts a request, or says how long to wait.
    pub(super) fn request(&self, user: &UserId, now: Instant) -> Result<(), Duration> {
        let every = Duration::from_secs(1) / self.limits.requests_per_second.max(1);
        let ahead = every * (self.limits.burst.max(1) - 1);
        let mut users = self.users();
        let asked = asked(&mut users, user, now).ok_or(every)?;
        let due = asked.due.max(now);
        let early = due.saturating_duration_since(now).saturating_sub(ahead);
        if !early.is_zero() {
            return Err(early);
        }
        asked.due = due + every;
        Ok(())
    }

    /// Counts a stream until what is returned is dropped; `None` if that is one too many.
    pub(super) fn stream(self: &Arc<Self>, user: &UserId) -> Option<Permit> {
        let mut users = self.users();
        let asked = asked(&mut users, user, Instant::now())?;
        if asked.streams >= self.limits.streams {
            return None;
        }
        asked.streams += 1;
        Some(Permit { limiter: self.clone(), user: user.clone() })
    }

    fn users(&self) -> MutexGuard<'_, HashMap<UserId, Asked>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a user asked for; `None` if more users are at it than are remembered.
fn asked<'a>(users: &'a mut HashMap<UserId, Asked>, user: &UserId, now: Instant) -> Option<&'a mut Asked> {
    if users.len() >= USERS && !users.contains_key(user) {
        // Whose requests are all due is as one who never asked.
        users.retain(|_, asked| asked.due > now || asked.streams > 0);
        if users.len() >= USERS {
            return None;
        }
    }
    Some(users.entry(user.clone()).or_insert(Asked { due: now, streams: 0 }))
}

/// A stream that is open.
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    user: UserId,
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(asked) = self.limiter.users().get_mut(&self.user) {
            asked.streams -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let limiter = Limiter::new(Limits::default().requests(10, 3));
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        (0..3).for_each(|_| limiter.request(&user("u1"), begin).unwrap());
        assert_eq!(limiter.request(&user("u1"), begin), Err(Duration::from_millis(100)));
        assert_eq!(limiter.request(&user("u1"), at(99)), Err(Duration::from_millis(1)));
        limiter.request(&user("u2"), at(99)).unwrap();
        limiter.request(&user("u1"), at(100)).unwrap();
        limiter.request(&user("u1"), at(100)).unwrap_err();
        (0..3).for_each(|_| limiter.request(&user("u1"), at(10_000)).unwrap());
        limiter.request(&user("u1"), at(10_000)).unwrap_err();
    }

    #[test]
    fn streams_count_while_they_are_open() {
        let limiter = Arc::new(Limiter::new(Limits::default().streams(2)));
        let first = limiter.stream(&user("u1")).unwrap();
        let _second = limiter.stream(&user("u1")).unwrap();
        assert!(limiter.stream(&user("u1")).is_none());
        assert!(limiter.stream(&user("u2")).is_some());
        drop(first);
        assert!(limiter.stream(&user("u1")).is_some());
    }

    #[test]
    fn users_who_asked_long_ago_are_forgotten() {
        let limiter = Limiter::new(Limits::default());
        let begin = Instant::now();
        for n in 0..USERS {
            limiter.request(&user(&n.to_string()), begin).unwrap();
        }
        limiter.request(&user("new"), begin).unwrap_err();
        limiter.request(&user("new"), begin + Duration::from_secs(1)).unwrap();
        assert_eq!(limiter.users().len(), 1);
    }
}
