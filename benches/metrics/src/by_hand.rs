//! What it takes at least to find a counter by three texts: a table of the thread's own for these labels alone, which nobody
//! reads and nothing leaves.

use std::array;
use std::cell::RefCell;

use crate::{Case, peers};

struct Row {
    hash: u64,
    labels: [&'static str; 3],
    count: u64,
}

const SLOTS: usize = 512;

thread_local! {
    static TABLE: RefCell<[Option<Row>; SLOTS]> = RefCell::new(array::from_fn(|_| None));
}

pub fn case() -> Case {
    Case::new(peers::COUNTER, "by hand, for these labels alone", |pick| count(peers::texts(pick)))
}

fn count(labels: [&'static str; 3]) {
    let hash = labels.iter().fold(1, |hash, text| mix(hash, text.as_bytes()));
    TABLE.with_borrow_mut(|table| {
        let mut at = (hash >> 55) as usize;
        loop {
            let row = table[at % SLOTS].get_or_insert(Row { hash, labels, count: 0 });
            if row.hash == hash && row.labels == labels {
                row.count += 1;
                return;
            }
            at += 1;
        }
    });
}

/// Goes on with the first eight bytes of a text, its last eight and its length.
fn mix(hash: u64, text: &[u8]) -> u64 {
    let (first, last) = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
    };
    let hash = (hash ^ first).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    (hash ^ last ^ text.len() as u64).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
