use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};

use crate::engine::context::{Entered, Spot};
use crate::propagation::{self, Correlation};
use crate::{RequestId, names};

/// Gives a request its id: that of its header `x-request-id`, if there is one and it is sound, else a UUID of version 4. The id is in the
/// request's extensions (as [`RequestId`]) and in its header, on every log line below, in what goes out to other services, and on the response.
///
/// ```
/// use axum::{Extension, Router, middleware, routing::get};
/// use obs_runtime::{RequestId, request_id_middleware};
///
/// let app: Router = Router::new()
///     .route("/", get(|Extension(id): Extension<RequestId>| async move { id.to_string() }))
///     .layer(middleware::from_fn(request_id_middleware));
/// ```
///
/// Under the layer of `obs-http`, which does all this and more, the id is the layer's.
pub async fn request_id_middleware(mut request: Request, next: Next) -> Response {
    let id = match Correlation::current().request_id {
        Some(id) => id,
        None => propagation::extract(&request).with_request_id().request_id.unwrap_or_else(RequestId::generate),
    };
    bear(&id, request.headers_mut());
    request.extensions_mut().insert(id.clone());
    let place = Spot::with_request_id(id.clone());
    let mut response = InPlace { future: Some(next.run(request)), place }.await;
    bear(&id, response.headers_mut());
    response
}

fn bear(id: &RequestId, headers: &mut HeaderMap) {
    // An id is visible ASCII, so it is a value; a map of 32,768 headers has no room for it.
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        let _ = headers.try_insert(names::X_REQUEST_ID, value);
    }
}

pin_project_lite::pin_project! {
    /// A future that is polled, and dropped, in a place.
    struct InPlace<F> {
        #[pin]
        future: Option<F>,
        place: Spot,
    }

    impl<F> PinnedDrop for InPlace<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _entered: Entered = this.place.enter();
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for InPlace<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered: Entered = this.place.enter();
        match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}
