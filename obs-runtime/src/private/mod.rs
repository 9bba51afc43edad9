//! All that the macros' expansions may call: nothing here is public API.
//!
//! `--cfg obs_off` puts the rooms of `off/` in the place of those that do the work: the same names, and nothing in them.

#[cfg(not(obs_off))]
mod call;
#[cfg(obs_off)]
#[path = "off/call.rs"]
mod call;
mod carried;
#[cfg(not(obs_off))]
mod carriers;
#[cfg(obs_off)]
#[path = "off/carriers.rs"]
mod carriers;
mod chain;
mod classify;
mod declared;
mod fields;
mod hidden;
#[cfg(not(obs_off))]
mod located;
#[cfg(obs_off)]
#[path = "off/located.rs"]
mod located;
mod metrics;
mod outcome;
mod place;
mod returned;
#[cfg(not(obs_off))]
mod streams;
#[cfg(obs_off)]
#[path = "off/streams.rs"]
mod streams;

pub use std::borrow::Cow;
pub use std::boxed::Box;

pub use obs_macros::{__observe, __record};
pub use tracing::Level;

#[cfg(obs_off)]
pub use self::call::{Callsite, Site};
pub use self::call::{
    Span, begin, begin_given, begin_within, boxed, lazy, lazy_by, observe, observe_by, open, open_given, open_within,
    prelude, record, sync, sync_by, told,
};
pub use self::carried::{M0, carries};
pub use self::carriers::{Carrier, CarrierMut, Inbound, Inside, Trust, enter_inbound, inbound, outbound, within};
pub use self::classify::{L0, Unclassified};
pub use self::declared::{Declared, declared};
pub use self::fields::{Given, NOTHING, Visit, debug, debugged, display, displayed, field};
pub use self::hidden::H0;
pub use self::located::{Located, done, done_by, entered, located};
pub use self::metrics::*;
pub use self::outcome::{By, Judge, Known, NoError, Verdict, by_debug, returned, returns, verdict};
pub use self::place::{links, parent, root};
pub use self::returned::{R0, R3};
pub use self::streams::observe_stream;
pub use crate::classify::Classify;
pub use crate::engine::SpanKind;
#[cfg(not(obs_off))]
pub use crate::engine::callsite::{Callsite, Site};
pub use crate::text::Text;
