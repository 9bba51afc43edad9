//! Without the feature `layer` no engine is ever a layer.

use tracing::Dispatch;
use tracing::span::Id;

use crate::engine::core::CoreRef;

pub(crate) enum EngineLayer {}

pub(crate) fn of(_: &Dispatch) -> Option<&EngineLayer> {
    None
}

impl EngineLayer {
    pub(crate) fn core(&self) -> &CoreRef {
        match *self {}
    }

    pub(crate) fn own_slot(&self, _: &Dispatch, _: &Id) -> Option<u64> {
        match *self {}
    }

    pub(crate) fn slot(&self, _: &Dispatch, _: &Id) -> Option<u64> {
        match *self {}
    }
}
