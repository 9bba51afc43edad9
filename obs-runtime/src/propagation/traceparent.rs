//! The header `traceparent`, by W3C Trace Context level 2, section 3.2.

use crate::propagation::{TraceContext, trim_ows};
use crate::{SpanId, TraceId};

/// Version, trace id, parent id and flags with their three dashes: `00-<32>-<16>-00`.
const LENGTH: usize = 55;

/// The flags that level 2 knows: bit 0 sampled, bit 1 random. The others are not ours to hand on.
const KNOWN_FLAGS: u8 = 0b11;

/// The position that `value` names, without `tracestate`; nothing where the specification says to begin anew.
pub(super) fn parse(value: &[u8]) -> Option<TraceContext> {
    let value = trim_ows(value);
    let (head, rest) = value.split_at_checked(LENGTH)?;
    let (version, head) = field::<2>(head)?;
    let (trace_id, head) = field::<32>(head)?;
    let (span_id, flags) = field::<16>(head)?;

    let version = hex(version)?;
    if version == 0xff || (version == 0 && !rest.is_empty()) {
        return None;
    }
    // A version from the future is read by its first four fields, if the fourth ends there.
    if !matches!(rest, [] | [b'-', ..]) {
        return None;
    }
    Some(TraceContext {
        trace_id: TraceId::from_u128(hex(trace_id)?)?,
        span_id: SpanId::from_u64(u64::try_from(hex(span_id)?).ok()?)?,
        flags: u8::try_from(hex(flags)?).ok()? & KNOWN_FLAGS,
        state: None,
    })
}

/// The header for `trace`, in version 00.
pub(super) fn render(trace: &TraceContext) -> Rendered {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex_digits(&mut text[3..35], trace.trace_id.to_u128());
    hex_digits(&mut text[36..52], u128::from(trace.span_id.to_u64()));
    hex_digits(&mut text[53..], u128::from(trace.flags & KNOWN_FLAGS));
    Rendered(text)
}

/// A header, as it is written.
pub(super) struct Rendered([u8; LENGTH]);

impl Rendered {
    pub(super) fn as_str(&self) -> &str {
        // Nothing but dashes and digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn hex_digits(text: &mut [u8], number: u128) {
    for (digit, byte) in text.iter_mut().rev().enumerate() {
        *byte = b"0123456789abcdef"[(number >> (4 * digit)) as usize & 0xf];
    }
}

/// The first `N` bytes of `text`, if a dash follows them, and what is behind the dash.
fn field<const N: usize>(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (field, rest) = text.split_at_checked(N)?;
    Some((field, rest.strip_prefix(b"-")?))
}

/// The number that lower-case hexadecimal digits spell; nothing if there is any other character.
fn hex(digits: &[u8]) -> Option<u128> {
    let mut number = 0;
    // In halves of 64 bits, which is what processors have.
    for digits in digits.chunks(16) {
        let (mut half, mut other) = (0_u64, 0);
        for digit in digits {
            let value = VALUES[usize::from(*digit)];
            other |= value;
            half = half << 4 | u64::from(value & 0xf);
        }
        if other > 0xf {
            return None;
        }
        number = number << (4 * digits.len()) | u128::from(half);
    }
    Some(number)
}

/// What each byte is worth as a lower-case hexadecimal digit; more than 15 where it is none.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(value: &str) -> Option<TraceContext> {
        super::parse(value.as_bytes())
    }

    #[test]
    fn a_good_one_is_read_and_written_back() {
        let trace = parse(GOOD).expect("valid");
        assert_eq!(trace.trace_id.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(trace.span_id.to_string(), "b7ad6b7169203331");
        assert!(trace.sampled());
        assert_eq!(render(&trace).as_str(), GOOD);
    }

    #[test]
    fn white_space_around_it_is_not_part_of_it() {
        for value in [format!(" {GOOD}"), format!("\t{GOOD}"), format!("{GOOD} "), format!("\t {GOOD} \t")] {
            assert!(parse(&value).is_some(), "{value:?}");
        }
    }

    #[test]
    fn the_random_flag_is_kept_and_unknown_flags_are_not() {
        assert_eq!(parse(&GOOD.replace("-01", "-03")).map(|trace| trace.flags), Some(3));
        assert_eq!(parse(&GOOD.replace("-01", "-02")).map(|trace| trace.flags), Some(2));
        assert_eq!(parse(&GOOD.replace("-01", "-fd")).map(|trace| trace.flags), Some(1));
    }

    #[test]
    fn version_ff_is_invalid() {
        assert_eq!(parse(&GOOD.replacen("00", "ff", 1)), None);
    }

    #[test]
    fn a_future_version_is_read_by_its_first_four_fields() {
        let future = GOOD.replacen("00", "cc", 1);
        assert!(parse(&future).is_some());
        assert!(parse(&format!("{future}-what-the-future-will-be-like")).is_some());
        assert_eq!(parse(&format!("{future}.what-the-future-will-not-be-like")), None);
        assert_eq!(parse(&format!("{GOOD}-more")), None, "version 00 ends after the flags");
        assert_eq!(parse(&format!("{GOOD}-")), None);
        assert_eq!(parse(&format!("{GOOD}.")), None);
    }

    #[test]
    fn zero_ids_are_invalid() {
        assert_eq!(parse(&GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32))), None);
        assert_eq!(parse(&GOOD.replace("b7ad6b7169203331", &"0".repeat(16))), None);
    }

    #[test]
    fn upper_case_is_refused_everywhere() {
        for (at, from) in GOOD.char_indices().filter(|(_, from)| from.is_ascii_lowercase()) {
            let mut value = GOOD.to_owned();
            value.replace_range(at..=at, &from.to_ascii_uppercase().to_string());
            assert_eq!(parse(&value), None, "{value}");
        }
        assert_eq!(parse(&GOOD.replacen("00", "CC", 1)), None);
    }

    #[test]
    fn fields_of_a_wrong_length_or_with_other_characters_are_refused() {
        for value in [
            "",
            "-",
            "---",
            "0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "000-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            ".0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319cc-b7ad6b7169203331-01",
            "00-.af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b71692033311-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333.-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-001",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-.0",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\u{e9}",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
        ] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
