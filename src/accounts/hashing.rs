//! argon2id (RFC 9106) off the runtime, a few at a time.

use crate::config;
use crate::domain::Password;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What a hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Parameters {
    /// Those of the configuration, which has checked their limits.
    #[must_use]
    pub fn of(auth: &config::Auth) -> Self {
        let memory_kib = u32::try_from(auth.argon2_memory / 1024).unwrap_or(u32::MAX);
        Self { memory_kib, iterations: auth.argon2_iterations, lanes: auth.argon2_lanes }
    }

    fn hasher(self) -> Result<Argon2<'static>, HashingError> {
        let params = Params::new(self.memory_kib, self.iterations, self.lanes, None)
            .map_err(|error| HashingError::Parameters(error.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }

    /// Whether a stored hash was made with other parameters than these.
    fn differ_from(self, stored: &PasswordHash) -> bool {
        let current = Params::try_from(stored).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost()) == (self.memory_kib, self.iterations, self.lanes)
        });
        !current || stored.algorithm.as_str() != Algorithm::Argon2id.as_str()
    }
}

/// A hash could not be computed. Neither text holds anything secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Not parameters that argon2 takes.
    #[error("argon2 refuses the parameters: {0}")]
    Parameters(String),
    /// What is stored is no PHC string of argon2.
    #[error("the stored password hash can't be read: {0}")]
    Stored(String),
    /// The random source or the thread failed.
    #[error("hashing failed: {0}")]
    Failed(String),
}

/// Whether a password is the stored one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Right {
        /// A hash with today's parameters, when the stored one has others.
        renewed: Option<String>,
    },
    Wrong,
}

/// Computes hashes on the runtime's blocking threads, at most `threads` at a time; each takes the memory that the
/// parameters say. At most `queue` more wait; whoever comes then is told so by `None`.
pub(super) struct Hasher {
    threads: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Hasher {
    pub(super) fn new(threads: usize, queue: usize) -> Self {
        Self { threads: Arc::new(Semaphore::new(threads)), places: Arc::new(Semaphore::new(threads + queue)) }
    }

    /// A PHC string with a fresh salt.
    pub(super) async fn hash(
        &self,
        password: Password,
        parameters: Parameters,
    ) -> Result<Option<String>, HashingError> {
        self.run(move || hash(&password, parameters)).await
    }

    /// Compares, in constant time, and hashes anew if the parameters are not today's.
    pub(super) async fn verify(
        &self,
        password: Password,
        stored: String,
        parameters: Parameters,
    ) -> Result<Option<Verdict>, HashingError> {
        self.run(move || verify(&password, &stored, parameters)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashingError> + Send + 'static,
    ) -> Result<Option<T>, HashingError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Ok(None) };
        let failed = |error: &dyn std::fmt::Display| HashingError::Failed(error.to_string());
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(|error| failed(&error))?;
        // Thread and place go along, so that a caller who gives up does not make room for more than there is.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((thread, place));
            result
        });
        done.await.map_err(|error| failed(&error))?.map(Some)
    }
}

fn hash(password: &Password, parameters: Parameters) -> Result<String, HashingError> {
    let hash = parameters.hasher()?.hash_password(password.expose());
    Ok(hash.map_err(|error| HashingError::Failed(error.to_string()))?.to_string())
}

fn verify(password: &Password, stored: &str, parameters: Parameters) -> Result<Verdict, HashingError> {
    use argon2::password_hash::Error;
    let stored = PasswordHash::new(stored).map_err(|error| HashingError::Stored(error.to_string()))?;
    // The parameters are those of the stored hash, not of this instance.
    match Argon2::default().verify_password(password.expose(), &stored) {
        Ok(()) => {
            let renewed = parameters.differ_from(&stored).then(|| hash(password, parameters)).transpose()?;
            Ok(Verdict::Right { renewed })
        }
        Err(Error::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(error) => Err(HashingError::Stored(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    const LIGHT: Parameters = Parameters { memory_kib: 64, iterations: 1, lanes: 1 };

    fn password(text: &str) -> Password {
        Password::parse(&Secret::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_hash_is_an_argon2id_phc_string_with_its_parameters() {
        let hash = hash(&password("secret of ann"), LIGHT).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(hash, super::hash(&password("secret of ann"), LIGHT).unwrap(), "salts differ");
    }

    #[test]
    fn the_right_password_is_right_and_another_is_wrong() {
        let stored = hash(&password("secret of ann"), LIGHT).unwrap();
        assert_eq!(verify(&password("secret of ann"), &stored, LIGHT), Ok(Verdict::Right { renewed: None }));
        assert_eq!(verify(&password("Secret of ann"), &stored, LIGHT), Ok(Verdict::Wrong));
    }

    #[test]
    fn a_hash_with_other_parameters_is_renewed_when_the_password_is_right() {
        let stored = hash(&password("secret of ann"), LIGHT).unwrap();
        let stronger = Parameters { iterations: 2, ..LIGHT };
        assert_eq!(verify(&password("wrong guess"), &stored, stronger), Ok(Verdict::Wrong));
        let Ok(Verdict::Right { renewed: Some(renewed) }) = verify(&password("secret of ann"), &stored, stronger)
        else {
            panic!("not renewed")
        };
        assert!(renewed.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{renewed}");
        assert_eq!(verify(&password("secret of ann"), &renewed, stronger), Ok(Verdict::Right { renewed: None }));
    }

    #[test]
    fn a_stored_text_that_is_no_hash_is_an_error_and_not_a_wrong_password() {
        assert!(matches!(verify(&password("secret of ann"), "plain text", LIGHT), Err(HashingError::Stored(_))));
    }

    #[tokio::test]
    async fn when_the_queue_is_full_the_next_is_told_so() {
        let hasher = Hasher::new(1, 1);
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let working = hasher.run(move || Ok(wait.recv().is_ok()));
        let waiting = hasher.run(|| Ok(true));
        tokio::pin!(working, waiting);
        // Polled once each, the first has the thread and the second the only place in the queue.
        assert!(futures_pending(working.as_mut()).await);
        assert!(futures_pending(waiting.as_mut()).await);
        assert_eq!(hasher.run(|| Ok(true)).await, Ok(None));
        go.send(()).unwrap();
        assert_eq!(working.await, Ok(Some(true)));
        assert_eq!(waiting.await, Ok(Some(true)));
        assert_eq!(hasher.run(|| Ok(true)).await, Ok(Some(true)));
    }

    /// Polls once and says whether there is no result yet.
    async fn futures_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
        std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
    }
}
