//! Which traces are exported. It never decides whether a span has ids and fields: its log lines need them either way.

use std::collections::BTreeMap;

use crate::TraceId;

/// Bit 0 of the W3C trace flags.
pub(crate) const SAMPLED: u8 = 1;
/// Bit 1: the trace id is random in its lower 56 bits.
pub(crate) const RANDOM: u8 = 2;

/// Head sampling: the parent's decision where there is a parent, else a ratio by trace id.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    threshold: u64,
    operations: BTreeMap<String, u64>,
}

const IDS: u64 = 1 << 56;

impl Sampler {
    /// `rate` is the share of traces that are exported, 0.0 to 1.0; `operations` overrides it for roots of that name.
    pub(crate) fn new(rate: f64, operations: &BTreeMap<String, f64>) -> Self {
        Sampler {
            threshold: threshold(rate),
            operations: operations.iter().map(|(name, rate)| (name.clone(), threshold(*rate))).collect(),
        }
    }

    /// The flags of a new trace that begins with a span of this name.
    pub(crate) fn root(&self, trace: TraceId, name: &str) -> u8 {
        let threshold = self.operations.get(name).copied().unwrap_or(self.threshold);
        // By the consistent probability sampling of OpenTelemetry: the trace's randomness is not below the threshold.
        let randomness = (trace.to_u128() as u64) & (IDS - 1);
        RANDOM | if randomness >= threshold { SAMPLED } else { 0 }
    }
}

fn threshold(rate: f64) -> u64 {
    // A float to an integer saturates, and NaN is 0: whatever the rate, this is between all and nothing.
    ((1.0 - rate.clamp(0.0, 1.0)) * IDS as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_sampled_traces_is_the_rate() {
        let sampled = |rate: f64| {
            let sampler = Sampler::new(rate, &BTreeMap::new());
            (0..20_000).filter(|_| sampler.root(TraceId::random(), "x") & SAMPLED == 1).count()
        };
        assert_eq!(sampled(0.0), 0);
        assert_eq!(sampled(1.0), 20_000);
        assert!(sampled(0.25).abs_diff(5_000) < 400);
    }

    #[test]
    fn an_operation_has_its_own_rate() {
        let sampler = Sampler::new(0.0, &BTreeMap::from([("login".to_owned(), 1.0)]));
        assert_eq!(sampler.root(TraceId::random(), "login") & SAMPLED, 1);
        assert_eq!(sampler.root(TraceId::random(), "other") & SAMPLED, 0);
    }
}
