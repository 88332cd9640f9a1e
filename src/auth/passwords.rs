//! Passwords: argon2id, on threads of their own that yield to all others, so that a morning of logins, or a flood of them,
//! cannot starve the sockets.

use std::sync::mpsc::{self, RecvTimeoutError, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, PasswordHash};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::limits::priority::yield_to_others;
use crate::threads;

/// The shortest password, in characters.
pub const MIN: usize = 10;
/// The longest, in bytes: hashing reads all of it.
pub const MAX: usize = 256;
/// Logins that may wait for their turn; one more is told to come back.
const WAITING: usize = 512;
/// How long a thread that has nothing to do keeps its memory.
const KEEP: Duration = Duration::from_secs(5);

/// The hash of a password that nobody has, made with the parameters below: an unknown user costs what a known one does.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2Nob29sYmVsbC1ub2JvZHk$MfUyq2nTTPdxsPFUYOUfJO1Ss8YlSWKzoMgmYJZg8aI";

/// Hashes and verifies.
pub struct Passwords {
    jobs: mpsc::SyncSender<Job>,
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// What argon2 works in, a thread's own, from one login to the next: to get five thousand pages from the system and give
/// them back takes a sixth of a login, and whoever else needs memory waits meanwhile.
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
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        let (jobs, waiting) = mpsc::sync_channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        // All of them: whatever else there is to do comes first.
        for _ in 0..cores {
            let waiting = waiting.clone();
            if let Err(error) = threads::essential("passwords", move || work(&waiting)) {
                tracing::error!(%error, "no thread for passwords");
            }
        }
        Passwords { jobs }
    }

    /// The PHC string of a password that [`check`] has passed.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.queue(move |_| {
            argon2()
                .hash_password(password.as_bytes())
                .map(|hash| hash.to_string())
                .map_err(|e| Error::Internal(format!("password hash: {e}")))
        })
        .await?
    }

    /// Whether the password is the one of `hash`. Without a hash it takes as long, and the answer is no.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        self.queue(move |memory| {
            let known = hash.is_some();
            let text = hash.as_deref().unwrap_or(NOBODY);
            // A password over the limit cannot be anybody's; hash a short one in its place.
            let password = if password.len() <= MAX { &password } else { "" };
            let matches = matches(memory, password.as_bytes(), text);
            known && matches.unwrap_or(false)
        })
        .await
    }

    async fn queue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let job = move |memory: &mut Memory| {
            // Nobody waits any more: a client that has hung up costs nothing.
            if !reply.is_closed() {
                let _ = reply.send(work(memory));
            }
        };
        self.jobs
            .try_send(Box::new(job))
            .map_err(|refused| match refused {
                TrySendError::Full(_) => Error::unavailable("Too many logins at once."),
                TrySendError::Disconnected(_) => {
                    Error::Internal("no thread hashes passwords".into())
                }
            })?;
        let lost = |_| Error::Internal("a password's hashing panicked".into());
        answer.await.map_err(lost)
    }
}

/// Does jobs until nobody can bring any more.
fn work(waiting: &Mutex<mpsc::Receiver<Job>>) {
    yield_to_others();
    let mut memory = Memory::new();
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv_timeout(KEEP);
        match next {
            Ok(job) => {
                let job = std::panic::AssertUnwindSafe(|| job(&mut memory));
                // The next one must not suffer.
                let _ = std::panic::catch_unwind(job);
            }
            Err(RecvTimeoutError::Timeout) => memory = Memory::new(),
            Err(RecvTimeoutError::Disconnected) => return,
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
    if password.chars().count() < MIN {
        let why = format!("must be at least {MIN} characters long");
        return Err(Error::invalid(field, why));
    }
    if password.len() > MAX {
        let why = format!("must not be longer than {MAX} bytes");
        return Err(Error::invalid(field, why));
    }
    // zxcvbn estimates guesses: below a million a list of common passwords or the person's own name finds it.
    if zxcvbn::zxcvbn(password, context).score() < zxcvbn::Score::Two {
        return Err(Error::invalid(
            field,
            "is too easy to guess: use a few unrelated words",
        ));
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
            &"x".repeat(MAX + 1),
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
        let hash = passwords.hash("blue heron".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let verify = |p: &str, h: Option<&str>| passwords.verify(p.into(), h.map(str::to_owned));
        assert!(verify("blue heron", Some(&hash)).await.unwrap());
        assert!(!verify("blue herons", Some(&hash)).await.unwrap());
        assert!(!verify("blue heron", None).await.unwrap());
        assert!(!verify("blue heron", Some("no PHC string")).await.unwrap());
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
    fn the_nobody_hash_costs_what_a_real_one_does() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let real = argon2().hash_password(b"x").unwrap();
        assert_eq!(parsed.params, real.params);
        assert_eq!(parsed.algorithm, real.algorithm);
    }
}
