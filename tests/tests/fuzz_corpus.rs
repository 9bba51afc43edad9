//! The fuzz targets of the headers and of obs-logs, on stable: their corpus as it is, and many times changed a little.
//!
//! A long run is `OBS_FUZZ=10000000 cargo test --release -p tests --test fuzz_corpus`.

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "it is a crate of its own for the fuzzer")]
mod targets;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 7] = [
    ("traceparent", targets::traceparent),
    ("tracestate", targets::tracestate),
    ("baggage", targets::baggage),
    ("ids", targets::ids),
    ("cri", obs_logs::fuzzing::cri),
    ("token", obs_logs::fuzzing::token),
    ("query", obs_logs::fuzzing::query),
];

/// How many changed inputs each target is given.
const INPUTS: usize = 5_000;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(folder).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).expect("an input")).collect()
}

#[test]
fn each_input_of_the_corpus_is_judged() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 16, "{name}");
        inputs.iter().for_each(|input| target(input));
    }
}

/// A small generator: the same inputs in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap_or(0)
    }
}

/// What matters to one of the targets.
const BYTES: &[u8] = b"&+:TPF-=,;@% \t\n\0\r\"\\{}09afgzAZ~!\x7f\x80\xff";

fn change(input: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    let at = random.below(input.len() + 1);
    let byte = BYTES[random.below(BYTES.len())];
    match random.below(6) {
        0 => input.insert(at, byte),
        1 if at < input.len() => input[at] = byte,
        2 if at < input.len() => drop(input.remove(at)),
        3 => input.truncate(at),
        4 => {
            let other = &others[random.below(others.len())];
            input.splice(at..at, other.iter().copied());
        }
        _ => {
            let again = input[at..].to_vec();
            input.extend(again);
        }
    }
    input.truncate(70_000);
}

#[test]
fn changed_inputs_are_judged_too() {
    let inputs = std::env::var("OBS_FUZZ").ok().and_then(|count| count.parse().ok()).unwrap_or(INPUTS);
    for (name, target) in TARGETS {
        let corpus = corpus(name);
        let mut random = Random(0x0b5e_12ed_5eed);
        for _ in 0..inputs {
            let mut input = corpus[random.below(corpus.len())].clone();
            for _ in 0..=random.below(4) {
                change(&mut input, &corpus, &mut random);
            }
            target(&input);
        }
    }
}
