//! Entries: key, value and metadata of one key in one allocation.
//!
//! ```text
//! | flags+kind 1 | key length 1 | access 2 | value length 4 | [long key length 8] | [deadline 8] | [version 8] | [deadline's version 8] | key | value |
//!
//! value of a mixed key: | form of what is shown 1 | bytes shown 4 | what is shown | elements |      form: 0 bytes, 1 integer, or 0x80 and the type of packed elements
//! value of a packed one: | type 1 | packed elements |
//! ```
//!
//! Everything but `access` is written before the entry is published and never again. The version is left out
//! while the node replicates nothing; all entries without one then count as written at the moment replication began. The deadline has a version of
//! its own once it was changed after the value. A key that several nodes wrote may be *mixed*: its elements, whose meaning is replication's, stand behind
//! the value that readers see, and the version is the highest of theirs. A small collection is *packed* behind its type. The version of a large value is kept with it, because both change in place.

use super::access;
use super::big::{Big, BigValue, TextHeld};
use super::chain::ValueRef;
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::store::slab::{Heap, block_bytes};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use torc_protocol::number::parse_i64;

/// What type of value a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// Bytes or an integer.
    String,
    /// Fields with values.
    Hash,
    /// Elements in order.
    List,
    /// Members.
    Set,
    /// Members with scores.
    Zset,
    /// Entries by id, and the groups that read them.
    Stream,
}

impl Kind {
    /// The type's name as TYPE answers it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Hash => "hash",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::Zset => "zset",
            Kind::Stream => "stream",
        }
    }

    /// The byte that stands for a type, in entries and between nodes.
    pub fn code(self) -> u8 {
        match self {
            Kind::String => 0,
            Kind::Hash => 1,
            Kind::List => 2,
            Kind::Set => 3,
            Kind::Zset => 4,
            Kind::Stream => 5,
        }
    }

    /// The type of that byte.
    pub fn of_code(code: u8) -> Option<Kind> {
        [Kind::String, Kind::Hash, Kind::List, Kind::Set, Kind::Zset, Kind::Stream]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

fn kind_of(code: u8) -> Kind {
    Kind::of_code(code).expect("`build` writes codes of types")
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

/// When an entry's parts were written; nothing while the node replicates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    /// The value, and the deadline unless the next field says otherwise.
    pub(super) value: Option<Version>,
    /// The deadline, or its removal, if it came later than the value. Never without `value`.
    pub(super) deadline: Option<Version>,
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
    Mixed {
        shown: Shown<'v>,
        elements: &'v [u8],
    },
    /// A small collection.
    Packed {
        kind: Kind,
        elements: &'v [u8],
    },
}

/// What readers see of a mixed key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shown<'v> {
    String(ValueRef<'v>),
    Packed(Kind, &'v [u8]),
}

impl Shown<'_> {
    fn bytes(&self) -> usize {
        match self {
            Shown::String(value) => value.bytes(),
            Shown::Packed(_, elements) => elements.len(),
        }
    }
}

/// Of a mixed key's first byte: packed elements are shown, of the type in the other bits.
const SHOWN_PACKED: u8 = 0x80;
const KIND: u8 = 0x07;
const KIND_ABSENT: u8 = 0;
const KIND_BYTES: u8 = 1;
const KIND_INTEGER: u8 = 2;
const KIND_BIG: u8 = 3;
const KIND_MIXED: u8 = 4;
const KIND_PACKED: u8 = 5;
/// The deadline has a version of its own.
const FLAG_DEADLINE_VERSION: u8 = 0x08;
/// Came from an edit: OBJECT ENCODING says `raw` even where it is short.
const FLAG_RAW: u8 = 0x10;
const FLAG_DEADLINE: u8 = 0x20;
/// The key is longer than its one-byte length can say.
const FLAG_LONG_KEY: u8 = 0x40;
const FLAG_VERSION: u8 = 0x80;
const HEADER_BYTES: usize = 8;
/// What stands before the value that a mixed key shows.
const MIXED_BYTES: usize = 5;
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
            Payload::Mixed { shown, elements } => MIXED_BYTES + shown.bytes() + elements.len(),
            Payload::Packed { elements, .. } => 1 + elements.len(),
        }
    }
}

