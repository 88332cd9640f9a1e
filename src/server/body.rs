//! The body of an answer, and what is held until the last of it is sent.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Response;
use hyper::body::{Body, Buf, Frame, SizeHint};

use crate::api::http::served::Held;

/// A body that holds something.
pub struct Holding<B> {
    inner: B,
    held: Option<Held>,
}

/// Bytes that hold it too. A short body is done with as soon as the connection has taken its bytes over, which says nothing
/// of whether the client takes them.
pub struct Holder<D> {
    inner: D,
    _held: Option<Held>,
}

impl<B> Holding<B> {
    /// What the response's extensions say is held.
    pub fn of(mut response: Response<B>) -> Response<Self> {
        let held = response.extensions_mut().remove();
        response.map(|inner| Holding { inner, held })
    }
}

impl<B: Body + Unpin> Body for Holding<B> {
    type Data = Holder<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, B::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        let holder = |inner| Holder {
            inner,
            _held: self.held.clone(),
        };
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(holder))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<D: Buf> Buf for Holder<D> {
    fn remaining(&self) -> usize {
        self.inner.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.inner.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.inner.chunks_vectored(slices)
    }

    fn advance(&mut self, bytes: usize) {
        self.inner.advance(bytes);
    }
}
