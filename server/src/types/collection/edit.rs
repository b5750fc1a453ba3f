//! Changing a block: every edit is one replacement of a run of its bytes.
//!
//! The same edits serve small values, which are a `Vec` while they are edited, and the leaves of big ones, which know how to change in place
//! or to make a copy where a snapshot still holds them.

use super::block::{Block, Entry, HEADER_BYTES, MARKED, NUMBERED, header};
use super::item::Encoded;
use super::position::Position;
use super::stamp::{Mark, MarkBytes, Stamp};
use crate::base::version::Version;

/// Memory that holds a block.
pub(super) trait Buffer {
    /// The block, with what slack there is behind it.
    fn bytes(&self) -> &[u8];

    /// Puts `parts` in the place of the bytes from `from` to `to`, moves what follows, and sets the header to `count` and `flags`.
    fn splice(&mut self, from: usize, to: usize, parts: &[&[u8]], count: usize, flags: u8);
}

impl Buffer for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn splice(&mut self, from: usize, to: usize, parts: &[&[u8]], count: usize, flags: u8) {
        let (before, added) = (self.len(), parts.iter().map(|part| part.len()).sum::<usize>());
        let after = before - (to - from) + added;
        self.resize(before.max(after), 0);
        self.copy_within(to..before, from + added);
        self.truncate(after);
        fill(self, from, parts);
        self[..HEADER_BYTES].copy_from_slice(&header(after, count, flags));
    }
}

/// Writes `parts` from `at` on.
pub(super) fn fill(bytes: &mut [u8], mut at: usize, parts: &[&[u8]]) {
    for part in parts {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
}

/// An empty block.
pub(super) fn empty(flags: u8) -> Vec<u8> {
    header(HEADER_BYTES, 0, flags).to_vec()
}

/// A copy of a small value to edit, with room for an element of usual size.
pub(super) fn copy(packed: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(packed.len() + packed.len() / 8 + 64);
    copy.extend_from_slice(packed);
    copy
}

/// Inserts an element at place `at`, of one item or two.
pub(super) fn insert(
    buffer: &mut impl Buffer,
    at: usize,
    mark: &Mark<'_>,
    key: &Encoded<'_>,
    value: Option<&Encoded<'_>>,
) {
    let block = Block::new(buffer.bytes());
    let (count, flags) = (block.count() + 1, block.flags());
    debug_assert!(mark.is_none() || flags & MARKED != 0, "see `make_marked`");
    let mark = if flags & MARKED != 0 { mark.encode() } else { MarkBytes::ABSENT };
    let (value_head, value_tail) = value.map_or((&[][..], &[][..]), |it| (it.head(), it.tail()));
    let parts = [mark.head(), mark.siblings, key.head(), key.tail(), value_head, value_tail];
    buffer.splice(at, at, &parts, count, flags);
}

/// Where an element lies, without a hold on its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) at: usize,
    pub(super) key: usize,
    pub(super) rest: usize,
    pub(super) end: usize,
}

impl From<Entry<'_>> for Span {
    fn from(entry: Entry<'_>) -> Self {
        Span { at: entry.at, key: entry.key, rest: entry.rest, end: entry.end }
    }
}

/// Changes an element's second item.
pub(super) fn set_value(buffer: &mut impl Buffer, span: Span, value: &Encoded<'_>) {
    let block = Block::new(buffer.bytes());
    let (count, flags) = (block.count(), block.flags());
    buffer.splice(span.rest, span.end, &[value.head(), value.tail()], count, flags);
}

/// Changes an element's first item, where it has but one.
pub(super) fn set_key(buffer: &mut impl Buffer, span: Span, key: &Encoded<'_>) {
    let block = Block::new(buffer.bytes());
    let (count, flags) = (block.count(), block.flags());
    buffer.splice(span.key, span.rest, &[key.head(), key.tail()], count, flags);
}

/// Changes an element's mark. The block has marks, or the mark is none.
pub(super) fn set_mark(buffer: &mut impl Buffer, span: Span, mark: &Mark<'_>) {
    let block = Block::new(buffer.bytes());
    let (count, flags) = (block.count(), block.flags());
    if flags & MARKED == 0 {
        debug_assert!(mark.is_none(), "see `make_marked`");
        return;
    }
    let mark = mark.encode();
    buffer.splice(span.at, span.key, &[mark.head(), mark.siblings], count, flags);
}

/// Takes `count` elements out, which lie from `from` to `to`.
pub(super) fn remove(buffer: &mut impl Buffer, from: usize, to: usize, count: usize) {
    let block = Block::new(buffer.bytes());
    let (left, flags) = (block.count() - count, block.flags());
    buffer.splice(from, to, &[], left, flags);
}

/// Gives every element a mark, if the block has none yet: an empty one, or its position in a list that is numbered from `first` on.
pub(super) fn make_marked(buffer: &mut impl Buffer, first: Option<Position>) {
    let block = Block::new(buffer.bytes());
    if block.has(MARKED) {
        return;
    }
    let mut body = Vec::with_capacity(block.used() + block.count() * 4);
    for (index, entry) in block.entries().enumerate() {
        let position = first.map(|first| first.plus(index as i64));
        let mark = Mark { stamp: Stamp::NONE, position };
        body.extend_from_slice(mark.encode().head());
        body.extend_from_slice(entry.items());
    }
    let numbered = if first.is_some() { NUMBERED } else { 0 };
    let (used, count, flags) = (block.used(), block.count(), block.flags() | MARKED | numbered);
    buffer.splice(HEADER_BYTES, used, &[&body], count, flags);
}

/// Makes room for `stamp` if it needs any.
pub(super) fn admit(buffer: &mut impl Buffer, stamp: &Stamp<'_>) {
    if !stamp.is_none() {
        make_marked(buffer, None);
    }
}

/// Sets the value and the stamp of the element `key`, or appends it. Returns the dot of what was there.
pub(super) fn put(
    buffer: &mut impl Buffer,
    key: &Encoded<'_>,
    value: Option<&Encoded<'_>>,
    stamp: Stamp<'_>,
) -> Option<Version> {
    admit(buffer, &stamp);
    let mark = Mark::of(stamp);
    let block = Block::new(buffer.bytes());
    let Some(entry) = block.find(key) else {
        let end = block.used();
        insert(buffer, end, &mark, key, value);
        return None;
    };
    let (span, known) = (Span::from(entry), entry.mark().stamp.dot);
    if let Some(value) = value {
        set_value(buffer, span, value);
    }
    set_mark(buffer, span, &mark);
    Some(known)
}

/// Takes the element `key` out. Returns its dot.
pub(super) fn take(buffer: &mut impl Buffer, key: &Encoded<'_>) -> Option<Version> {
    let entry = Block::new(buffer.bytes()).find(key)?;
    let (span, dot) = (Span::from(entry), entry.mark().stamp.dot);
    remove(buffer, span.at, span.end, 1);
    Some(dot)
}
