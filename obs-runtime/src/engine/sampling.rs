//! Which traces are exported. It never decides whether a span has ids and fields: its log lines need them either way.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::propagation::{Correlation, TraceContext, tracestate};
use crate::{SpanId, TraceId};

/// Bit 0 of the W3C trace flags.
pub(crate) const SAMPLED: u8 = 1;
/// Bit 1: the trace id is random in its lower 56 bits.
pub(crate) const RANDOM: u8 = 2;

/// Head sampling: the parent's decision where there is a parent, else a ratio by trace id.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    all: Rate,
    operations: BTreeMap<String, Rate>,
}

/// A share of all traces, by the consistent probability sampling of OpenTelemetry.
#[derive(Clone, Debug)]
struct Rate {
    /// A trace is sampled if its randomness is not below this.
    threshold: u64,
    /// What its spans hand on, if it is sampled: the rate, in `tracestate`. `None` where every trace is sampled. Only the
    /// state is of interest: the ids are those of nobody.
    said: Option<Arc<Correlation>>,
}

const IDS: u64 = 1 << 56;

impl Sampler {
    /// `rate` is the share of traces that are exported, 0.0 to 1.0; `operations` overrides it for roots of that name.
    pub(crate) fn new(rate: f64, operations: &BTreeMap<String, f64>) -> Self {
        Sampler {
            all: Rate::new(rate),
            operations: operations.iter().map(|(name, rate)| (name.clone(), Rate::new(*rate))).collect(),
        }
    }

    /// The flags of a new trace that begins with a span of this name, and what its spans hand on besides.
    #[inline]
    pub(crate) fn root(&self, trace: TraceId, name: &str) -> (u8, Option<&Arc<Correlation>>) {
        let rate = match self.operations.is_empty() {
            true => &self.all,
            false => self.operations.get(name).unwrap_or(&self.all),
        };
        let randomness = (trace.to_u128() as u64) & (IDS - 1);
        match randomness >= rate.threshold {
            true => (RANDOM | SAMPLED, rate.said.as_ref()),
            false => (RANDOM, None),
        }
    }
}

impl Rate {
    fn new(rate: f64) -> Self {
        let threshold = threshold(rate);
        let said = || {
            let state = Some(tracestate::with_threshold("", threshold).into());
            let trace = TraceContext { trace_id: TraceId::random(), span_id: SpanId::random(), flags: SAMPLED, state };
            Arc::new(Correlation { trace: Some(trace), ..Correlation::default() })
        };
        Rate { threshold, said: (threshold > 0).then(said) }
    }
}

/// The share of the randomness, of 56 bits, that is not sampled. Four hexadecimal digits behind its leading `f`s, as the
/// specification proposes, are precise enough: so it stays short in `tracestate`.
fn threshold(rate: f64) -> u64 {
    const PRECISION: u32 = 4;
    // A float to an integer saturates, and NaN is 0: whatever the rate, this is between all and nothing.
    let exact = ((1.0 - rate.clamp(0.0, 1.0)) * IDS as f64) as u64;
    let leading = (!(exact << 8)).leading_zeros() / 4;
    let rounded = 56_u32.saturating_sub(4 * (leading + PRECISION));
    let half = (1_u64 << rounded) / 2;
    ((exact + half) >> rounded << rounded).min(IDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampled(sampler: &Sampler, trace: TraceId) -> bool {
        sampler.root(trace, "x").0 & SAMPLED == SAMPLED
    }

    fn said(rate: f64) -> Option<String> {
        let sampler = Sampler::new(rate, &BTreeMap::new());
        // The most random of all traces.
        let (flags, said) = sampler.root(TraceId::from_u128(u128::MAX).expect("not zero"), "x");
        assert_eq!(flags & SAMPLED, u8::from(rate > 0.0));
        said.map(|said| said.trace.as_ref().and_then(|trace| trace.state.as_deref()).expect("a rate").to_owned())
    }

    #[test]
    fn the_share_of_sampled_traces_is_the_rate() {
        let sampled = |rate: f64| {
            let sampler = Sampler::new(rate, &BTreeMap::new());
            (0..20_000).filter(|_| sampled(&sampler, TraceId::random())).count()
        };
        assert_eq!(sampled(0.0), 0);
        assert_eq!(sampled(1.0), 20_000);
        assert!(sampled(0.25).abs_diff(5_000) < 400);
    }

    #[test]
    fn an_operation_has_its_own_rate() {
        let sampler = Sampler::new(0.0, &BTreeMap::from([("login".to_owned(), 1.0)]));
        assert_eq!(sampler.root(TraceId::random(), "login").0 & SAMPLED, 1);
        assert_eq!(sampler.root(TraceId::random(), "other").0 & SAMPLED, 0);
    }

    #[test]
    fn what_a_lower_rate_samples_a_higher_one_samples_too() {
        let samplers: Vec<_> = [0.001, 0.1, 0.5, 0.9].map(|rate| Sampler::new(rate, &BTreeMap::new())).into();
        for _ in 0..5_000 {
            let trace = TraceId::random();
            let decisions: Vec<bool> = samplers.iter().map(|sampler| sampled(sampler, trace)).collect();
            assert!(decisions.is_sorted(), "{trace}: {decisions:?}");
        }
    }

    #[test]
    fn the_decision_is_the_one_of_the_specification_for_the_last_seven_bytes_of_the_id() {
        let quarter = Sampler::new(0.25, &BTreeMap::new());
        let id = |low: u64| TraceId::from_u128(0xabcd << 64 | u128::from(low)).expect("not zero");
        assert!(sampled(&quarter, id(0x00c0_0000_0000_0000)));
        assert!(!sampled(&quarter, id(0xffbf_ffff_ffff_ffff)), "the byte above is not part of the randomness");
    }

    #[test]
    fn the_rate_is_handed_on_as_a_threshold_of_few_digits() {
        // By the table of the OpenTelemetry specification.
        assert_eq!(said(1.0), None);
        assert_eq!(said(0.0), None);
        assert_eq!(said(0.5).as_deref(), Some("ot=th:8"));
        assert_eq!(said(0.25).as_deref(), Some("ot=th:c"));
        assert_eq!(said(0.1).as_deref(), Some("ot=th:e666"));
        assert_eq!(said(0.01).as_deref(), Some("ot=th:fd70a"));
        assert_eq!(said(1.0 / 3.0).as_deref(), Some("ot=th:aaab"));
        assert_eq!(said(0.000_01).as_deref(), Some("ot=th:ffff583a"));
    }

    #[test]
    fn whatever_the_number_the_threshold_is_between_all_and_nothing() {
        for rate in [f64::NAN, -1.0, 2.0, 1e-300, f64::EPSILON, f64::INFINITY] {
            assert!(threshold(rate) <= IDS, "{rate}");
        }
        assert_eq!(threshold(f64::NAN), 0);
    }
}
