//! Where the fields of an observed call go, when it opens and later.

use std::fmt::{Debug, Display};

use tracing::field::{self, Value};
use tracing::span::Id;

use crate::engine::call::idle;
use crate::engine::callsite::Callsite;
use crate::engine::core::CoreRef;
use crate::engine::fields::{Key, List};
use crate::engine::held::Held;
use crate::engine::{FieldValue, local, stack, visit};
use crate::log::json;
use crate::loss::{Reason, Signal, lost};

/// A value on its way to a field.
pub(crate) enum Recorded<'a> {
    Str(&'a str),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F64(f64),
    Bool(bool),
    Display(&'a dyn Display),
    Debug(&'a dyn Debug),
}

/// Where the fields of an observed call go.
pub(crate) enum Recorder<'a> {
    Engine(&'a mut List),
    Foreign(&'a tracing::Span),
}

impl Recorder<'_> {
    pub(crate) fn reborrow(&mut self) -> Recorder<'_> {
        match self {
            Recorder::Engine(fields) => Recorder::Engine(fields),
            Recorder::Foreign(span) => Recorder::Foreign(span),
        }
    }

    /// Records one value under a key of the callsite.
    // Called by what is there for each type and call, so that nothing of the work is.
    #[inline(never)]
    pub(crate) fn record(&mut self, key: &'static Key, value: &Recorded<'_>) {
        match self {
            Recorder::Engine(fields) => match *value {
                Recorded::Str(value) => fields.put_key_str(key, value),
                _ => fields.put_key(key, |text| value.render(text)),
            },
            Recorder::Foreign(span) => value.hand_to(span, key.name),
        }
    }

    /// Records one value under any key.
    pub(crate) fn record_named(&mut self, name: &'static str, value: &Recorded<'_>) {
        match self {
            Recorder::Engine(fields) => fields.put(name, |text| value.render(text)),
            Recorder::Foreign(span) => value.hand_to(span, name),
        }
    }
}

impl Recorded<'_> {
    #[inline]
    fn render(&self, text: &mut Vec<u8>) {
        match *self {
            Recorded::Str(value) => json::string(text, value),
            Recorded::I64(value) => json::integer(text, value),
            Recorded::U64(value) => json::integer(text, value),
            Recorded::I128(value) => json::integer(text, value),
            Recorded::U128(value) => json::integer(text, value),
            Recorded::F64(value) => json::float(text, value),
            Recorded::Bool(value) => json::boolean(text, value),
            Recorded::Display(value) => visit::formatted(text, format_args!("{value}")),
            Recorded::Debug(value) => visit::formatted(text, format_args!("{value:?}")),
        }
    }

    fn hand_to(&self, span: &tracing::Span, name: &'static str) {
        match *self {
            Recorded::Str(value) => span.record(name, value),
            Recorded::I64(value) => span.record(name, value),
            Recorded::U64(value) => span.record(name, value),
            Recorded::I128(value) => span.record(name, value),
            Recorded::U128(value) => span.record(name, value),
            Recorded::F64(value) => span.record(name, value),
            Recorded::Bool(value) => span.record(name, value),
            Recorded::Display(value) => span.record(name, field::display(value)),
            Recorded::Debug(value) => span.record(name, field::debug(value)),
        };
    }
}

/// Records late fields of the innermost call of `site` on this thread. Outside of one the value is dropped, and counted.
pub(crate) fn record(site: &'static Callsite, fields: impl FnOnce(&mut Recorder<'_>)) {
    if idle(site) {
        return;
    }
    match stack::with_site(site, |record| record.key) {
        Some(key) => record_on(&mut Held::Away(key), fields),
        None => lost(Signal::Spans, Reason::NoSpan, 1),
    }
}

/// Records late fields of a call. They are rendered first, with nothing held, as that runs the user's code.
pub(crate) fn record_on(held: &mut Held, fields: impl FnOnce(&mut Recorder<'_>)) {
    match held.with(|record| (record.on, record.foreign().cloned())) {
        Some((_, Some(span))) => fields(&mut Recorder::Foreign(&span)),
        Some((true, None)) => local::with_list(|later| {
            fields(&mut Recorder::Engine(later));
            let watched = held.with(|record| {
                record.record(later);
                record.watched.then(|| (record.core.clone(), record.site, record.key))
            });
            if let Some(Some((Some(core), Some(site), key))) = watched
                && let Some(id) = stack::slot_of(key)
            {
                tell_filter(&core, id, site, later);
            }
        }),
        _ => {}
    }
}

/// Hands an observed call's fields to a filter with directives on the values of fields.
pub(super) fn tell_filter(core: &CoreRef, id: u64, site: &'static Callsite, fields: &List) {
    let names = site.meta().fields();
    for (name, value) in fields.own() {
        let Some(field) = names.field(name) else { continue };
        let value: &dyn Value = match &value {
            FieldValue::Str(value) => &&**value,
            FieldValue::I64(value) => value,
            FieldValue::U64(value) => value,
            FieldValue::F64(value) => value,
            FieldValue::Bool(value) => value,
        };
        let values = [(&field, Some(value))];
        core.filter.recorded(&Id::from_u64(id), &tracing::span::Record::new(&names.value_set(&values)));
    }
}
