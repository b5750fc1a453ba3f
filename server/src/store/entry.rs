//! Entries: key, value and metadata of one key in one allocation.
//!
//! ```text
//! | flags+kind 1 | key length 1 | access 2 | value length 4 | [long key length 8] | [deadline 8] | [version 8] | key | value |
//! ```
//!
//! Everything but `access` is written before the entry is published and never again. The version is left out
//! while the node replicates nothing; all entries without one then count as written at the moment replication began.

use super::access;
use crate::base::clock::UnixMs;
use crate::store::slab::{Heap, block_bytes};
use parking_lot::{RwLock, RwLockReadGuard};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use torc_protocol::number::parse_i64;

/// What type of value a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Bytes or an integer.
    String,
}

/// The key holds a value of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType;

/// A value to store.
#[derive(Debug, Clone, Copy)]
pub enum NewValue<'v> {
    /// An integer, kept in 8 bytes and printed as decimal text.
    Integer(i64),
    /// A string. Text that is exactly an i64's canonical decimal form is kept as an integer.
    Bytes(&'v [u8]),
    /// A string that stays text even where it looks like an integer (INCRBYFLOAT's sum).
    Text(&'v [u8]),
    /// As `Text`, and counts as `raw` even where it is short (APPEND, SETRANGE and the like, as in Redis).
    Raw(&'v [u8]),
}

/// What becomes of a key's deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Stays as it is; none for a new key.
    Keep,
    /// No deadline.
    Never,
    /// Gone at this time.
    At(UnixMs),
}

/// A large string that is edited in place under its own lock. Its entry holds a pointer to it.
#[derive(Debug)]
pub(super) struct Big {
    pub(super) bytes: RwLock<Vec<u8>>,
}

/// What an entry is built from.
pub(super) enum Payload<'v> {
    /// A transaction's hold on a key that is not there.
    Absent,
    Integer(i64),
    Bytes {
        bytes: &'v [u8],
        raw: bool,
    },
    Big(Arc<Big>),
}

const KIND: u8 = 0x07;
const KIND_ABSENT: u8 = 0;
const KIND_BYTES: u8 = 1;
const KIND_INTEGER: u8 = 2;
const KIND_BIG: u8 = 3;
/// Came from an edit: OBJECT ENCODING says `raw` even where it is short.
const FLAG_RAW: u8 = 0x10;
const FLAG_DEADLINE: u8 = 0x20;
/// The key is longer than its one-byte length can say.
const FLAG_LONG_KEY: u8 = 0x40;
const HEADER_BYTES: usize = 8;
/// Strings up to this length are called `embstr`, as in Redis.
const EMBSTR_BYTES_MAX: usize = 44;

impl<'v> Payload<'v> {
    pub(super) fn of(value: NewValue<'v>) -> Self {
        match value {
            NewValue::Integer(value) => Payload::Integer(value),
            NewValue::Text(bytes) => Payload::Bytes { bytes, raw: false },
            NewValue::Raw(bytes) => Payload::Bytes { bytes, raw: true },
            NewValue::Bytes(bytes) => match parse_i64(bytes) {
                Some(value) => Payload::Integer(value),
                None => Payload::Bytes { bytes, raw: false },
            },
        }
    }

    fn value_bytes(&self) -> usize {
        match self {
            Payload::Absent => 0,
            Payload::Integer(_) | Payload::Big(_) => 8,
            Payload::Bytes { bytes, .. } => bytes.len(),
        }
    }
}

