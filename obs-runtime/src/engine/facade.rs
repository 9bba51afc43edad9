//! Records of the `log` crate: lines like those of `tracing`, in the spans that they happen in.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use ::log::kv::{self, VisitSource, VisitValue};
use ::log::{LevelFilter, Log, Record};
use tracing::callsite::{Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, dispatcher};

use crate::engine::core::CoreRef;
use crate::engine::fields::List;
use crate::engine::local::Scratch;
use crate::engine::visit::formatted;
use crate::engine::{local, stack, subscriber};
use crate::log::{Origin, json};

/// The logger of the process, where nobody else is it. It has no engine of its own: each record goes to the subscriber of the
/// thread that it happens on.
struct Bridge;

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Takes the records of `log` from here on. A logger that is there already stays.
pub(crate) fn install() {
    if ::log::set_logger(&Bridge).is_ok() {
        INSTALLED.store(true, Relaxed);
    }
}

/// Lets `log` know what is on in the engine of the process, so that all else costs next to nothing.
pub(crate) fn follow(core: &CoreRef) {
    if INSTALLED.load(Relaxed) && core.is_process() {
        let highest = core.filter.max_level().unwrap_or(tracing::level_filters::LevelFilter::TRACE);
        ::log::set_max_level(match highest.into_level() {
            None => LevelFilter::Off,
            Some(Level::ERROR) => LevelFilter::Error,
            Some(Level::WARN) => LevelFilter::Warn,
            Some(Level::INFO) => LevelFilter::Info,
            Some(Level::DEBUG) => LevelFilter::Debug,
            Some(Level::TRACE) => LevelFilter::Trace,
        });
    }
}

impl Log for Bridge {
    fn enabled(&self, meta: &::log::Metadata<'_>) -> bool {
        listener(level(meta.level()), meta.target()).is_some()
    }

    fn log(&self, record: &Record<'_>) {
        let level = level(record.level());
        // Outside of `get_default`, within which what a `Display` says would find no subscriber.
        let Some(core) = listener(level, record.target()) else { return };
        let Some(held_back) = core.limit.as_ref().map_or(Some(0), |limit| limit.admits_record(record, level)) else {
            return;
        };
        let origin = Origin::new(level, record.target(), record.file(), record.line());
        local::with_scratch(|Scratch { event: visitor, line }| {
            visitor.suppressed(held_back);
            formatted(&mut visitor.message, *record.args());
            // It gives up at the first pair that fails; none of ours does.
            let _ = record.key_values().visit(&mut Pairs(&mut visitor.fields));
            if let Some(at) = stack::at_current(core.address(), |place| core.render(line, &origin, place, visitor)) {
                stack::in_span(core.address(), |record| core.happened(record, at, &origin, visitor));
            }
            core.out.line(line, level);
        });
    }

    fn flush(&self) {
        if let Some(core) = dispatcher::get_default(|dispatch| subscriber::of(dispatch).cloned()) {
            core.out.flush();
        }
    }
}

fn level(level: ::log::Level) -> Level {
    match level {
        ::log::Level::Error => Level::ERROR,
        ::log::Level::Warn => Level::WARN,
        ::log::Level::Info => Level::INFO,
        ::log::Level::Debug => Level::DEBUG,
        ::log::Level::Trace => Level::TRACE,
    }
}

/// The engine that listens here, if it wants such records.
fn listener(level: Level, target: &str) -> Option<CoreRef> {
    let fields = FieldSet::new(&["message"], Identifier(&RECORD));
    let meta = Metadata::new("log record", target, level, None, None, None, fields, Kind::EVENT);
    dispatcher::get_default(|dispatch| {
        subscriber::of(dispatch).filter(|core| core.filter.enabled(&meta, core.address())).cloned()
    })
}

/// What stands for the callsites of records: they have none.
struct Anywhere;

static RECORD: Anywhere = Anywhere;
static ANYWHERE: Metadata<'static> = Metadata::new(
    "log record",
    "log",
    Level::TRACE,
    None,
    None,
    None,
    FieldSet::new(&["message"], Identifier(&RECORD)),
    Kind::EVENT,
);

impl Callsite for Anywhere {
    fn set_interest(&self, _: Interest) {}

    fn metadata(&self) -> &Metadata<'_> {
        &ANYWHERE
    }
}

/// The key-value pairs of a record, as fields.
struct Pairs<'a>(&'a mut List);

impl<'kvs> VisitSource<'kvs> for Pairs<'_> {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        match interned(key.as_str()) {
            Some(key) => value.visit(Pair(self.0, key)),
            None => Ok(()),
        }
    }
}

/// How many different keys records may have in a process.
const KEYS: usize = 4096;

/// A key that lives for ever: fields know their keys by such.
fn interned(key: &str) -> Option<&'static str> {
    static INTERNED: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    let keys = interned.get_or_insert_default();
    if let Some(known) = keys.get(key) {
        return Some(known);
    }
    if keys.len() == KEYS {
        return None;
    }
    let key: &'static str = Box::leak(key.into());
    keys.insert(key);
    Some(key)
}

struct Pair<'a>(&'a mut List, &'static str);

impl Pair<'_> {
    fn put(&mut self, render: impl FnOnce(&mut Vec<u8>)) -> Result<(), kv::Error> {
        self.0.put(self.1, render);
        Ok(())
    }

    fn display(&mut self, value: impl fmt::Display) -> Result<(), kv::Error> {
        self.put(|text| formatted(text, format_args!("{value}")))
    }
}

impl<'v> VisitValue<'v> for Pair<'_> {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.display(value)
    }
    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.put(|text| json::string(text, value))
    }
    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.put(|text| json::integer(text, value))
    }
    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.put(|text| json::integer(text, value))
    }
    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.put(|text| json::float(text, value))
    }
    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.put(|text| json::boolean(text, value))
    }
    fn visit_null(&mut self) -> Result<(), kv::Error> {
        // As an `Option` that is `None` in `tracing`: no field.
        Ok(())
    }
}
