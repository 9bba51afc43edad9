use http::Request;
use obs_runtime::RequestId;
use obs_runtime::propagation::{self, Correlation, Trust};

/// What a request says of its caller, as far as that is believed. Its ids, and the request id that it gets where none came, are in its
/// extensions from here on.
pub(crate) fn arrived<B>(request: &mut Request<B>, trust: Trust) -> (Correlation, RequestId) {
    let correlation = propagation::extract(&*request).trusted(trust).with_request_id();
    let request_id = correlation.request_id.clone().unwrap_or_else(RequestId::generate);
    let extensions = request.extensions_mut();
    extensions.insert(request_id.clone());
    if let Some(session_id) = &correlation.session_id {
        extensions.insert(session_id.clone());
    }
    if let Some(message_id) = &correlation.message_id {
        extensions.insert(message_id.clone());
    }
    (correlation, request_id)
}
