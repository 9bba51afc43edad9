//! Items whose pages shall be the same with and without the attribute. `tests/tests/documentation.rs` makes both.
#![deny(missing_docs, rustdoc::broken_intra_doc_links)]

// Both know the runtime: what it implements for all types is on the pages of both.
extern crate obs_runtime as _;

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

/// A store of [`Agent`]s.
pub struct Store<T>(T);

/// An agent, made by [`create`].
#[derive(Debug)]
pub struct Agent(pub String);

/// Creates an agent, see [`Store::get`].
///
/// # Errors
/// When the pair is too large.
#[cfg_attr(observed, obs_runtime::observed(user_id, first, agent_id))]
pub async fn create<'a, const N: usize>(
    user_id: &'a str,
    (first, _): (u8, [u8; N]),
    mut again: impl Display + Send,
    _: Option<&str>,
) -> Result<Agent, String> {
    #[cfg(observed)]
    obs_runtime::record!(agent_id = user_id);
    let again = &mut again;
    if usize::from(first) > N { Err(again.to_string()) } else { Ok(Agent(user_id.to_owned())) }
}

/// A number of the caller's, at its [place](std::panic::Location).
#[cfg_attr(observed, obs_runtime::observed(ret))]
#[track_caller]
#[must_use = "it is a number"]
#[inline]
#[deprecated(since = "1.0.0", note = "use [`create`]")]
pub fn number<T: Into<u64>>(n: T) -> u64
where
    T: Copy,
{
    n.into()
}

/// What is shown.
#[cfg_attr(observed, obs_runtime::observed)]
pub fn shown(r#type: u8) -> impl Display + use<> {
    r#type
}

/// Later.
#[cfg_attr(observed, obs_runtime::observed)]
pub fn later<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
    Box::pin(async move { text.len() })
}

/// Later, without a box.
#[cfg_attr(observed, obs_runtime::observed)]
pub fn unboxed(n: u8) -> impl Future<Output = u8> + Send {
    async move { n }
}

/// # Safety
/// None is needed.
#[cfg_attr(observed, obs_runtime::observed)]
pub unsafe extern "C" fn foreign(_: u8) {}

#[cfg_attr(observed, obs_runtime::observed(id))]
impl<T: Clone + Send + Sync> Store<T> {
    /// How many there are at most.
    pub const MOST: usize = 7;

    /// Gets one.
    ///
    /// # Errors
    /// Never.
    pub async fn get(&self, id: &str, (_, more): (u8, u8)) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        let _ = (id, more);
        Ok(self.0.clone())
    }

    /// Takes it apart.
    pub fn into_inner(self: Box<Self>) -> T {
        self.0
    }
}

/// What can be asked.
pub trait Asks {
    /// Asks.
    fn ask(&self) -> impl Future<Output = u8> + Send;

    /// Asks twice.
    #[cfg_attr(observed, obs_runtime::observed)]
    fn twice(&self, n: u8) -> u8 {
        n * 2
    }
}

#[cfg_attr(observed, obs_runtime::observed)]
impl<T: Sync> Asks for Store<T> {
    async fn ask(&self) -> u8 {
        1
    }
}