/// Allocates and writes an entry that only this thread knows.
pub(super) fn build(
    heap: &mut Heap,
    key: &[u8],
    payload: Payload<'_>,
    deadline: Option<UnixMs>,
    stamp: Stamp,
    access: u16,
) -> *mut u8 {
    let long = key.len() > u8::MAX as usize;
    let value_bytes = payload.value_bytes();
    debug_assert!(value_bytes <= u32::MAX as usize, "proto-max-bulk-len stays below 4 GiB");
    let mut flags = if deadline.is_some() { FLAG_DEADLINE } else { 0 };
    if long {
        flags |= FLAG_LONG_KEY;
    }
    if stamp.value.is_some() {
        flags |= FLAG_VERSION;
    }
    if stamp.deadline.is_some() {
        flags |= FLAG_DEADLINE_VERSION;
    }
    let bytes = prefix_bytes(flags) + key.len() + value_bytes;
    let block = heap.allocate(bytes);
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
        for version in [stamp.value, stamp.deadline].into_iter().flatten() {
            at.cast::<u64>().write(version.get());
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
            Payload::Mixed { shown, elements } => {
                write_mixed(at, shown, elements);
                KIND_MIXED
            }
            Payload::Packed { kind, elements } => {
                at.write(kind.code());
                at.add(1).copy_from_nonoverlapping(elements.as_ptr(), elements.len());
                KIND_PACKED
            }
            Payload::Big(big) => {
                if let Some(version) = stamp.value {
                    big.set_version(version);
                }
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

/// Bytes before the key, of an entry of these flags.
#[inline]
fn prefix_bytes(flags: u8) -> usize {
    PREFIX_BYTES[flags as usize] as usize
}

/// By flags. Most are looked up twice a command, and to count bits takes ten instructions where any processor is to run this.
static PREFIX_BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut flags = 0;
    while flags < bytes.len() {
        let fields = FLAG_LONG_KEY | FLAG_DEADLINE | FLAG_VERSION | FLAG_DEADLINE_VERSION;
        bytes[flags] = HEADER_BYTES as u8 + (flags as u8 & fields).count_ones() as u8 * 8;
        flags += 1;
    }
    bytes
};

/// Writes a mixed key's value; see the layout above.
///
/// # Safety
/// `at` is private and has room for it.
unsafe fn write_mixed(at: *mut u8, shown: Shown<'_>, elements: &[u8]) {
    let integer;
    let (form, shown) = match shown {
        Shown::String(ValueRef::Integer(value)) => {
            integer = value.to_ne_bytes();
            (1, &integer[..])
        }
        Shown::String(ValueRef::Bytes { bytes, .. }) => (0, bytes),
        Shown::Packed(kind, packed) => (SHOWN_PACKED | kind.code(), packed),
    };
    // SAFETY: as this function's caller promises.
    unsafe {
        at.write(form);
        at.add(1).cast::<u32>().write_unaligned(shown.len() as u32);
        let at = at.add(MIXED_BYTES);
        at.copy_from_nonoverlapping(shown.as_ptr(), shown.len());
        at.add(shown.len()).copy_from_nonoverlapping(elements.as_ptr(), elements.len());
    }
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
    Locked(TextHeld<'g>),
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
        prefix_bytes(self.flags())
    }

    /// One of the optional words of the prefix: the one that comes after those flagged in `before`.
    fn prefix_word(&self, before: u8) -> u64 {
        let at = prefix_bytes(self.flags() & before);
        // SAFETY: as in `flags`; the caller has seen the field's own flag, so the word is there, 8-aligned.
        unsafe { self.address.add(at).cast::<u64>().read() }
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
        match self.flags() & KIND {
            KIND_PACKED => kind_of(self.value_slice()[0]),
            KIND_MIXED => match self.mixed().0 {
                Shown::String(_) => Kind::String,
                Shown::Packed(kind, _) => kind,
            },
            KIND_BIG => self.big_ref().kind(),
            _ => Kind::String,
        }
    }

    /// Its deadline, if it has one.
    #[inline]
    pub fn deadline(&self) -> Option<UnixMs> {
        (self.flags() & FLAG_DEADLINE != 0).then(|| self.prefix_word(FLAG_LONG_KEY))
    }

    /// When its value was written, if it says.
    pub fn version(&self) -> Option<Version> {
        if let Some(big) = self.big() {
            return big.version();
        }
        (self.flags() & FLAG_VERSION != 0)
            .then(|| Version::from_bits(self.prefix_word(FLAG_LONG_KEY | FLAG_DEADLINE)))
    }

    /// When its deadline was last changed, if after the value.
    pub fn deadline_version(&self) -> Option<Version> {
        (self.flags() & FLAG_DEADLINE_VERSION != 0).then(|| {
            Version::from_bits(self.prefix_word(FLAG_LONG_KEY | FLAG_DEADLINE | FLAG_VERSION))
        })
    }

    /// Sets the version of an entry that was built with one.
    ///
    /// # Safety
    /// The entry is not published yet, and no reference to its bytes exists.
    pub(super) unsafe fn set_version(&self, version: Version) {
        if let Some(big) = self.big() {
            big.set_version(version);
        }
        debug_assert!(self.flags() & FLAG_VERSION != 0, "only entries built with a version");
        let at = prefix_bytes(self.flags() & (FLAG_LONG_KEY | FLAG_DEADLINE));
        // SAFETY: private, as the caller promises; the field is there, 8-aligned.
        unsafe { self.address.cast_mut().add(at).cast::<u64>().write(version.get()) };
    }

    /// What a mixed key shows, and its elements.
    fn mixed(&self) -> (Shown<'g>, &'g [u8]) {
        let value = self.value_slice();
        let mut length = [0; 4];
        length.copy_from_slice(&value[1..MIXED_BYTES]);
        let (shown, elements) = value[MIXED_BYTES..].split_at(u32::from_ne_bytes(length) as usize);
        let shown = match value[0] {
            0 => Shown::String(ValueRef::Bytes { bytes: shown, raw: false }),
            1 => {
                let mut integer = [0; 8];
                integer.copy_from_slice(shown);
                Shown::String(ValueRef::Integer(i64::from_ne_bytes(integer)))
            }
            form => Shown::Packed(kind_of(form & !SHOWN_PACKED), shown),
        };
        (shown, elements)
    }

    /// Its elements, if it is a mixed key; see the module's description.
    pub fn elements(&self) -> Option<&'g [u8]> {
        (self.flags() & KIND == KIND_MIXED).then(|| self.mixed().1)
    }

    /// Its value, if that is a string which is kept byte by byte, as most are.
    #[inline]
    pub fn plain_string(&self) -> Option<&'g [u8]> {
        (self.flags() & KIND == KIND_BYTES).then(|| self.value_slice())
    }

    /// Its value as a string.
    pub fn string(&self) -> Result<StringView<'g>, WrongType> {
        match self.flags() & KIND {
            KIND_BYTES => Ok(StringView::Bytes(self.value_slice())),
            KIND_INTEGER => Ok(StringView::Integer(self.value_word() as i64)),
            KIND_MIXED => match self.mixed().0 {
                Shown::String(ValueRef::Integer(value)) => Ok(StringView::Integer(value)),
                Shown::String(ValueRef::Bytes { bytes, .. }) => Ok(StringView::Bytes(bytes)),
                Shown::Packed(..) => Err(WrongType),
            },
            KIND_BIG => self.big_ref().read_text().map(StringView::Locked).ok_or(WrongType),
            _ => Err(WrongType),
        }
    }

    fn big_ref(&self) -> &'g Big {
        let pointer = std::ptr::with_exposed_provenance::<Big>(self.value_word() as usize);
        // SAFETY: a KIND_BIG entry owns one count of this Arc, and drops it only when the entry is freed, after `'g`.
        unsafe { &*pointer }
    }

    /// The elements of a small collection.
    pub(super) fn packed(&self) -> Option<&'g [u8]> {
        match self.flags() & KIND {
            KIND_PACKED => Some(&self.value_slice()[1..]),
            KIND_MIXED => match self.mixed().0 {
                Shown::Packed(_, packed) => Some(packed),
                Shown::String(_) => None,
            },
            _ => None,
        }
    }

    /// The large value it holds, if it is one.
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
            KIND_PACKED => {
                Payload::Packed { kind: self.kind(), elements: &self.value_slice()[1..] }
            }
            // Under another key, or written anew, what was seen is all there is.
            KIND_MIXED => match self.mixed().0 {
                Shown::String(ValueRef::Integer(value)) => Payload::Integer(value),
                Shown::String(ValueRef::Bytes { bytes, raw }) => Payload::Bytes { bytes, raw },
                Shown::Packed(kind, elements) => Payload::Packed { kind, elements },
            },
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

    /// Frees the entry; returns the bytes given back and, if it was the last owner of a large value, that.
    ///
    /// # Safety
    /// Nobody can reach the entry any more, and it is not used after this.
    pub(super) unsafe fn free(self, heap: &mut Heap) -> (usize, Option<Box<BigValue>>) {
        let bytes = self.bytes();
        let big = if self.flags() & KIND == KIND_BIG {
            let pointer = std::ptr::with_exposed_provenance::<Big>(self.value_word() as usize);
            // SAFETY: this is the entry's own count, given up once.
            let big = Arc::into_inner(unsafe { Arc::from_raw(pointer) });
            // Boxed, so that the many entries without one do not hand on the room for it.
            big.map(|big| Box::new(big.into_value()))
        } else {
            None
        };
        // SAFETY: allocated by `build` with this size, unreachable as the caller promises.
        unsafe { heap.free(self.address.cast_mut(), bytes) };
        (block_bytes(bytes), big)
    }

    /// Redis's name of how the value is kept: `int`, `embstr` or `raw` of strings, and so on.
    pub fn encoding(&self) -> &'static str {
        if let Some(collection) = self.any_collection() {
            return collection.encoding();
        }
        match self.flags() & KIND {
            KIND_INTEGER => "int",
            KIND_MIXED => match self.mixed().0 {
                Shown::String(ValueRef::Integer(_)) => "int",
                Shown::String(ValueRef::Bytes { bytes, .. }) if bytes.len() <= EMBSTR_BYTES_MAX => {
                    "embstr"
                }
                Shown::String(ValueRef::Bytes { .. }) | Shown::Packed(..) => "raw",
            },
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
        let big = self.big().map_or(0, Big::bytes);
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
    use crate::base::version::Tag;
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
                    Payload::Big(Big::text(b"large".to_vec())),
                ];
                for (payload, text) in values.into_iter().zip(["-5", "value", "large"]) {
                    let block = build(&mut heap, &key, payload, deadline, Stamp::default(), 77);
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
    fn versions_and_mixed_keys_are_read_back() {
        let mut heap = Heap::new(Slab::new());
        let of = |ms: u64, tag| Version::next(1_800_000_000_000 + ms, Version::ZERO, Tag::new(tag));
        for key in [&b"short"[..], &[b'k'; 300]] {
            for deadline in [None, Some(1_900_000_000_000)] {
                for (touched, shown) in [
                    (None, ValueRef::Integer(42)),
                    (Some(of(9, 3)), ValueRef::Bytes { bytes: b"shown", raw: false }),
                ] {
                    let stamp = Stamp { value: Some(of(3, 1)), deadline: touched };
                    let shown = Shown::String(shown);
                    let payload = Payload::Mixed { shown, elements: b"elements" };
                    let block = build(&mut heap, key, payload, deadline, stamp, 5);
                    // SAFETY: just built, freed once below.
                    let entry = unsafe { Entry::at(block.expose_provenance() as u64) };
                    assert_eq!((entry.key(), entry.deadline()), (key, deadline));
                    assert_eq!(
                        (entry.version(), entry.deadline_version()),
                        (Some(of(3, 1)), touched)
                    );
                    assert_eq!(entry.elements(), Some(&b"elements"[..]));
                    let text = if touched.is_some() { &b"shown"[..] } else { b"42" };
                    assert_eq!(entry.string().unwrap().bytes(&mut itoa::Buffer::new()), text);
                    // SAFETY: private still.
                    unsafe { entry.set_version(of(4, 4)) };
                    assert_eq!(entry.version(), Some(of(4, 4)));
                    assert_eq!(entry.key(), key);
                    // SAFETY: nobody else knows it.
                    unsafe { entry.free(&mut heap) };
                }
            }
        }
    }

    #[test]
    fn a_small_entry_takes_88_bytes() {
        let mut heap = Heap::new(Slab::new());
        let block = build(
            &mut heap,
            &[b'k'; 16],
            Payload::of(NewValue::Bytes(&[b'v'; 64])),
            None,
            Stamp::default(),
            0,
        );
        // SAFETY: just built, freed once.
        let (bytes, _) = unsafe { Entry::at(block.expose_provenance() as u64).free(&mut heap) };
        assert_eq!(bytes, 88);
    }
}
