//! argon2id (RFC 9106) off the runtime, a few at a time.

mod crew;
mod memory;

use crate::config;
use crate::domain::Password;
use crate::figures::{Distribution, Queue};
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, Error, PasswordVerifier, try_generate_salt};
use argon2::{Algorithm, Params, Version};
use crew::Crew;
use memory::{InMemory, Memory};
use std::io;
use std::time::Duration;

/// How long a thread keeps its memory for the next hash. In a storm of log-ins the next is there at once, and at rest
/// there are better uses for it.
const IDLE: Duration = Duration::from_secs(1);

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

    fn params(self) -> Result<Params, HashingError> {
        Params::new(self.memory_kib, self.iterations, self.lanes, None)
            .map_err(|error| HashingError::Parameters(error.to_string()))
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

/// Computes hashes on threads of its own, so many at a time, which give way to all others of this process: whoever is
/// logged in notices nothing of log-ins. Each takes the memory that the parameters say. At most `queue` more wait;
/// whoever comes then is told so by `None`.
pub(super) struct Hasher(Crew);

impl Hasher {
    /// Starts the threads, which end when this is dropped. They have done all that serving forbids when it returns.
    pub(super) fn start(threads: usize, queue: usize) -> io::Result<Self> {
        Crew::start(threads, queue, IDLE).map(Self)
    }

    /// How long hashes took, how many are computed or wait, and how many found no place.
    pub(super) fn figures(&self) -> (Distribution, Queue, u64) {
        self.0.figures()
    }

    /// A PHC string with a fresh salt.
    pub(super) async fn hash(
        &self,
        password: Password,
        parameters: Parameters,
    ) -> Result<Option<String>, HashingError> {
        self.0.run(move |memory| hash(&password, parameters, memory)).await
    }

    /// What it takes to find a password wrong, for an account that does not exist: `stored` is another's, of which nothing
    /// comes out, not even that it can't be read.
    pub(super) async fn verify_in_vain(&self, password: Password, stored: String) -> Result<Option<()>, HashingError> {
        let work = move |memory: &mut Memory| {
            let _ = PasswordHash::new(&stored).map(|stored| is_right(&password, &stored, memory));
            Ok(())
        };
        self.0.run(work).await
    }

    /// Compares, in constant time, and hashes anew if the parameters are not today's.
    pub(super) async fn verify(
        &self,
        password: Password,
        stored: String,
        parameters: Parameters,
    ) -> Result<Option<Verdict>, HashingError> {
        self.0.run(move |memory| verify(&password, &stored, parameters, memory)).await
    }
}

/// A PHC string with a fresh salt, computed here and now.
pub(super) fn hash_once(password: &Password, parameters: Parameters) -> Result<String, HashingError> {
    hash(password, parameters, &mut Memory::default())
}

/// Whether a text is a PHC string that log-ins can be compared with.
pub(super) fn is_hash(text: &str) -> bool {
    PasswordHash::new(text).is_ok_and(|hash| {
        hash.algorithm.as_str() == Algorithm::Argon2id.as_str()
            && hash.salt.is_some()
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok()
    })
}

fn hash(password: &Password, parameters: Parameters, memory: &mut Memory) -> Result<String, HashingError> {
    let failed = |error: &dyn std::fmt::Display| HashingError::Failed(error.to_string());
    let (algorithm, version) = (Algorithm::Argon2id.as_str(), Version::V0x13.into());
    let salt = try_generate_salt().map_err(|error| failed(&error))?;
    let hash = InMemory::of(memory)
        .hash_password_customized(password.expose(), &salt, Some(algorithm), Some(version), parameters.params()?)
        .map_err(|error| failed(&error))?;
    Ok(hash.to_string())
}

fn verify(
    password: &Password,
    stored: &str,
    parameters: Parameters,
    memory: &mut Memory,
) -> Result<Verdict, HashingError> {
    let stored = PasswordHash::new(stored).map_err(|error| HashingError::Stored(error.to_string()))?;
    if !is_right(password, &stored, memory)? {
        return Ok(Verdict::Wrong);
    }
    let renewed = parameters.differ_from(&stored).then(|| hash(password, parameters, memory)).transpose()?;
    Ok(Verdict::Right { renewed })
}

/// With the parameters of the stored hash.
fn is_right(password: &Password, stored: &PasswordHash, memory: &mut Memory) -> Result<bool, HashingError> {
    match InMemory::of(memory).verify_password(password.expose(), stored) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(error @ Error::OutOfMemory) => Err(HashingError::Failed(error.to_string())),
        Err(error) => Err(HashingError::Stored(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;

    const LIGHT: Parameters = Parameters { memory_kib: 64, iterations: 1, lanes: 1 };

    fn hash(password: &Password, parameters: Parameters) -> Result<String, HashingError> {
        super::hash(password, parameters, &mut Memory::default())
    }

    fn verify(password: &Password, stored: &str, parameters: Parameters) -> Result<Verdict, HashingError> {
        super::verify(password, stored, parameters, &mut Memory::default())
    }

    fn password(text: &str) -> Password {
        Password::parse(&Secret::new(text.to_owned())).unwrap()
    }

    #[test]
    fn a_hash_is_an_argon2id_phc_string_with_its_parameters() {
        let hash = hash(&password("secret of ann"), LIGHT).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert_ne!(hash, self::hash(&password("secret of ann"), LIGHT).unwrap(), "salts differ");
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
}
