//! Calls with `reqwest` (feature `reqwest`).

use std::pin::Pin;

use http::Uri;
use obs_runtime::operation::Operation;
use reqwest::{Error, RequestBuilder, Response};

use crate::client::{begin, respond};

/// Sends requests of `reqwest` as client spans.
pub trait SendObserved {
    /// [`RequestBuilder::send`], as [`client_layer`](crate::client_layer) does it: inside of a client span, whose context the request bears.
    ///
    /// ```no_run
    /// use obs_http::reqwest::SendObserved as _;
    ///
    /// # async fn call(client: reqwest::Client) -> Result<(), reqwest::Error> {
    /// let response = client.get("http://localhost:8080/v1/agents").send_observed().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Those of [`RequestBuilder::send`].
    fn send_observed(self) -> impl Future<Output = Result<Response, Error>> + Send;
}

impl SendObserved for RequestBuilder {
    async fn send_observed(self) -> Result<Response, Error> {
        let (client, request) = self.build_split();
        let mut request = request?;
        let method = request.method().clone();
        let uri = request.url().as_str().parse().unwrap_or_else(|_| Uri::default());
        let mut operation = begin(&method, &uri, request.headers_mut());
        let sent = In { future: Some(client.execute(request)), operation: &mut operation }.await;
        match &sent {
            Ok(response) => respond(&mut operation, response.status()),
            Err(error) => operation.fail(cause(error), "_OTHER"),
        }
        sent
    }
}

/// Where it began: the error's own text has the URL, whose query may bear secrets.
fn cause(error: &Error) -> String {
    use std::error::Error as _;

    let Some(mut cause) = error.source() else { return "the request failed".to_owned() };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

pin_project_lite::pin_project! {
    struct In<'a, F> {
        #[pin]
        future: Option<F>,
        operation: &'a mut Operation,
    }

    impl<F> PinnedDrop for In<'_, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.operation.in_scope(|| this.future.set(None));
        }
    }
}

impl<F: Future> Future for In<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<F::Output> {
        let mut this = self.project();
        this.operation.in_scope(|| match this.future.as_mut().as_pin_mut() {
            Some(future) => future.poll(cx),
            None => std::task::Poll::Pending,
        })
    }
}
