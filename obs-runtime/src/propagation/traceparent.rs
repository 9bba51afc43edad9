//! The header `traceparent`, by W3C Trace Context level 2, section 3.2.

use crate::ids;
use crate::propagation::{TraceContext, trim_ows};
use crate::{SpanId, TraceId};

/// Version, trace id, parent id and flags with their three dashes: `00-<32>-<16>-00`.
const LENGTH: usize = 55;

/// The flags that level 2 knows: bit 0 sampled, bit 1 random. The others are not ours to hand on.
const KNOWN_FLAGS: u8 = 0b11;

/// The position that `value` names, without `tracestate`; nothing where the specification says to begin anew.
pub(super) fn parse(value: &[u8]) -> Option<TraceContext> {
    let value = trim_ows(value);
    let (head, rest) = value.split_first_chunk::<LENGTH>()?;
    if (head[2], head[35], head[52]) != (b'-', b'-', b'-') {
        return None;
    }
    let version = hex(&head[..2])?;
    if version == 0xff || (version == 0 && !rest.is_empty()) {
        return None;
    }
    // A version from the future is read by its first four fields, if the fourth ends there.
    if !matches!(rest, [] | [b'-', ..]) {
        return None;
    }
    let trace_id = u128::from(hex(&head[3..19])?) << 64 | u128::from(hex(&head[19..35])?);
    Some(TraceContext {
        trace_id: TraceId::from_u128(trace_id)?,
        span_id: SpanId::from_u64(hex(&head[36..52])?)?,
        flags: hex(&head[53..])? as u8 & KNOWN_FLAGS,
        state: None,
    })
}

/// The header for `trace`, in version 00.
pub(super) fn render(trace: &TraceContext) -> Rendered {
    let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
    let trace_id = trace.trace_id.to_u128();
    text[3..19].copy_from_slice(&ids::hex((trace_id >> 64) as u64));
    text[19..35].copy_from_slice(&ids::hex(trace_id as u64));
    text[36..52].copy_from_slice(&ids::hex(trace.span_id.to_u64()));
    text[54] |= trace.flags & KNOWN_FLAGS;
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

/// The number that up to 16 lower-case hexadecimal digits spell; nothing if there is any other character.
#[inline(always)]
fn hex(digits: &[u8]) -> Option<u64> {
    let (mut number, mut other) = (0, 0);
    for digit in digits {
        let value = VALUES[usize::from(*digit)];
        other |= value;
        number = number << 4 | u64::from(value & 0xf);
    }
    (other <= 0xf).then_some(number)
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
