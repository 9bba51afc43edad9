use std::borrow::{Borrow, BorrowMut};

use obs_runtime::propagation::{Carrier, CarrierMut};
use tonic::metadata::{MetadataMap, MetadataValue};

/// The metadata of gRPC as a carrier, by value or behind a reference (feature `tonic`).
///
/// ```
/// use obs_http::Metadata;
/// use obs_runtime::{correlated, observed};
/// use tonic::metadata::MetadataMap;
///
/// #[correlated(outbound)]
/// #[observed]
/// fn send(metadata: Metadata<&mut MetadataMap>) {}
///
/// let mut request = tonic::Request::new(());
/// send(Metadata(request.metadata_mut()));
/// let arrived = obs_runtime::propagation::extract(&Metadata(request.metadata()));
/// ```
#[derive(Clone, Debug)]
pub struct Metadata<M>(pub M);

/// A map of headers panics when it is full.
const MOST: usize = 24_000;

impl<M: Borrow<MetadataMap>> Carrier for Metadata<M> {
    fn values<'c>(&'c self, key: &'c str) -> impl Iterator<Item = &'c [u8]> {
        self.0.borrow().get_all(key).into_iter().map(MetadataValue::as_encoded_bytes)
    }
}

impl<M: BorrowMut<MetadataMap>> CarrierMut for Metadata<M> {
    fn set(&mut self, key: &'static str, value: &str) {
        let map = self.0.borrow_mut();
        if map.len() < MOST
            && let Ok(value) = MetadataValue::try_from(value)
        {
            map.insert(key, value);
        }
    }

    fn remove(&mut self, key: &'static str) {
        self.0.borrow_mut().remove(key);
    }
}
