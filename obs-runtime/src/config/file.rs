//! `obs.toml` as a layer.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{Mistake, Place};
use super::value::Value;

/// The file that is read when no other is named.
const DEFAULT: &str = "obs.toml";

/// The keys of the file in its order, with their places.
pub(super) fn read(named: Option<&str>, mistakes: &mut Vec<Mistake>) -> Vec<(Place, String, Value)> {
    let path = Path::new(named.unwrap_or(DEFAULT));
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text, mistakes),
        Err(err) if err.kind() == ErrorKind::NotFound && named.is_none() => Vec::new(),
        Err(err) => {
            let message = format!("cannot be read: {err}");
            mistakes.push(Mistake { place: Place::File(path.to_owned(), None), key: None, message });
            Vec::new()
        }
    }
}

fn parse(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> Vec<(Place, String, Value)> {
    let place = |offset: usize| Place::File(PathBuf::from(path), Some(line_of(text, offset)));
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What the parser made of a broken file would only bring more mistakes that nobody made.
        mistakes.extend(errors.iter().map(|err| Mistake {
            place: err.span().map_or_else(|| Place::File(path.to_owned(), None), |span| place(span.start)),
            key: None,
            message: format!("not TOML: {}", err.message().replace('\n', ", ")),
        }));
        return Vec::new();
    }
    let mut entries: Vec<_> = table.into_inner().into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
        .into_iter()
        .map(|(key, item)| (place(key.span().start), key.into_inner().into_owned(), value(item.get_ref())))
        .collect()
}

/// The line that holds this byte, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn value(item: &DeValue<'_>) -> Value {
    match item {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Other(number.to_string()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Other(number.to_string()), Value::Float)
        }
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Datetime(date) => Value::Other(date.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| value(item.get_ref())).collect()),
        DeValue::Table(entries) => {
            Value::Map(entries.iter().map(|(key, item)| (key.get_ref().to_string(), value(item.get_ref()))).collect())
        }
    }
}
