//! Which gateways are alive: those that said so a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::model::{GatewayId, LEASE};

/// When each gateway was heard of last.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<GatewayId, Instant>>);

impl Leases {
    /// The gateway is there.
    pub(super) fn renew(&self, gateway_id: GatewayId, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(gateway_id, now);
    }

    /// The gateways that have been silent for too long. Each is told once.
    pub(super) fn lapsed(&self, now: Instant) -> Vec<GatewayId> {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extract_if(|_, last| now.duration_since(*last) > LEASE).map(|(gateway_id, _)| gateway_id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_alive_for_as_long_as_it_says_so() {
        let (leases, begin) = (Leases::default(), Instant::now());
        let [talks, dies] = [GatewayId::generate(), GatewayId::generate()];
        leases.renew(dies.clone(), begin);
        leases.renew(talks.clone(), begin);
        leases.renew(talks.clone(), begin + LEASE);
        assert_eq!(leases.lapsed(begin + LEASE), []);
        assert_eq!(leases.lapsed(begin + LEASE * 3 / 2), [dies]);
        assert_eq!(leases.lapsed(begin + LEASE * 3 / 2), [], "told once");
        assert_eq!(leases.lapsed(begin + LEASE * 3), [talks]);
    }
}
