//! What must hold of everything that comes from outside; for the fuzz targets and the replay of their corpus. No interface of this crate.

use crate::collect::assemble;
use crate::model::AgentId;
use crate::serve::{Bound, TokenKey, params};
use crate::store::Cursor;

/// Reads files of a container runtime: where the reads end changes nothing, and no line is longer than what is kept.
///
/// # Panics
///
/// It is not so.
pub fn cri(data: &[u8]) {
    const MAX: usize = 64;
    let read = |piece: usize| {
        let (mut assembler, mut lines, mut kept) = (assemble::Assembler::default(), Vec::new(), Vec::new());
        let mut emit = |line: assemble::Whole<'_>| {
            assert!(line.content.len() <= MAX);
            let content = crate::collect::content::Content::read(line.content, line.cut);
            lines.push((line.timestamp, line.stream, line.cut, content.message.into_owned(), content.fields));
        };
        for piece in data.chunks(piece) {
            kept.extend_from_slice(piece);
            let consumed = assembler.feed(&kept, MAX, &mut emit);
            kept.drain(..consumed);
        }
        assembler.finish(&mut emit);
        lines
    };
    let whole = read(data.len().max(1));
    assert_eq!(read(1 + data.len() / 3), whole);
    for (.., fields) in whole {
        assert!(fields.is_empty() || serde_json::from_str::<serde_json::Value>(&fields).is_ok(), "{fields}");
    }
}

/// Opens a token: what this service did not make is none.
///
/// # Panics
///
/// It is not so.
pub fn token(data: &[u8]) {
    let (key, text) = (TokenKey::from_bytes([7; 32]), String::from_utf8_lossy(data));
    let agent = AgentId::parse("a").expect("an id");
    let bound = Bound::to(&agent, &params::parse("", params::Endpoint::Logs).expect("an empty query"));
    if let Some(cursor) = key.open(&bound, &text) {
        assert_eq!(key.seal(&bound, cursor), text, "one text for one place");
        assert_eq!(cursor, Cursor { at: 123, tie: 7 }, "the only one that was ever sealed with this key");
    }
}

/// Reads a query: it is either understood as a whole or every mistake has a name of bounded length.
///
/// # Panics
///
/// It is not so.
pub fn query(data: &[u8]) {
    let query = String::from_utf8_lossy(data);
    for endpoint in [params::Endpoint::Logs, params::Endpoint::Download] {
        match params::parse(&query, endpoint) {
            Ok(params) => {
                assert!(params.tail <= params::MOST);
                let shuffled: Vec<_> = query.split('&').rev().collect();
                assert_eq!(params::parse(&shuffled.join("&"), endpoint), Ok(params), "in any order");
            }
            Err(mistakes) => {
                assert!(!mistakes.is_empty());
                assert!(mistakes.iter().all(|mistake| mistake.parameter.chars().count() <= 64));
            }
        }
    }
}
