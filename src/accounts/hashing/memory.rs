//! argon2 in memory that is kept from one hash to the next.

use crate::host::block_memory::BlockMemory;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::password_hash::{CustomizedPasswordHasher, Error, Result};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use std::cell::RefCell;
use std::num::NonZero;

/// The memory of one thread. It holds what is derived from passwords, until it is given back.
#[derive(Default)]
pub(super) struct Memory(Option<BlockMemory>);

impl Memory {
    /// Whether there is any.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Wipes it, and leaves it to the kernel.
    pub(super) fn give_back(&mut self) {
        self.0 = None;
    }

    /// So many blocks, with whatever was in them: argon2 writes each before it reads it.
    pub(super) fn blocks(&mut self, count: usize) -> Result<&mut [Block]> {
        let count = NonZero::new(count).ok_or(Error::ParamsInvalid)?;
        // Not a part of more, or one hash of long ago would decide for all that follow.
        if self.0.as_ref().is_none_or(|kept| kept.count() != count) {
            self.give_back();
            self.0 = Some(BlockMemory::map(count).map_err(|_| Error::OutOfMemory)?);
        }
        self.0.as_mut().map(BlockMemory::all).ok_or(Error::OutOfMemory)
    }
}

/// argon2 as the crate has it, but for the memory. To verify is what its traits make of that, with their comparison in
/// constant time.
pub(super) struct InMemory<'a>(RefCell<&'a mut Memory>);

impl<'a> InMemory<'a> {
    pub(super) fn of(memory: &'a mut Memory) -> Self {
        Self(RefCell::new(memory))
    }
}

impl CustomizedPasswordHasher<PasswordHash> for InMemory<'_> {
    type Params = Params;

    fn hash_password_customized(
        &self,
        password: &[u8],
        salt: &[u8],
        algorithm: Option<&str>,
        version: Option<u32>,
        params: Params,
    ) -> Result<PasswordHash> {
        let algorithm = algorithm.map(Algorithm::try_from).transpose()?.unwrap_or_default();
        let version = version.map(Version::try_from).transpose()?.unwrap_or_default();
        let salt = Salt::new(salt)?;
        let mut output = [0; Output::MAX_LENGTH];
        let length = params.output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let output = output.get_mut(..length).ok_or(Error::OutputSize)?;
        let mut memory = self.0.try_borrow_mut().map_err(|_| Error::Internal)?;
        let blocks = memory.blocks(params.block_count())?;
        let printed = ParamsString::try_from(&params)?;
        Argon2::new(algorithm, version, params).hash_password_into_with_memory(password, &salt, output, blocks)?;
        Ok(PasswordHash {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: printed,
            salt: Some(salt),
            hash: Some(Output::new(output)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::password_hash::{PasswordHasher, PasswordVerifier};

    #[test]
    fn hashes_and_verdicts_are_those_of_the_crate_whatever_was_in_the_memory() {
        let mut memory = Memory::default();
        for (kib, iterations, lanes) in [(64, 1, 1), (256, 2, 3), (64, 1, 1), (64, 3, 2)] {
            let params = || Params::new(kib, iterations, lanes, None).unwrap();
            let crate_s = Argon2::new(Algorithm::Argon2id, Version::V0x13, params());
            let in_memory = InMemory::of(&mut memory);
            let salt = b"some salt or other";
            let theirs = crate_s.hash_password_with_salt(b"secret of ann", salt).unwrap();
            let ours = in_memory.hash_password_with_params(b"secret of ann", salt, params()).unwrap();
            assert_eq!(ours.to_string(), theirs.to_string());
            for password in [b"secret of ann", b"Secret of ann", b"secret of bob"] {
                let verdict = in_memory.verify_password(password, &theirs);
                assert_eq!(verdict, crate_s.verify_password(password, &theirs), "{password:?}");
                assert_eq!(verdict.is_ok(), password == b"secret of ann");
            }
        }
    }

    #[test]
    fn older_variants_and_shorter_outputs_are_verified_as_well() {
        let mut memory = Memory::default();
        for (algorithm, version, length) in
            [(Algorithm::Argon2i, Version::V0x10, 16), (Algorithm::Argon2d, Version::V0x13, 64)]
        {
            let params = Params::new(64, 1, 1, Some(length)).unwrap();
            let stored = Argon2::new(algorithm, version, params).hash_password(b"secret of ann").unwrap();
            assert_eq!(InMemory::of(&mut memory).verify_password(b"secret of ann", &stored), Ok(()));
            let wrong = InMemory::of(&mut memory).verify_password(b"Secret of ann", &stored);
            assert_eq!(wrong, Err(Error::PasswordInvalid));
        }
    }

    #[test]
    fn memory_of_another_size_takes_the_place_of_what_was_kept() {
        let mut memory = Memory::default();
        assert!(!memory.is_kept());
        for count in [64, 8, 4096] {
            assert_eq!(memory.blocks(count).unwrap().len(), count);
        }
        assert!(memory.is_kept());
        memory.give_back();
        assert!(!memory.is_kept());
    }
}
