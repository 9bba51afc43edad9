//! A sum of numbers that keeps what rounding takes away.

/// The sum is `high + low`: `low` is what did not fit into `high`, after Neumaier.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    pub(crate) high: f64,
    pub(crate) low: f64,
}

impl Sum {
    #[inline]
    pub(crate) const fn of(high: f64, low: f64) -> Self {
        Sum { high, low }
    }

    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.high + value;
        if sum.is_finite() {
            // What `sum` lacks, exactly (Knuth's two-sum, which asks for no order of the two).
            let of_value = sum - self.high;
            self.low += (self.high - (sum - of_value)) + (value - of_value);
        }
        self.high = sum;
    }

    #[inline]
    pub(crate) fn value(self) -> f64 {
        if self.high.is_finite() { self.high + self.low } else { self.high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_tenths_are_a_million() {
        let mut sum = Sum::default();
        (0..10_000_000).for_each(|_| sum.add(0.1));
        assert_eq!(sum.value(), 1_000_000.0);
    }

    #[test]
    fn small_beside_large_is_kept() {
        let mut sum = Sum::default();
        sum.add(1e16);
        (0..1_000).for_each(|_| sum.add(1.0));
        sum.add(-1e16);
        assert_eq!(sum.value(), 1_000.0);
    }

    #[test]
    fn an_infinity_stays() {
        let mut sum = Sum::default();
        [1.0, f64::INFINITY, 2.0].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.value(), f64::INFINITY);
    }
}
