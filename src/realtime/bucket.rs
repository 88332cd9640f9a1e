//! A token bucket over the frames that a socket sends.

use tokio::time::Instant;

use crate::config::Limits;
use crate::model::events::CloseCode;

/// Full at first; a burst is four seconds' worth.
pub struct Bucket {
    left: f32,
    at: Instant,
}

impl Bucket {
    pub fn new(limits: &Limits) -> Self {
        Bucket {
            left: burst(limits),
            at: Instant::now(),
        }
    }

    /// Counts a frame.
    ///
    /// # Errors
    /// [`CloseCode::TooManyFrames`], where limits are on.
    pub fn take(&mut self, limits: &Limits) -> Result<(), CloseCode> {
        let now = Instant::now();
        let passed = now.duration_since(self.at).as_secs_f32();
        let refilled = self.left + passed * limits.frames_per_second.get() as f32;
        *self = Bucket {
            left: refilled.min(burst(limits)) - 1.0,
            at: now,
        };
        if limits.enabled && self.left < 0.0 {
            return Err(CloseCode::TooManyFrames);
        }
        Ok(())
    }
}

fn burst(limits: &Limits) -> f32 {
    limits.frames_per_second.get() as f32 * 4.0
}
