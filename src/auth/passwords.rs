//! Passwords: argon2id, on threads of their own that yield to all others, so that a morning of logins, or a flood of them,
//! cannot starve the sockets.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Result};
use crate::limits::fair_queue::{FairQueue, Turn};
use crate::limits::priority::{Priority, yield_to_others};
use crate::rule;
use crate::threads;

/// The shortest password, in characters.
pub const MIN_CHARS: usize = 10;
/// The longest, in bytes: hashing reads all of it.
pub const MAX_BYTES: usize = 256;
/// How long a thread that has nothing to do keeps its memory.
const KEEP_MEMORY_TIME: Duration = Duration::from_secs(5);

/// The hash of no one's password, made with the parameters below: an unknown user costs what a known one does.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2Nob29sYmVsbC1ub2JvZHk$MfUyq2nTTPdxsPFUYOUfJO1Ss8YlSWKzoMgmYJZg8aI";

/// Hashes and verifies.
pub struct Passwords {
    queue: Arc<Queue>,
}

/// What threads and those who bring jobs share.
struct Queue {
    waiting: Mutex<FairQueue<Job>>,
    brought: Condvar,
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// What argon2 works in, a thread's own, from one login to the next: to get five thousand pages from the system and give
/// them back takes a sixth of a login, and everything else that needs memory waits meanwhile.
type Memory = Vec<Block>;

/// OWASP's first choice for argon2id: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

impl Passwords {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let queue = Arc::new(Queue {
            waiting: Mutex::default(),
            brought: Condvar::new(),
        });
        // One for each core: all other work comes first. Guesses from one address get one of them.
        for n in 0..cores {
            let queue = Arc::downgrade(&queue);
            if let Err(error) = threads::essential("passwords", move || work(&queue, n == 0)) {
                tracing::error!(%error, "cannot start the password thread");
            }
        }
        Passwords { queue }
    }

    /// The PHC string of a password that [`check`] has passed. Passwords are taken in NFC (RFC 8265 section 4.2.2).
    ///
    /// # Errors
    /// [`Error::Unavailable`] where too many wait.
    pub async fn hash(&self, password: String, turn: Turn) -> Result<String> {
        self.queue(turn, move |_| {
            let composed: String = password.nfc().collect();
            argon2()
                .hash_password(composed.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|e| Error::Internal(format!("password hash: {e}")))
        })
        .await?
    }

    /// Whether the password is the one of `hash`: in NFC or, of an older one, as it was typed. Without a hash it takes as long, and
    /// the answer is no.
    ///
    /// # Errors
    /// As [`Passwords::hash`].
    pub async fn verify(&self, password: String, hash: Option<String>, turn: Turn) -> Result<bool> {
        // A password over the limit cannot be anybody's; a short one is hashed in its place, and nothing so long waits.
        let password = if password.len() <= MAX_BYTES {
            password
        } else {
            String::new()
        };
        self.queue(turn, move |memory| {
            let known = hash.is_some();
            let text = hash.as_deref().unwrap_or(NOBODY);
            let composed: String = password.nfc().collect();
            let mut is =
                |password: &str| matches(memory, password.as_bytes(), text).unwrap_or(false);
            let matches = is(&composed) || composed != password && is(&password);
            known && matches
        })
        .await
    }

    async fn queue<T: Send + 'static>(
        &self,
        turn: Turn,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = move |memory: &mut Memory| {
            // The caller has gone: a client that has hung up costs nothing.
            if !reply.is_closed() {
                let _ = reply.send(work(memory));
            }
        };
        let full = || Error::unavailable("Too many logins at once.");
        let dropped = self
            .queue
            .lock()
            .push(turn, Box::new(job))
            .map_err(|_| full())?;
        // All threads: not each of them takes every job.
        self.queue.brought.notify_all();
        // The job that had to make room is refused.
        drop(dropped);
        answer.await.map_err(|_| full())
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, FairQueue<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does jobs until no more can come.
fn work(queue: &Weak<Queue>, suspects: bool) {
    yield_to_others(Priority::Low);
    let mut memory = Memory::new();
    while let Some(queue) = queue.upgrade() {
        let mut waiting = queue.lock();
        let mut next = waiting.pop(suspects);
        if next.is_none() {
            let waited = queue.brought.wait_timeout(waiting, KEEP_MEMORY_TIME);
            let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
            next = waiting.pop(suspects);
        } else {
            drop(waiting);
        }
        match next {
            Some(job) => {
                let job = std::panic::AssertUnwindSafe(|| job(&mut memory));
                // The next one must not suffer.
                let _ = std::panic::catch_unwind(job);
            }
            None => memory = Memory::new(),
        }
    }
}

/// Whether the password is the one of this PHC string, in a time that does not depend on where they differ.
fn matches(
    memory: &mut Memory,
    password: &[u8],
    hash: &str,
) -> argon2::password_hash::Result<bool> {
    let parsed = PasswordHash::new(hash)?;
    let (Some(salt), Some(expected)) = (&parsed.salt, &parsed.hash) else {
        return Ok(false);
    };
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str())?;
    let version = parsed.version.map(Version::try_from).transpose()?;
    let params = Params::try_from(&parsed)?;
    memory.resize(params.block_count(), Block::new());
    let mut computed = vec![0; expected.len()];
    Argon2::new(algorithm, version.unwrap_or_default(), params).hash_password_into_with_memory(
        password,
        salt,
        &mut computed,
        memory,
    )?;
    Ok(Output::new(&computed)? == *expected)
}

