//! All that the macros' expansions may call: nothing here is public API.

mod call;
mod carriers;
mod chain;
mod classify;
mod declared;
mod fields;
mod hidden;
mod metrics;
mod outcome;
mod place;
mod returned;

pub use std::borrow::Cow;
pub use std::boxed::Box;

pub use obs_macros::{__observe, __record};
pub use tracing::Level;

pub use self::call::{
    Observed, Span, begin, begin_within, lazy, observe, open, open_within, prelude, record, sync, unjudged,
};
pub use self::carriers::{
    Carrier, CarrierMut, Inbound, Inside, Trust, Within, enter_inbound, inbound, outbound, within,
};
pub use self::classify::{L0, Unclassified};
pub use self::declared::{Declared, declared};
pub use self::fields::{K0, Visit, debug, display};
pub use self::hidden::{H0, observe_stream};
pub use self::metrics::*;
pub use self::outcome::{C0, Verdict, W0, by_debug};
pub use self::place::{links, parent, root};
pub use self::returned::{R0, R3};
pub use crate::classify::Classify;
pub use crate::engine::SpanKind;
pub use crate::engine::callsite::{Callsite, Site};
pub use crate::text::Text;
