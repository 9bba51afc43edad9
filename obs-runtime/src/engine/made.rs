//! Events whose metadata is made at run time, and then lives as long as `tracing` wants it to: for ever.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::callsite::{self, Identifier};
use tracing::field::{FieldSet, Value};
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, dispatcher};

/// What events are called, apart from where they happen.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) target: &'static str,
    pub(crate) level: Level,
    pub(crate) fields: &'static [&'static str],
}

/// The place of an event in somebody's code.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) file: Option<&'static str>,
    pub(crate) line: Option<u32>,
    pub(crate) module: Option<&'static str>,
}

/// An event's metadata, leaked.
pub(crate) struct MadeEvent {
    meta: OnceLock<Metadata<'static>>,
}

impl MadeEvent {
    pub(crate) fn leak(named: &Named, site: Site) -> &'static Self {
        let event: &'static MadeEvent = Box::leak(Box::new(MadeEvent { meta: OnceLock::new() }));
        let Site { file, line, module } = site;
        let fields = FieldSet::new(named.fields, Identifier(event));
        event.meta.get_or_init(|| {
            Metadata::new(named.name, named.target, named.level, file, line, module, fields, Kind::EVENT)
        });
        callsite::register(event);
        event
    }

    pub(crate) fn meta(&'static self) -> &'static Metadata<'static> {
        // Set when the event was made, before anybody could see it.
        self.meta.get().expect("an event is made with its metadata")
    }
}

impl callsite::Callsite for MadeEvent {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        self.meta.get().expect("an event is made with its metadata")
    }
}

/// How many places an event may be told from with its file and line; further ones are told without.
const PLACES: usize = 1024;

/// An event that is told where the user's code is, and not where the runtime's is.
pub(crate) struct Located {
    named: Named,
    places: Mutex<Option<Places>>,
    /// Of all places that found no room.
    elsewhere: OnceLock<&'static MadeEvent>,
}

/// By file, line and column.
type Places = HashMap<(&'static str, u32, u32), &'static MadeEvent>;

impl Located {
    pub(crate) const fn new(named: Named) -> Self {
        Located { named, places: Mutex::new(None), elsewhere: OnceLock::new() }
    }

    /// Tells the event at `location`, if somebody listens. The values are those of the fields, in order.
    pub(crate) fn tell(&self, location: Option<&Location<'_>>, values: &[Option<&dyn Value>]) {
        let meta = self.at(location).meta();
        dispatcher::get_default(|dispatch| {
            if dispatch.enabled(meta) {
                dispatch.event(&Event::new(meta, &meta.fields().value_set_all(values)));
            }
        });
    }

    fn at(&self, location: Option<&Location<'_>>) -> &'static MadeEvent {
        location.and_then(|location| self.known(location)).unwrap_or_else(|| {
            let nowhere = Site { file: None, line: None, module: None };
            self.elsewhere.get_or_init(|| MadeEvent::leak(&self.named, nowhere))
        })
    }

    /// The event at a place, made when it is first told there.
    fn known(&self, location: &Location<'_>) -> Option<&'static MadeEvent> {
        let (line, column) = (location.line(), location.column());
        {
            let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            let known: Option<&Places> = places.as_ref();
            if let Some(event) = find(known, (location.file(), line, column)) {
                return Some(event);
            }
            if known.is_some_and(|places| places.len() >= PLACES) {
                return None;
            }
        }
        // Made with nothing locked, as it is shown to the subscribers. Of two that make it at once, the second is kept.
        let file: &'static str = Box::leak(location.file().into());
        let event = MadeEvent::leak(&self.named, Site { file: Some(file), line: Some(line), module: None });
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.get_or_insert_default().insert((file, line, column), event);
        Some(event)
    }
}

fn find<'a>(
    places: Option<&HashMap<(&'a str, u32, u32), &'static MadeEvent>>,
    place: (&'a str, u32, u32),
) -> Option<&'static MadeEvent> {
    places?.get(&place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_made_once_and_their_number_is_bounded() {
        static EVENT: Located =
            Located::new(Named { name: "test", target: "test", level: Level::INFO, fields: &["message"] });
        let here = Location::caller();
        assert!(std::ptr::eq(EVENT.at(Some(here)), EVENT.at(Some(here))));
        assert_eq!(EVENT.at(Some(here)).meta().file(), Some(file!()));
        EVENT.places.lock().unwrap().as_mut().unwrap().extend((0..PLACES as u32).map(|line| {
            (
                ("elsewhere.rs", line, 0),
                EVENT
                    .elsewhere
                    .get_or_init(|| MadeEvent::leak(&EVENT.named, Site { file: None, line: None, module: None }))
                    as &'static MadeEvent,
            )
        }));
        let other = Location::caller();
        assert_eq!(EVENT.at(Some(other)).meta().file(), None);
    }
}
