//! From a name to its row.
//!
//! A name of up to eight bytes is packed into a word, folded to lowercase by one OR, multiplied, and probed for in a
//! table built at compile time: GET costs about 25 instructions and no allocation. Longer names hash two words.
//! Client's bytes choose only which of a fixed number of slots is probed; a probe ends at the first free slot, so
//! hostile names cost no more than the longest run of taken ones.

use super::spec::CommandSpec;
use super::{COMMAND_COUNT, COMMANDS};

/// The command `name`, in any case; subcommands are not found here.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    let key = hash_key(name);
    let entry = &SLOTS[slot_of(key)];
    if entry.key == key && entry.len as usize == name.len() && entry.exact {
        return Some(&COMMANDS[entry.index as usize]);
    }
    probe(name, key)
}

/// [`find`] where the first probe does not settle it.
#[inline(never)]
fn probe(name: &[u8], key: u64) -> Option<&'static CommandSpec> {
    let mut slot = slot_of(key);
    loop {
        let entry = &SLOTS[slot];
        if entry.len == 0 {
            return None;
        }
        if entry.key == key && entry.len as usize == name.len() {
            let spec = &COMMANDS[entry.index as usize];
            if entry.exact || spec.full_name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(spec);
            }
        }
        slot = (slot + 1) % SLOT_COUNT;
    }
}

/// The command or subcommand of a full name such as `get` or `client|id`, in any case.
pub fn find_full(full_name: &[u8]) -> Option<&'static CommandSpec> {
    let Some(bar) = memchr::memchr(b'|', full_name) else { return find(full_name) };
    find_subcommand(find(&full_name[..bar])?, &full_name[bar + 1..])
}

/// The subcommand `name` of `container`, in any case.
pub(super) fn find_subcommand(
    container: &CommandSpec,
    name: &[u8],
) -> Option<&'static CommandSpec> {
    // At most some twenty, and none on a hot path.
    container.subcommands().iter().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

/// A place of the hash table; `len` 0 marks a free one.
#[derive(Clone, Copy)]
struct Entry {
    /// What [`hash_key`] makes of the name.
    key: u64,
    /// Row of the command.
    index: u16,
    /// Length of the name.
    len: u8,
    /// Whether `key` and `len` alone prove the name: up to eight bytes, letters only. For those the fold is lossless,
    /// because no byte but a letter of either case becomes that letter by setting bit 5.
    exact: bool,
}

/// At least twice the commands of all of Redis, so that most are found at the first probe.
const SLOT_COUNT: usize = 1024;

/// Bit 5 of each byte: what tells an ASCII letter's cases apart.
const CASE: u64 = 0x2020_2020_2020_2020;

/// 2^64 divided by the golden ratio (Knuth, volume 3, section 6.4): spreads keys over the upper bits of the product.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

static SLOTS: [Entry; SLOT_COUNT] = fill();

const fn fill() -> [Entry; SLOT_COUNT] {
    const { assert!(COMMAND_COUNT <= SLOT_COUNT / 2) };
    let mut slots = [Entry { key: 0, index: 0, len: 0, exact: false }; SLOT_COUNT];
    let mut index = 0;
    while index < COMMAND_COUNT {
        let row = &COMMANDS[index];
        if row.parent.is_none() {
            let name = row.full_name.as_bytes();
            assert!(!name.is_empty() && name.len() <= u8::MAX as usize);
            let key = hash_key(name);
            let mut slot = slot_of(key);
            while slots[slot].len != 0 {
                slot = (slot + 1) % SLOT_COUNT;
            }
            let exact = name.len() <= 8 && all_letters(name);
            slots[slot] = Entry { key, index: index as u16, len: name.len() as u8, exact };
        }
        index += 1;
    }
    slots
}

const fn slot_of(key: u64) -> usize {
    (key.wrapping_mul(SPREAD) >> (64 - SLOT_COUNT.trailing_zeros())) as usize
}

const fn all_letters(name: &[u8]) -> bool {
    let mut at = 0;
    while at < name.len() {
        if !name[at].is_ascii_lowercase() {
            return false;
        }
        at += 1;
    }
    true
}

/// A word that equal names in any case share: their bytes where there are at most eight, else a mix of both ends.
#[inline]
const fn hash_key(name: &[u8]) -> u64 {
    match name {
        [a, b, c] => u32::from_le_bytes([*a, *b, *c, 0]) as u64 | CASE >> 40,
        [] => 0,
        [a] => *a as u64 | CASE >> 56,
        [a, b] => u16::from_le_bytes([*a, *b]) as u64 | CASE >> 48,
        // The first and the last four, which overlap where there are fewer than eight.
        _ if name.len() <= 8 => {
            let shift = 8 * (name.len() as u32 - 4);
            (first4(name) | last4(name) << shift) | CASE >> (32 - shift)
        }
        _ => {
            let (head, rest) = name.split_at(4);
            let (front, tail) = name.split_at(name.len() - 4);
            let head = first4(head) | first4(rest) << 32 | CASE;
            let tail = last4(front) | last4(tail) << 32 | CASE;
            head ^ tail.rotate_left(29)
        }
    }
}

/// The first four bytes as a little-endian number; 0 where there are fewer.
#[inline]
const fn first4(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(chunk) => u32::from_le_bytes(*chunk) as u64,
        None => 0,
    }
}

/// The last four bytes as a little-endian number; 0 where there are fewer.
#[inline]
const fn last4(bytes: &[u8]) -> u64 {
    match bytes.last_chunk() {
        Some(chunk) => u32::from_le_bytes(*chunk) as u64,
        None => 0,
    }
}