/// Allocates and writes an entry that only this thread knows.
pub(super) fn build(
    heap: &mut Heap,
    key: &[u8],
    payload: Payload<'_>,
    deadline: Option<UnixMs>,
    access: u16,
) -> *mut u8 {
    let long = key.len() > u8::MAX as usize;
    let value_bytes = payload.value_bytes();
    debug_assert!(value_bytes <= u32::MAX as usize, "proto-max-bulk-len stays below 4 GiB");
    let prefix = HEADER_BYTES + if long { 8 } else { 0 } + if deadline.is_some() { 8 } else { 0 };
    let bytes = prefix + key.len() + value_bytes;
    let block = heap.allocate(bytes);
    let mut flags = if deadline.is_some() { FLAG_DEADLINE } else { 0 };
    if long {
        flags |= FLAG_LONG_KEY;
    }
    // SAFETY: the block is private, 8-aligned and has `bytes` bytes, which the writes below fill in order.
    unsafe {
        let mut at = block.add(HEADER_BYTES);
        if long {
            at.cast::<u64>().write(key.len() as u64);
            at = at.add(8);
        }
        if let Some(deadline) = deadline {
            at.cast::<u64>().write(deadline);
            at = at.add(8);
        }
        at.copy_from_nonoverlapping(key.as_ptr(), key.len());
        at = at.add(key.len());
        flags |= match payload {
            Payload::Absent => KIND_ABSENT,
            Payload::Integer(value) => {
                at.cast::<i64>().write_unaligned(value);
                KIND_INTEGER
            }
            Payload::Bytes { bytes, raw } => {
                at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
                KIND_BYTES | if raw { FLAG_RAW } else { 0 }
            }
            Payload::Big(big) => {
                let pointer = Arc::into_raw(big).expose_provenance();
                at.cast::<usize>().write_unaligned(pointer);
                KIND_BIG | FLAG_RAW
            }
        };
        let header = (flags as u64)
            | ((key.len() as u64) & 0xff) << 8
            | (access as u64) << 16
            | (value_bytes as u64) << 32;
        block.cast::<u64>().write(header.to_le());
    }
    block
}

/// A key as found: readable until the guard it was found under is dropped, even if it is replaced meanwhile.
#[derive(Clone, Copy)]
pub struct Entry<'g> {
    address: *const u8,
    guard: PhantomData<&'g ()>,
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("key", &self.key().escape_ascii().to_string()).finish()
    }
}

