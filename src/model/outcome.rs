//! What came of a request that may come again.

/// A value that a request made, or that the same request had made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome<T> {
    pub value: T,
    /// Whether it was this request that made it.
    pub fresh: bool,
}

impl<T> Outcome<T> {
    pub fn fresh(value: T) -> Self {
        Outcome { value, fresh: true }
    }

    pub fn repeated(value: T) -> Self {
        Outcome {
            value,
            fresh: false,
        }
    }

    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Outcome<U> {
        Outcome {
            value: change(self.value),
            fresh: self.fresh,
        }
    }
}
