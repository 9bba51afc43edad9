use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A value as it was written, before anybody knows what it should be.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(not(feature = "config-file"), expect(dead_code, reason = "only a file has types"))]
pub(super) enum Value {
    /// What stands in a variable: text that may be read as any type.
    Variable(String),
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    /// Something that no key takes, as a date.
    Other(String),
}

/// How a duration is written.
pub(super) const DURATION_EXAMPLE: &str = "a duration like `10s`, `250ms` or `5m`";

/// What may be written, as the end of the sentence "it takes …".
pub(super) type Allowed = String;

impl Value {
    pub(super) fn text(&self) -> Result<String, Allowed> {
        match self {
            Value::Variable(text) | Value::Text(text) => Ok(text.clone()),
            _ => Err("a text in quotes".to_owned()),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Allowed> {
        match self {
            Value::Boolean(value) => Some(*value),
            Value::Variable(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
            Value::Variable(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
            _ => None,
        }
        .ok_or_else(|| "`true` or `false`".to_owned())
    }

    /// A whole number of at least `least` that `T` holds.
    pub(super) fn integer<T: TryFrom<i128>>(&self, least: i128, most: i128) -> Result<T, Allowed> {
        match self {
            Value::Integer(value) => Some(*value),
            Value::Variable(text) => text.parse().ok(),
            _ => None,
        }
        .filter(|value| (least..=most).contains(value))
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| format!("a whole number from {least} to {most}"))
    }

    pub(super) fn port(&self) -> Result<u16, Allowed> {
        self.integer(0, i128::from(u16::MAX))
    }

    /// A number of bytes: whole, at least 1 KiB, so that one span or line fits.
    pub(super) fn bytes(&self) -> Result<usize, Allowed> {
        self.integer(1024, i128::from(i64::MAX)).map_err(|_| "a whole number of bytes, at least 1024".to_owned())
    }

    /// How many of something.
    pub(super) fn count<T: TryFrom<i128>>(&self) -> Result<T, Allowed> {
        self.integer(0, i128::from(u32::MAX)).map_err(|_| "a whole number".to_owned())
    }

    pub(super) fn number(&self) -> Result<f64, Allowed> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "a rate or the like: nobody writes 2^53")]
            Value::Integer(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            Value::Variable(text) => text.parse().ok(),
            _ => None,
        }
        .ok_or_else(|| "a number".to_owned())
    }

    pub(super) fn duration(&self) -> Result<Duration, Allowed> {
        self.text().ok().and_then(|text| duration(&text)).ok_or_else(|| DURATION_EXAMPLE.to_owned())
    }

    /// Anything that reads itself, described by `what`.
    pub(super) fn parsed<T: FromStr>(&self, what: &str) -> Result<T, Allowed> {
        self.text().ok().and_then(|text| text.parse().ok()).ok_or_else(|| what.to_owned())
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, Allowed> {
        let text = self.text().ok();
        choices
            .iter()
            .find(|(name, _)| text.as_deref() == Some(name))
            .map(|(_, value)| *value)
            .ok_or_else(|| choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(" or "))
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Allowed> {
        match self {
            Value::Variable(text) => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            Value::List(items) => items.iter().map(|item| item.text().ok()).collect(),
            _ => None,
        }
        .ok_or_else(|| "a list of texts".to_owned())
    }

    pub(super) fn map<T, M: FromIterator<(String, T)>>(
        &self,
        read: fn(&Value) -> Result<T, Allowed>,
    ) -> Result<M, Allowed> {
        match self {
            Value::Variable(text) => pairs(text)
                .ok_or_else(|| "`key=value,key=value`, percent-encoded where needed".to_owned())?
                .into_iter()
                .map(|(key, value)| Ok((key, read(&Value::Variable(value))?)))
                .collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| match read(value) {
                    Ok(value) => Ok((key.clone(), value)),
                    Err(allowed) => Err(format!("{allowed} for `{key}`")),
                })
                .collect(),
            _ => Err("a table of keys and values".to_owned()),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // What stands in a message may not end its line.
            Value::Variable(text) | Value::Other(text) => text
                .chars()
                .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_debug()) } else { write!(f, "{c}") }),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Integer(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Boolean(value) => write!(f, "{value}"),
            Value::List(_) => f.write_str("[…]"),
            Value::Map(_) => f.write_str("{…}"),
        }
    }
}

/// A whole number and its unit: `ms`, `s`, `m` or `h`. Never zero.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    let milliseconds = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

/// `key=value,key=value`, percent-decoded, as OpenTelemetry's variables have it. White space around each part is not part of it.
pub(super) fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    text.split(',')
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = percent_decoded(key.trim())?;
            (!key.is_empty()).then_some((key, percent_decoded(value.trim())?))
        })
        .collect()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_number_and_a_unit() {
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("5m"), Some(Duration::from_secs(300)));
        for wrong in ["", "10", "s", "0s", "1.5s", "-1s", "10 weeks", "99999999999999999999s", "18446744073709551615h"]
        {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn pairs_are_decoded_and_refused_whole() {
        let found = pairs("a=1, b=x%20%C3%A9%2C ,,").expect("well formed");
        assert_eq!(found, [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x é,".to_owned())]);
        for wrong in ["a", "a=1,b", "=1", "a=%", "a=%4", "a=%zz", "a=%ff"] {
            assert_eq!(pairs(wrong), None, "{wrong}");
        }
    }
}
