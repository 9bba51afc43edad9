use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::call::Call;

pin_project_lite::pin_project! {
    /// The body of a response. Its request ends with its last byte.
    pub struct ResponseBody<B> {
        // Nothing where a handler has panicked.
        #[pin]
        inner: Option<B>,
        call: Option<Call>,
        // How many bytes are still to come, where `content-length` says it: whoever sends the response then asks no further.
        left: Option<u64>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn unobserved(inner: B) -> Self {
        ResponseBody { inner: Some(inner), call: None, left: None }
    }

    pub(crate) fn empty() -> Self {
        ResponseBody { inner: None, call: None, left: None }
    }

    pub(crate) fn observed(inner: B, call: Call, length: Option<u64>) -> Self {
        ResponseBody { inner: Some(inner), call: Some(call), left: length }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let Some(mut inner) = this.inner.as_pin_mut() else { return Poll::Ready(None) };
        let Some(call) = this.call else { return inner.poll_frame(cx) };
        let frame = ready!(call.in_scope(|| inner.as_mut().poll_frame(cx)));
        let done = match &frame {
            None => true,
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    call.sent(data.len());
                    if let Some(left) = this.left.as_mut() {
                        *left = left.saturating_sub(data.len() as u64);
                    }
                }
                inner.is_end_stream() || *this.left == Some(0)
            }
            Some(Err(error)) => {
                if let Some(call) = this.call.take() {
                    call.fail(error.to_string());
                }
                false
            }
        };
        if done && let Some(call) = this.call.take() {
            call.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), B::size_hint)
    }
}
