//! All that the macros' expansions may call: nothing here is public API.

mod call;
mod carriers;
mod declared;
mod fields;
mod metrics;
mod outcome;

pub use std::boxed::Box;

pub use obs_macros::__record;
pub use tracing::Level;

pub use self::call::{
    Observed, Span, begin, begin_within, lazy, observe, open, open_within, prelude, record, sync, unjudged,
};
pub use self::carriers::{Inbound, Inside, Trust, Within, enter_inbound, inbound, outbound, within};
pub use self::declared::{Declared, declared};
pub use self::fields::{K0, Visit, debug, display};
pub use self::metrics::*;
pub use self::outcome::{C0, Verdict, judged_by_debug};
pub use crate::engine::SpanKind;
pub use crate::engine::callsite::{Callsite, Site};
pub use crate::text::Text;
