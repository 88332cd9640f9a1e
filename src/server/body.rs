//! The body of an answer, and what is held until the last of it is sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};

use crate::api::endpoint::Held;

/// A body that holds something.
pub struct Holding<B> {
    inner: B,
    _held: Option<Held>,
}

impl<B> Holding<B> {
    /// What the response's extensions say is held.
    pub fn of(mut response: Response<B>) -> Response<Self> {
        let held = response.extensions_mut().remove();
        response.map(|inner| Holding { inner, _held: held })
    }
}

impl<B: Body + Unpin> Body for Holding<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
