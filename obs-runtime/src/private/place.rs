//! Where a span hangs: `parent = …`, `root` and `links = …`.

use tracing::span::Id;

use super::carriers::Inbound;
use super::fields::Visit;
use crate::engine::opening::Under;
use crate::engine::record;
use crate::engine::{Link, subscriber};
use crate::propagation::{Correlation, TraceContext};

/// The place that an attribute gives a span; none where that is what is around the call.
pub struct Placed(pub(crate) Option<Under>);

impl From<Inbound> for Placed {
    fn from(inbound: Inbound) -> Self {
        Placed(inbound.0.map(Under::Context))
    }
}

/// `parent = …`
pub fn parent<P: Parent>(parent: P) -> Placed {
    parent.__obs_placed()
}

/// `root`
pub fn root() -> Placed {
    Placed(Some(Under::Root))
}

/// What a span may be the child of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no parent of a span",
    label = "give a `Span` of `tracing` or its id, a `Correlation`, a `TraceContext`, or an `Option` of one of them"
)]
pub trait Parent {
    #[doc(hidden)]
    fn __obs_placed(self) -> Placed;
}

impl Parent for Correlation {
    fn __obs_placed(self) -> Placed {
        Placed(Some(Under::Context(self)))
    }
}

impl Parent for TraceContext {
    fn __obs_placed(self) -> Placed {
        Placed(Some(Under::Context(Correlation { trace: Some(self), ..Correlation::default() })))
    }
}

impl Parent for tracing::Span {
    fn __obs_placed(self) -> Placed {
        Placed(Some(if self.is_none() { Under::Root } else { Under::Span(self) }))
    }
}

impl Parent for Id {
    fn __obs_placed(self) -> Placed {
        Placed(Some(Under::Id(self)))
    }
}

impl<P: Parent + Clone> Parent for &P {
    fn __obs_placed(self) -> Placed {
        self.clone().__obs_placed()
    }
}

impl<P: Parent> Parent for Option<P> {
    fn __obs_placed(self) -> Placed {
        self.map_or_else(root, P::__obs_placed)
    }
}

/// `links = …`
pub fn links<L: Links>(visit: &mut Visit<'_>, given: L) {
    if let Some(links) = &mut visit.links {
        given.__obs_each(&mut |link| links.push(link));
    }
}

/// What a span may be linked to: one context or several.
#[diagnostic::on_unimplemented(
    message = "a span cannot be linked to `{Self}`",
    label = "give a `Correlation`, a `TraceContext`, a `Link`, or something that iterates over them or over `Span`s of `tracing`"
)]
pub trait Links {
    #[doc(hidden)]
    fn __obs_each(self, take: &mut dyn FnMut(Link));
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator<Item: Linked>> Links for I {
    fn __obs_each(self, take: &mut dyn FnMut(Link)) {
        // No more than are kept: there are iterators without an end.
        self.into_iter().take(record::LINKS_KEPT).filter_map(|linked| linked.__obs_link()).for_each(take);
    }
}

/// One context that a span may be linked to.
#[diagnostic::on_unimplemented(
    message = "a span cannot be linked to `{Self}`",
    label = "give a `Correlation`, a `TraceContext`, a `Link` or a `Span` of `tracing`"
)]
pub trait Linked {
    #[doc(hidden)]
    fn __obs_link(&self) -> Option<Link>;
}

impl Linked for Link {
    fn __obs_link(&self) -> Option<Link> {
        Some(*self)
    }
}

impl Linked for TraceContext {
    fn __obs_link(&self) -> Option<Link> {
        Some(Link { trace_id: self.trace_id, span_id: self.span_id })
    }
}

impl Linked for Correlation {
    fn __obs_link(&self) -> Option<Link> {
        self.trace.as_ref().and_then(Linked::__obs_link)
    }
}

impl Linked for tracing::Span {
    fn __obs_link(&self) -> Option<Link> {
        self.with_subscriber(|(id, dispatch)| subscriber::slot(dispatch, id).and_then(record::link_to))?
    }
}

impl<L: Linked + ?Sized> Linked for &L {
    fn __obs_link(&self) -> Option<Link> {
        L::__obs_link(self)
    }
}

macro_rules! alone {
    ($($ty:ty),*) => {
        $(impl Links for $ty {
            fn __obs_each(self, take: &mut dyn FnMut(Link)) {
                self.__obs_link().into_iter().for_each(take);
            }
        })*
    };
}

alone!(Link, &Link, TraceContext, &TraceContext, Correlation, &Correlation);
