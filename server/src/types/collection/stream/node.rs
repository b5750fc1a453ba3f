//! What a leaf of entries would be as a node of Redis: how long its listpack, of how many entries, up to which id.
//!
//! Redis ends a node by the bytes of its listpack and by the number of its entries, those that were deleted included, and `XTRIM … ~` takes whole nodes. So that leaves end where nodes
//! do, each keeps a tally of what Redis would have written, which its own shorter bytes do not tell.
//!
//! ```text
//! listpack = 7 bytes | live | deleted | number of names | name … | 0 | entry …
//! entry    = flags | ms, sequence: differences to the node's id | value …                        | elements before
//!          = flags | ms, sequence                               | number of fields | name, value … | elements before
//! ```
//!
//! Knows nothing of how leaves are stored.
//!
//! Source: antirez, "Listpack specification", 2017, and what redis-server does.

use super::super::item::{Encoded, array, back_len_bytes, skip};
use super::id::StreamId;
use super::leaf::Fields;

/// A listpack's header and its end.
const FRAME_BYTES: usize = 7;
/// Flags of an entry, or the zero behind the names: numbers below 128.
const SMALL_BYTES: usize = 2;

/// Up to where leaves grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafLimits {
    pub(super) bytes_max: usize,
    pub(super) count_max: usize,
}

/// What entries of a node share: its id, and the names of the entry that began it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) id: StreamId,
    /// Only the names of these count.
    pub(super) names: Fields<'a>,
}

/// See the module's description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tally {
    /// Bytes of the listpack without the two counts at its front.
    bytes: u32,
    /// Entries that were deleted.
    gone: u32,
    /// The highest id that it ever held.
    pub(super) top: StreamId,
}

impl Tally {
    /// Bytes of [`Tally::encode`].
    pub(super) const BYTES: usize = 24;

    /// Of a node that begins.
    pub(super) fn begin(head: Head<'_>) -> Self {
        let names =
            integer_bytes(head.names.len() as i64) + packed_bytes(head.names.packed_names());
        let bytes = narrow(FRAME_BYTES + names + SMALL_BYTES);
        Tally { bytes, gone: 0, top: head.id }
    }

    /// Of a node whose listpack has that length, with so many entries left, so many deleted, and `top` the last of them all.
    pub(super) fn told(listpack_bytes: usize, live: usize, gone: usize, top: StreamId) -> Self {
        let counts = integer_bytes(live as i64) + integer_bytes(gone as i64);
        let bytes = narrow(listpack_bytes.saturating_sub(counts));
        Tally { bytes, gone: narrow(gone), top }
    }

    /// Counts an entry in.
    pub(super) fn add(&mut self, head: Head<'_>, id: StreamId, fields: Fields<'_>) {
        self.bytes = self.bytes.saturating_add(entry_bytes(head, id, fields));
        self.top = self.top.max(id);
    }

    /// Counts an entry out whose place another takes.
    pub(super) fn replace(&mut self, head: Head<'_>, id: StreamId, fields: Fields<'_>) {
        self.bytes = self.bytes.saturating_sub(entry_bytes(head, id, fields));
    }

    /// Notes that `count` entries were deleted, whose bytes Redis keeps.
    pub(super) fn delete(&mut self, count: usize) {
        self.gone = self.gone.saturating_add(narrow(count));
    }

    /// Whether an entry of these fields begins the next node, where `live` are left in this one. Redis supposes that it takes what its texts take.
    pub(super) fn is_full(&self, live: usize, fields: Fields<'_>, limits: LeafLimits) -> bool {
        let gone = self.gone as usize;
        let counts = integer_bytes(live as i64) + integer_bytes(gone as i64);
        let texts: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = (self.bytes as usize).saturating_add(counts).saturating_add(texts);
        bytes >= limits.bytes_max || live + gone >= limits.count_max
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.gone.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.top.ms.to_le_bytes());
        bytes[16..].copy_from_slice(&self.top.seq.to_le_bytes());
        bytes
    }

    /// What [`Tally::encode`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_le_bytes(array(&bytes[at..at + 8]));
        Tally {
            bytes: u32::from_le_bytes(array(&bytes[..4])),
            gone: u32::from_le_bytes(array(&bytes[4..8])),
            top: StreamId { ms: number(8), seq: number(16) },
        }
    }
}

/// What an entry takes in the listpack of a node.
fn entry_bytes(head: Head<'_>, id: StreamId, fields: Fields<'_>) -> u32 {
    let delta = |own: u64, shared: u64| integer_bytes(own.wrapping_sub(shared) as i64);
    let id_bytes = delta(id.ms, head.id.ms) + delta(id.seq, head.id.seq);
    let (count, values) = (fields.len() as i64, packed_bytes(fields.packed_values()));
    let (names, elements) = if fields.has_names_of(head.names) {
        (0, count + 3)
    } else {
        (integer_bytes(count) + packed_bytes(fields.packed_names()), 2 * count + 4)
    };
    narrow(SMALL_BYTES + id_bytes + names + values + integer_bytes(elements))
}

/// What a number takes in a listpack.
fn integer_bytes(value: i64) -> usize {
    let bytes = Encoded::integer(value).len();
    bytes + back_len_bytes(bytes)
}

/// What packed items take in a listpack: each its own bytes, and those that tell how many they are.
fn packed_bytes(mut packed: &[u8]) -> usize {
    let mut all = packed.len();
    while !packed.is_empty() {
        let bytes = skip(packed);
        all += back_len_bytes(bytes);
        packed = &packed[bytes..];
    }
    all
}

/// No listpack is longer: where one would be, its node has long been full.
fn narrow(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}
