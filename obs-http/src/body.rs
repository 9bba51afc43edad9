use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::call::Call;

pin_project_lite::pin_project! {
    /// The body of a response. Its request ends with its last byte.
    pub struct ResponseBody<B> {
        #[pin]
        inner: B,
        call: Option<Call>,
        // How many bytes are still to come, where `content-length` says it: whoever sends the response then asks no further.
        left: Option<u64>,
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn unobserved(inner: B) -> Self {
        ResponseBody { inner, call: None, left: None }
    }

    pub(crate) fn observed(inner: B, call: Call, length: Option<u64>) -> Self {
        ResponseBody { inner, call: Some(call), left: length }
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
        let mut this = self.project();
        let Some(call) = this.call else { return this.inner.poll_frame(cx) };
        let frame = ready!(call.in_scope(|| this.inner.as_mut().poll_frame(cx)));
        let done = match &frame {
            None => true,
            Some(Ok(frame)) => {
                if let (Some(left), Some(data)) = (this.left.as_mut(), frame.data_ref()) {
                    *left = left.saturating_sub(data.len() as u64);
                }
                this.inner.is_end_stream() || *this.left == Some(0)
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
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
