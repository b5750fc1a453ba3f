//! The only source of randomness: a small seeded generator, one for each owner.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read as _};

/// A generator that replays from its seed. Not for secrets.
#[derive(Debug, Clone)]
pub struct Rng(fastrand::Rng);

impl Rng {
    /// The generator of `seed`.
    pub fn seeded(seed: u64) -> Self {
        Rng(fastrand::Rng::with_seed(seed))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// Uniform below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.u64(..bound)
    }

    /// A generator independent of this one's future.
    pub fn fork(&mut self) -> Self {
        Rng(self.0.fork())
    }
}

/// A seed from the operating system, for processes that were not given one.
pub fn entropy() -> u64 {
    // RandomState's keys come from the system's generator, and each state of a process differs.
    RandomState::new().hash_one(0u8)
}

/// Bytes from the operating system that nobody can guess or has seen before, for challenges.
pub fn challenge() -> [u8; 32] {
    // Four outputs of SipHash under keys that nobody else knows.
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&entropy().to_le_bytes()));
    bytes
}

/// `count` bytes from the operating system's generator, for passwords.
///
/// # Errors
/// It cannot be read.
pub fn secret(count: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
