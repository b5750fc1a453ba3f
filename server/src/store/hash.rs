//! Hashing of keys: the slot by CRC16 of the hash tag, the place in the slot by a hash keyed per process.
//!
//! The keyed hash never leaves the process: replication and SCAN cursors of other processes must not rely on it.

use crate::base::rng::Rng;
use siphasher::sip::SipHasher13;
use std::hash::{BuildHasher, Hasher as _};
use std::sync::OnceLock;
use torc_protocol::slot::{Slot, slot_of};

/// Which keyed hash places keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HashKind {
    /// aHash: fast, resists collisions by unknown keys.
    #[default]
    Ahash,
    /// SipHash-1-3: for networks whose clients may mount a real attack on the hash.
    SipHash13,
}

/// A key's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyHash {
    /// Slot number.
    pub(super) slot: usize,
    /// Place in the slot.
    pub(super) hash: u64,
}

impl KeyHash {
    /// Number of the key's slot.
    #[inline]
    pub fn slot(self) -> usize {
        self.slot
    }
}

/// The hash of a key that was computed ahead, so that the handler's look-up need not compute it again. Recognises the
/// key by its address: it is only handed on within the batch whose buffer the key lies in.
#[derive(Debug, Clone, Copy)]
pub struct KeyHint {
    address: *const u8,
    len: usize,
    hash: KeyHash,
}

impl KeyHint {
    /// A hint for the very bytes `key`.
    pub fn new(key: &[u8], hash: KeyHash) -> Self {
        KeyHint { address: key.as_ptr(), len: key.len(), hash }
    }

    /// A hint for no key.
    pub fn none() -> Self {
        KeyHint { address: std::ptr::null(), len: 0, hash: KeyHash { slot: 0, hash: 0 } }
    }

    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<KeyHash> {
        (self.address == key.as_ptr() && self.len == key.len()).then_some(self.hash)
    }
}

/// Orders the elements of large collections; keyed when the process makes its first store.
static ELEMENTS: OnceLock<ahash::RandomState> = OnceLock::new();

/// The hash of a field or member.
pub(super) fn element_hash(text: &[u8]) -> u64 {
    let state = ELEMENTS.get_or_init(|| ahash::RandomState::with_seeds(1, 2, 3, 4));
    let mut hasher = state.build_hasher();
    hasher.write(text);
    hasher.finish()
}

/// The process's keyed hash.
#[derive(Debug)]
pub(super) enum Hasher {
    Ahash(ahash::RandomState),
    SipHash13(u64, u64),
}

impl Hasher {
    pub(super) fn new(kind: HashKind, seed: u64) -> Self {
        let mut rng = Rng::seeded(seed);
        let mut state =
            || ahash::RandomState::with_seeds(rng.bits(), rng.bits(), rng.bits(), rng.bits());
        ELEMENTS.get_or_init(&mut state);
        match kind {
            HashKind::Ahash => Hasher::Ahash(state()),
            HashKind::SipHash13 => Hasher::SipHash13(rng.bits(), rng.bits()),
        }
    }

    #[inline]
    pub(super) fn place(&self, key: &[u8]) -> KeyHash {
        self.place_in(slot_of(key), key)
    }

    #[inline]
    pub(super) fn place_in(&self, slot: Slot, key: &[u8]) -> KeyHash {
        KeyHash { slot: slot.index(), hash: self.hash(key) }
    }

    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        match self {
            Hasher::Ahash(state) => {
                let mut hasher = state.build_hasher();
                hasher.write(key);
                hasher.finish()
            }
            Hasher::SipHash13(k0, k1) => {
                let mut hasher = SipHasher13::new_with_keys(*k0, *k1);
                hasher.write(key);
                hasher.finish()
            }
        }
    }
}