/// The bytes of a string value.
pub enum StringView<'g> {
    /// Kept as an integer.
    Integer(i64),
    /// Immutable bytes.
    Bytes(&'g [u8]),
    /// A large value that is edited in place: nobody edits it while this lives.
    Locked(RwLockReadGuard<'g, Vec<u8>>),
}

impl<'g> Entry<'g> {
    /// The entry at `address`.
    ///
    /// # Safety
    /// `address` is that of an entry written by `build`, which is not freed for as long as `'g` lasts.
    pub(super) unsafe fn at(address: u64) -> Self {
        let address = std::ptr::with_exposed_provenance(address as usize);
        Entry { address, guard: PhantomData }
    }

    fn flags(&self) -> u8 {
        // SAFETY: `address` is a live entry (see `at`); this byte never changes after publication.
        unsafe { *self.address }
    }

    fn access_cell(&self) -> &'g AtomicU16 {
        // SAFETY: as above; these two bytes are only ever accessed atomically once published.
        unsafe { &*self.address.add(2).cast::<AtomicU16>() }
    }

    fn value_bytes(&self) -> usize {
        // SAFETY: as in `flags`.
        unsafe { self.address.add(4).cast::<u32>().read() as usize }
    }

    fn key_bytes(&self) -> usize {
        // SAFETY: as in `flags`; the long length follows the header if its flag says so.
        unsafe {
            if self.flags() & FLAG_LONG_KEY != 0 {
                self.address.add(HEADER_BYTES).cast::<u64>().read() as usize
            } else {
                *self.address.add(1) as usize
            }
        }
    }

    fn prefix_bytes(&self) -> usize {
        let flags = self.flags();
        HEADER_BYTES
            + ((flags & FLAG_LONG_KEY != 0) as usize + (flags & FLAG_DEADLINE != 0) as usize) * 8
    }

    /// Bytes of the block that holds it, before rounding.
    pub(super) fn bytes(&self) -> usize {
        self.prefix_bytes() + self.key_bytes() + self.value_bytes()
    }

    fn value_slice(&self) -> &'g [u8] {
        let start = self.prefix_bytes() + self.key_bytes();
        // SAFETY: as in `flags`; the value follows the key.
        unsafe { std::slice::from_raw_parts(self.address.add(start), self.value_bytes()) }
    }

    fn value_word(&self) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.value_slice()[..8]);
        u64::from_ne_bytes(word)
    }

    /// Its key.
    #[inline]
    pub fn key(&self) -> &'g [u8] {
        // SAFETY: as in `flags`; the key follows the optional fields.
        unsafe {
            std::slice::from_raw_parts(self.address.add(self.prefix_bytes()), self.key_bytes())
        }
    }

    /// Whether it only holds the place of a key that is not there.
    pub(super) fn is_absent(&self) -> bool {
        self.flags() & KIND == KIND_ABSENT
    }

    /// Type of its value.
    pub fn kind(&self) -> Kind {
        Kind::String
    }

    /// Its deadline, if it has one.
    #[inline]
    pub fn deadline(&self) -> Option<UnixMs> {
        let flags = self.flags();
        if flags & FLAG_DEADLINE == 0 {
            return None;
        }
        let at = HEADER_BYTES + (flags & FLAG_LONG_KEY != 0) as usize * 8;
        // SAFETY: as in `flags`; the deadline is there if its flag says so, 8-aligned.
        Some(unsafe { self.address.add(at).cast::<u64>().read() })
    }

    /// Its value as a string.
    #[inline]
    pub fn string(&self) -> Result<StringView<'g>, WrongType> {
        match self.flags() & KIND {
            KIND_BYTES => Ok(StringView::Bytes(self.value_slice())),
            KIND_INTEGER => Ok(StringView::Integer(self.value_word() as i64)),
            KIND_BIG => Ok(StringView::Locked(self.big_ref().bytes.read_recursive())),
            _ => Err(WrongType),
        }
    }

    fn big_ref(&self) -> &'g Big {
        let pointer = std::ptr::with_exposed_provenance::<Big>(self.value_word() as usize);
        // SAFETY: a KIND_BIG entry owns one count of this Arc, and drops it only when the entry is freed, after `'g`.
        unsafe { &*pointer }
    }

    /// The large string it holds, if it is one.
    pub(super) fn big(&self) -> Option<&'g Big> {
        (self.flags() & KIND == KIND_BIG).then(|| self.big_ref())
    }

    /// The value, to be put into another entry of the same key: shares what is shared, copies nothing yet.
    pub(super) fn payload(&self) -> Payload<'g> {
        match self.flags() & KIND {
            KIND_BYTES => {
                Payload::Bytes { bytes: self.value_slice(), raw: self.flags() & FLAG_RAW != 0 }
            }
            KIND_INTEGER => Payload::Integer(self.value_word() as i64),
            KIND_BIG => {
                let pointer = std::ptr::with_exposed_provenance::<Big>(self.value_word() as usize);
                // SAFETY: the entry's own count keeps the Arc alive for `'g`; this takes one more.
                unsafe {
                    Arc::increment_strong_count(pointer);
                    Payload::Big(Arc::from_raw(pointer))
                }
            }
            _ => Payload::Absent,
        }
    }

    /// Frees the entry; returns the bytes given back and, if it was the last owner of a large string, that.
    ///
    /// # Safety
    /// Nobody can reach the entry any more, and it is not used after this.
    pub(super) unsafe fn free(self, heap: &mut Heap) -> (usize, Option<Big>) {
        let bytes = self.bytes();
        let big = if self.flags() & KIND == KIND_BIG {
            let pointer = std::ptr::with_exposed_provenance::<Big>(self.value_word() as usize);
            // SAFETY: this is the entry's own count, given up once.
            Arc::into_inner(unsafe { Arc::from_raw(pointer) })
        } else {
            None
        };
        // SAFETY: allocated by `build` with this size, unreachable as the caller promises.
        unsafe { heap.free(self.address.cast_mut(), bytes) };
        (block_bytes(bytes), big)
    }

    /// Redis's name of how the value is kept: `int`, `embstr` or `raw`.
    pub fn encoding(&self) -> &'static str {
        match self.flags() & KIND {
            KIND_INTEGER => "int",
            KIND_BYTES
                if self.flags() & FLAG_RAW == 0 && self.value_bytes() <= EMBSTR_BYTES_MAX =>
            {
                "embstr"
            }
            _ => "raw",
        }
    }

    /// Bytes that this key takes, allocator rounding and its share of the index included.
    pub fn memory_bytes(&self) -> usize {
        /// What the index takes for a key on average; see `index::LOAD_MAX`.
        const INDEX_BYTES: usize = 14;
        let big = self.big().map_or(0, |big| big.bytes.read_recursive().capacity());
        block_bytes(self.bytes()) + INDEX_BYTES + big
    }

    /// The raw access field.
    pub(super) fn access(&self) -> u16 {
        // Relaxed: a statistic.
        self.access_cell().load(Ordering::Relaxed)
    }

    /// Sets the raw access field.
    pub(super) fn set_access(&self, access: u16) {
        // Relaxed: a statistic. Load first: most hits of a second find it set, and leave the cache line clean.
        if self.access() != access {
            self.access_cell().store(access, Ordering::Relaxed);
        }
    }

    /// Seconds since the last access: exact below four hours, up to 63 too many from then on, and never more than 20 days; meaningful under
    /// every policy but the LFU ones.
    pub fn idle_seconds(&self, now: UnixMs) -> u64 {
        access::lru_idle_seconds(self.access(), now)
    }

    /// Rewrites the access field of a key that has been idle for long, before its clock wraps around; see `access`.
    pub(super) fn age(&self, now: UnixMs) {
        let old = self.access();
        if let Some(aged) = access::lru_aged(old, now) {
            // Relaxed: a statistic. By CAS, so that a use that comes between is not forgotten.
            let _ = self.access_cell().compare_exchange(
                old,
                aged,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
    }

    /// The logarithmic access counter as of `now`; meaningful under the LFU policies.
    pub fn frequency(&self, now: UnixMs, decay_minutes: u32) -> u8 {
        access::lfu_decayed(self.access(), now, decay_minutes)
    }
}

impl StringView<'_> {
    /// Length in bytes of the text.
    pub fn len(&self) -> usize {
        match self {
            StringView::Integer(value) => itoa::Buffer::new().format(*value).len(),
            StringView::Bytes(bytes) => bytes.len(),
            StringView::Locked(bytes) => bytes.len(),
        }
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text; an integer is printed into `scratch`.
    #[inline]
    pub fn bytes<'s>(&'s self, scratch: &'s mut itoa::Buffer) -> &'s [u8] {
        match self {
            StringView::Integer(value) => scratch.format(*value).as_bytes(),
            StringView::Bytes(bytes) => bytes,
            StringView::Locked(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::slab::Slab;

    #[test]
    fn what_is_built_is_read_back() {
        let slab = Slab::new();
        let mut heap = Heap::new(slab);
        for key_bytes in [0usize, 1, 16, 255, 256, 70_000] {
            for deadline in [None, Some(1_700_000_000_123)] {
                let key = vec![b'k'; key_bytes];
                let values: [Payload<'_>; 3] = [
                    Payload::Integer(-5),
                    Payload::Bytes { bytes: b"value", raw: false },
                    Payload::Big(Arc::new(Big { bytes: RwLock::new(b"large".to_vec()) })),
                ];
                for (payload, text) in values.into_iter().zip(["-5", "value", "large"]) {
                    let block = build(&mut heap, &key, payload, deadline, 77);
                    // SAFETY: just built, freed once below.
                    let entry = unsafe { Entry::at(block.expose_provenance() as u64) };
                    assert_eq!(
                        (entry.key(), entry.deadline(), entry.access()),
                        (&key[..], deadline, 77)
                    );
                    assert_eq!(
                        entry.string().unwrap().bytes(&mut itoa::Buffer::new()),
                        text.as_bytes()
                    );
                    // SAFETY: nobody else knows it.
                    unsafe { entry.free(&mut heap) };
                }
            }
        }
    }

    #[test]
    fn a_small_entry_takes_88_bytes() {
        let mut heap = Heap::new(Slab::new());
        let block =
            build(&mut heap, &[b'k'; 16], Payload::of(NewValue::Bytes(&[b'v'; 64])), None, 0);
        // SAFETY: just built, freed once.
        let (bytes, _) = unsafe { Entry::at(block.expose_provenance() as u64).free(&mut heap) };
        assert_eq!(bytes, 88);
    }
}
