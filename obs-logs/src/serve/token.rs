//! Places in a log that a client may keep and bring back, but neither read nor make.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::params::{Order, Params};
use crate::model::{AgentId, nanoseconds};
use crate::store::Cursor;

/// Bytes of the authentication in a token.
const TAG: usize = 16;
/// Version, cursor, authentication.
const LENGTH: usize = 1 + 16 + TAG;
const VERSION: u8 = 1;

/// The secret by which this service knows its own tokens. Services that answer for each other share one.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl TokenKey {
    /// A new one: tokens are worth nothing after a restart.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(TokenKey(key))
    }

    /// One that comes from elsewhere: 32 bytes that nobody can guess.
    #[must_use]
    pub fn from_bytes(key: [u8; 32]) -> Self {
        TokenKey(key)
    }

    /// The one in this file, which is made if it is not there, for its owner alone to read.
    ///
    /// # Errors
    ///
    /// The file cannot be read or made, or has another length than 32 bytes.
    pub fn in_file(path: &Path) -> io::Result<Self> {
        match File::open(path) {
            Ok(file) => Self::read(file),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                let key = Self::random()?;
                // Whole under another name first: nobody may read half of it. Who comes second takes the first one's.
                let unfinished = path.with_extension(format!("new-{}", std::process::id()));
                let mut file =
                    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
                file.write_all(&key.0)?;
                file.sync_all()?;
                let linked = fs::hard_link(&unfinished, path);
                fs::remove_file(&unfinished)?;
                match linked {
                    Err(err) if err.kind() != io::ErrorKind::AlreadyExists => Err(err),
                    _ => Self::read(File::open(path)?),
                }
            }
            Err(err) => Err(err),
        }
    }

    fn read(file: File) -> io::Result<Self> {
        let mut key = Vec::new();
        file.take(33).read_to_end(&mut key)?;
        let key = key.try_into().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a key has 32 bytes"))?;
        Ok(TokenKey(key))
    }

    /// The place as a text.
    pub(crate) fn seal(&self, bound: &Bound, cursor: Cursor) -> String {
        let mut token = Vec::with_capacity(LENGTH);
        token.push(VERSION);
        token.extend_from_slice(&cursor.at.to_be_bytes());
        token.extend_from_slice(&cursor.tie.to_be_bytes());
        let tag = self.mac(bound, &token).finalize().into_bytes();
        token.extend_from_slice(&tag[..TAG]);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The place that was sealed for this agent and query; `None` for every other text.
    pub(crate) fn open(&self, bound: &Bound, token: &str) -> Option<Cursor> {
        // Longer than it can be: it is not even decoded.
        if token.len() > LENGTH * 2 {
            return None;
        }
        let token = URL_SAFE_NO_PAD.decode(token).ok().filter(|token| token.len() == LENGTH)?;
        let (place, tag) = token.split_at(LENGTH - TAG);
        self.mac(bound, place).verify_truncated_left(tag).ok()?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        (place[0] == VERSION).then(|| Cursor { at: number(&place[1..9]), tie: number(&place[9..17]) })
    }

    fn mac(&self, bound: &Bound, place: &[u8]) -> Hmac<Sha256> {
        // HMAC fills a key up with zeros to the block of its hash.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = Hmac::<Sha256>::new(&block.into());
        mac.update(&bound.0);
        mac.update(place);
        mac
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey([redacted])")
    }
}

/// What a token is bound to: the agent and everything that says which lines are wanted, in which order. Not how many.
pub(crate) struct Bound(Vec<u8>);

impl Bound {
    pub(crate) fn to(agent: &AgentId, params: &Params) -> Self {
        let mut bound = Vec::with_capacity(128);
        let mut part = |part: Option<&[u8]>| match part {
            // A length before each part: no two queries run together to the same bytes.
            Some(part) => {
                bound.extend_from_slice(&(part.len() as u64 + 1).to_be_bytes());
                bound.extend_from_slice(part);
            }
            None => bound.extend_from_slice(&0_u64.to_be_bytes()),
        };
        let filter = &params.filter;
        part(Some(agent.as_str().as_bytes()));
        part(Some(if params.order == Order::Asc { b"asc" } else { b"desc" }));
        part(filter.since.map(|time| nanoseconds(time).to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
        part(filter.until.map(|time| nanoseconds(time).to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
        part(filter.level.map(|level| level.as_str().as_bytes()));
        part(filter.q.as_ref().map(String::as_bytes));
        part(filter.trace_id.map(|id| id.0.to_be_bytes()).as_ref().map(<[u8; 16]>::as_slice));
        Bound(bound)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::serve::params;

    fn bound(agent: &str, query: &str) -> Bound {
        Bound::to(&AgentId::parse(agent).unwrap(), &params::parse(query, params::Endpoint::Logs).unwrap())
    }

    #[test]
    fn a_token_is_worth_something_for_its_agent_and_query_alone() {
        let key = TokenKey::from_bytes([7; 32]);
        let cursor = Cursor { at: u64::MAX, tie: 5 };
        let token = key.seal(&bound("a", "level=warn&q=x&tail=5"), cursor);
        assert_eq!(key.open(&bound("a", "tail=9&q=x&level=warn"), &token), Some(cursor));
        for (agent, query) in [
            ("b", "level=warn&q=x"),
            ("a", "level=warn"),
            ("a", "q=x"),
            ("a", "level=warn&q=y"),
            ("a", "level=error&q=x"),
            ("a", "level=warn&q=x&order=desc"),
            ("a", "level=warn&q=x&since=2026-01-15T10:00:00Z"),
            ("a", "level=warn&q=x&trace_id=0af7651916cd43dd8448eb211c80319c"),
        ] {
            assert_eq!(key.open(&bound(agent, query), &token), None, "{agent} {query}");
        }
        assert_eq!(TokenKey::from_bytes([8; 32]).open(&bound("a", "level=warn&q=x"), &token), None);
        let since = key.seal(&bound("a", "since=2026-01-15T10:00:00Z"), cursor);
        assert_eq!(key.open(&bound("a", "until=2026-01-15T10:00:00Z"), &since), None);
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_none() {
        let key = TokenKey::from_bytes([7; 32]);
        let bound = bound("a", "");
        let token = key.seal(&bound, Cursor { at: 1, tie: 2 });
        for at in 0..token.len() {
            for other in ["A", "B", "-", "=", " ", ""] {
                let mut changed = token.clone();
                changed.replace_range(at..=at, other);
                if changed != token {
                    assert_eq!(key.open(&bound, &changed), None, "{changed}");
                }
            }
        }
    }

    #[test]
    fn a_key_in_a_file_is_made_once() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("token.key");
        let key = TokenKey::in_file(&path).unwrap();
        assert_eq!(TokenKey::in_file(&path).unwrap().0, key.0);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        fs::write(&path, "short").unwrap();
        assert!(TokenKey::in_file(&path).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_text_is_opened_without_panic(text in ".{0,80}") {
            prop_assert_eq!(TokenKey::from_bytes([7; 32]).open(&bound("a", ""), &text), None);
        }
    }
}