/// Checks length and strength; `context` is what a guesser knows of the person.
///
/// # Errors
/// [`Error::Invalid`] that names `field`.
pub fn check(field: &str, password: &str, context: &[&str]) -> Result<()> {
    if password.chars().count() < MIN_CHARS {
        return Err(Error::invalid(field, rule::too_short(MIN_CHARS)));
    }
    if password.len() > MAX_BYTES {
        return Err(Error::invalid(field, rule::too_many_bytes(MAX_BYTES)));
    }
    // zxcvbn estimates guesses: below a million a list of common passwords or the person's own name finds it.
    if zxcvbn::zxcvbn(password, context).score() < zxcvbn::Score::Two {
        return Err(Error::invalid(field, rule::too_easy_to_guess()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_common_passwords_are_refused() {
        for bad in [
            "",
            "short",
            "password123",
            "1234567890",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "ada.lovelace1",
            &"x".repeat(MAX_BYTES + 1),
        ] {
            assert!(
                check("password", bad, &["ada.lovelace", "Ada Lovelace"]).is_err(),
                "{bad}"
            );
        }
        assert!(check("password", "blue heron on a kettle", &[]).is_ok());
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_and_no_other() {
        let passwords = Passwords::new();
        let hash = passwords
            .hash("blue heron".into(), Turn::proven())
            .await
            .unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let verify = |p: &str, h: Option<&str>| {
            passwords.verify(p.into(), h.map(str::to_owned), Turn::proven())
        };
        assert!(verify("blue heron", Some(&hash)).await.unwrap());
        assert!(!verify("blue herons", Some(&hash)).await.unwrap());
        assert!(!verify("blue heron", None).await.unwrap());
        assert!(!verify("blue heron", Some("no PHC string")).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_is_one_however_its_letters_are_composed() {
        let passwords = Passwords::new();
        let (composed, decomposed) = ("größer als José", "gro\u{308}ßer als Jose\u{301}");
        let hash = passwords
            .hash(decomposed.into(), Turn::proven())
            .await
            .unwrap();
        // What was hashed as it was typed, by a version from before.
        let older = argon2()
            .hash_password(decomposed.as_bytes())
            .unwrap()
            .to_string();
        for (typed, hash, right) in [
            (composed, &hash, true),
            (decomposed, &hash, true),
            (decomposed, &older, true),
            ("größer als Jose", &hash, false),
        ] {
            let verified = passwords.verify(typed.into(), Some(hash.clone()), Turn::proven());
            assert_eq!(verified.await.unwrap(), right, "{typed:?}");
        }
    }

    #[test]
    fn memory_that_was_used_gives_what_fresh_memory_gives() {
        let mut memory = Memory::new();
        let others = Params::new(64, 1, 1, None).unwrap();
        let small = Argon2::new(Algorithm::Argon2i, Version::V0x10, others);
        let hashes = [
            argon2().hash_password(b"blue heron").unwrap(),
            small.hash_password(b"blue heron").unwrap(),
            argon2().hash_password(b"blue heron").unwrap(),
        ];
        for hash in hashes.map(|hash| hash.to_string()) {
            assert!(
                matches(&mut memory, b"blue heron", &hash).unwrap(),
                "{hash}"
            );
            assert!(
                !matches(&mut memory, b"blue herons", &hash).unwrap(),
                "{hash}"
            );
        }
    }

    #[test]
    fn the_hash_of_no_password_costs_what_a_real_one_does() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let real = argon2().hash_password(b"x").unwrap();
        assert_eq!(parsed.params, real.params);
        assert_eq!(parsed.algorithm, real.algorithm);
    }
}
