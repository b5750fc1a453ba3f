//! A leaf of a stream: what many entries have in common once, and of each the rest.
//!
//! ```text
//! | header 8 | id: ms 8, sequence 8 | tally 24, if of entries | names: count, varint; bytes, varint; item ... | element | element | ... |
//!
//! element: | bytes that follow, varint | mark, if the block is marked | ms, sequence: signed differences, varints | form 1 | values |
//! form:    0: the values belong to the names that the leaf begins with
//!          1: | count, varint | bytes of the names, varint | names |  and then the values
//! ```
//!
//! Ids are differences to the id with which the leaf began, names of fields are written once: in a stream whose entries have the same fields, as most have, an entry takes
//! its values and some five bytes. Redis's listpacks share the same, and spend a byte or two more on each item for walking backwards; a leaf of entries is one of Redis's nodes, which its
//! tally ([`super::node`]) tells the length of.
//!
//! What is pending in a group has no names, and up to three values; see [`super::group`].

use super::super::block::{Block, HEADER_BYTES, MARKED};
use super::super::edit::Buffer;
use super::super::item::{Encoded, Item, array, read, skip};
use super::super::stamp::{Mark, Stamp};
use super::super::tree::Leaf;
use super::id::{Place, StreamId};
use super::node::{Head, Tally};

/// The leaf is of entries, and has a tally.
const TALLIED: u8 = 2;
const TALLY_AT: usize = HEADER_BYTES + 16;

/// Fields of an entry, one after the other: packed names and packed values.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields<'a> {
    count: usize,
    names: &'a [u8],
    values: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Number of fields.
    pub fn len(self) -> usize {
        self.count
    }

    /// Whether there are none, which no entry of a client's has.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// Names with their values.
    pub fn iter(self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> {
        let Fields { count, mut names, mut values } = self;
        (0..count).map(move |_| (next(&mut names), next(&mut values)))
    }

    /// Names alone, where there may be no values.
    pub fn names(self) -> impl Iterator<Item = Item<'a>> {
        let mut names = self.names;
        (0..self.count).map(move |_| next(&mut names))
    }

    /// The names packed, one behind the other.
    pub(super) fn packed_names(self) -> &'a [u8] {
        self.names
    }

    /// The values packed, one behind the other.
    pub(super) fn packed_values(self) -> &'a [u8] {
        self.values
    }

    /// Whether these have the same names in the same order.
    pub fn has_names_of(self, other: Fields<'_>) -> bool {
        self.count == other.count && self.names == other.names
    }

    /// The values alone, however many there are.
    pub(super) fn values(self) -> impl Iterator<Item = Item<'a>> {
        let mut values = self.values;
        std::iter::from_fn(move || (!values.is_empty()).then(|| next(&mut values)))
    }
}

/// The item at the front.
fn next<'a>(packed: &mut &'a [u8]) -> Item<'a> {
    let (item, rest) = (read(packed), &packed[skip(packed)..]);
    *packed = rest;
    item
}

/// Fields on their way into a leaf.
#[derive(Debug, Clone, Default)]
pub struct FieldsBuf {
    count: usize,
    names: Vec<u8>,
    values: Vec<u8>,
}

impl FieldsBuf {
    /// The fields of these names and values.
    pub fn of<'t>(fields: impl Iterator<Item = (&'t [u8], &'t [u8])>) -> Self {
        let mut buf = FieldsBuf::default();
        for (name, value) in fields {
            buf.push(Item::of(name), Item::of(value));
        }
        buf
    }

    /// Adds a field. Text that is an integer's is to be given as one, as [`Item::of`] gives it.
    pub fn push(&mut self, name: Item<'_>, value: Item<'_>) {
        self.count += 1;
        push(&mut self.names, &Encoded::stored(name));
        push(&mut self.values, &Encoded::stored(value));
    }

    /// Adds a name without a value.
    pub fn push_name(&mut self, name: Item<'_>) {
        self.count += 1;
        push(&mut self.names, &Encoded::stored(name));
    }

    /// Adds a value without a name.
    pub(super) fn push_integer(&mut self, value: i64) {
        push(&mut self.values, &Encoded::integer(value));
    }

    /// To read them.
    pub fn fields(&self) -> Fields<'_> {
        Fields { count: self.count, names: &self.names, values: &self.values }
    }
}

fn push(out: &mut Vec<u8>, item: &Encoded<'_>) {
    out.extend_from_slice(item.head());
    out.extend_from_slice(item.tail());
}

const SHARED: u8 = 0;
const OWN: u8 = 1;

impl<'a> Head<'a> {
    /// What `block`, which has elements, begins with, and where they begin.
    fn read(block: Block<'a>) -> (Self, usize) {
        let bytes = block.bytes();
        let number = |at: usize| u64::from_le_bytes(array(&bytes[at..at + 8]));
        let id = StreamId { ms: number(HEADER_BYTES), seq: number(HEADER_BYTES + 8) };
        let mut at = TALLY_AT + if block.has(TALLIED) { Tally::BYTES } else { 0 };
        let count = varint(bytes, &mut at) as usize;
        let length = varint(bytes, &mut at) as usize;
        let names = Fields { count, names: &bytes[at..at + length], values: &[] };
        (Head { id, names }, at + length)
    }

    fn write(&self, out: &mut Vec<u8>, tally: Option<Tally>) {
        out.extend_from_slice(&self.id.ms.to_le_bytes());
        out.extend_from_slice(&self.id.seq.to_le_bytes());
        tally.into_iter().for_each(|tally| out.extend_from_slice(&tally.encode()));
        put_varint(out, self.names.count as u64);
        put_varint(out, self.names.names.len() as u64);
        out.extend_from_slice(self.names.names);
    }

    /// Appends an element; with a mark, if the block is marked.
    fn element(
        &self,
        out: &mut Vec<u8>,
        (id, stamp): (StreamId, Stamp<'_>),
        fields: Fields<'_>,
        marked: bool,
    ) {
        let mut head = Vec::with_capacity(48);
        if marked {
            let mark = Mark::of(stamp).encode();
            head.extend_from_slice(mark.head());
            head.extend_from_slice(mark.siblings);
        }
        put_varint(&mut head, zigzag(id.ms.wrapping_sub(self.id.ms) as i64));
        put_varint(&mut head, zigzag(id.seq.wrapping_sub(self.id.seq) as i64));
        if fields.has_names_of(self.names) {
            head.push(SHARED);
        } else {
            head.push(OWN);
            put_varint(&mut head, fields.count as u64);
            put_varint(&mut head, fields.names.len() as u64);
            head.extend_from_slice(fields.names);
        }
        put_varint(out, (head.len() + fields.values.len()) as u64);
        out.extend_from_slice(&head);
        out.extend_from_slice(fields.values);
    }
}

/// The tally of a leaf of entries, if it has any of them.
pub(super) fn tally(block: Block<'_>) -> Option<Tally> {
    let is_there = block.has(TALLIED) && block.count() > 0;
    is_there.then(|| Tally::read(&block.bytes()[TALLY_AT..]))
}

/// What a leaf's elements share, if it has any.
pub(super) fn head(block: Block<'_>) -> Option<Head<'_>> {
    (block.count() > 0).then(|| Head::read(block).0)
}

/// Changes the tally, if there is one.
pub(super) fn retally(buffer: &mut impl Buffer, change: impl FnOnce(&mut Tally)) {
    let block = Block::new(buffer.bytes());
    if let Some(mut tally) = tally(block) {
        let (count, flags) = (block.count(), block.flags());
        change(&mut tally);
        buffer.splice(TALLY_AT, TALLY_AT + Tally::BYTES, &[&tally.encode()], count, flags);
    }
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The number at `at`, which moves behind it.
#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[*at];
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return value;
        }
        shift += 7;
    }
}

/// One element, and where it lies in its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) id: StreamId,
    pub(super) stamp: Stamp<'a>,
    pub(super) fields: Fields<'a>,
    at: usize,
    end: usize,
}

impl Slot<'_> {
    /// Where it stands, if its dot counts for that.
    pub(super) fn place(&self, by_dot: bool) -> Place {
        place(self.id, self.stamp, by_dot)
    }
}

/// Where something of this id and this stamp stands.
pub(super) fn place(id: StreamId, stamp: Stamp<'_>, by_dot: bool) -> Place {
    if by_dot { Place { id, dot: stamp.dot } } else { Place::first(id) }
}

/// The elements of a block in order.
#[derive(Debug, Clone)]
pub(super) struct Slots<'a> {
    bytes: &'a [u8],
    at: usize,
    head: Head<'a>,
    marked: bool,
}

impl<'a> Slots<'a> {
    pub(super) fn of(block: Block<'a>) -> Self {
        if block.count() == 0 {
            let head = Head { id: StreamId::MIN, names: Fields::default() };
            return Slots { bytes: &[], at: 0, head, marked: false };
        }
        let (head, at) = Head::read(block);
        Slots { bytes: block.bytes(), at, head, marked: block.has(MARKED) }
    }
}

impl<'a> Iterator for Slots<'a> {
    type Item = Slot<'a>;

    #[inline]
    fn next(&mut self) -> Option<Slot<'a>> {
        let (bytes, start) = (self.bytes, self.at);
        if start >= bytes.len() {
            return None;
        }
        let mut at = start;
        let length = varint(bytes, &mut at) as usize;
        let end = at + length;
        self.at = end;
        let mut stamp = Stamp::NONE;
        if self.marked {
            stamp = Mark::read(&bytes[at..]).stamp;
            at += Mark::skip(&bytes[at..]);
        }
        let ms = unzigzag(varint(bytes, &mut at)) as u64;
        let seq = unzigzag(varint(bytes, &mut at)) as u64;
        let base = self.head.id;
        let id = StreamId { ms: base.ms.wrapping_add(ms), seq: base.seq.wrapping_add(seq) };
        let form = bytes[at];
        at += 1;
        let (mut count, mut names) = (self.head.names.count, self.head.names.names);
        if form == OWN {
            count = varint(bytes, &mut at) as usize;
            let length = varint(bytes, &mut at) as usize;
            names = &bytes[at..at + length];
            at += length;
        }
        let fields = Fields { count, names, values: &bytes[at..end] };
        Some(Slot { id, stamp, fields, at: start, end })
    }
}

/// What becomes of an element's place; see [`put`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    New,
    Replaced,
}

/// Where in a leaf an element is put.
#[derive(Debug, Clone, Copy)]
pub(super) enum At<'a> {
    /// Where it belongs, in the place of one that stands exactly there.
    Inside,
    /// Behind all others.
    Last,
    /// Behind all others, but only until the leaf is split before it ([`Shape::Next`](super::ids)): the tally does not count it. A leaf that is empty begins with it, and with that head.
    Next(Option<Head<'a>>),
}

/// Puts an element into a leaf; a leaf of entries, if places are told apart by dots.
pub(super) fn put(
    buffer: &mut impl Buffer,
    (id, stamp): (StreamId, Stamp<'_>),
    fields: Fields<'_>,
    by_dot: bool,
    at: At<'_>,
) -> Put {
    let block = Block::new(buffer.bytes());
    if block.count() == 0 {
        let marked = !stamp.is_none();
        let given = if let At::Next(head) = at { head } else { None };
        let only = [Slot { id, stamp, fields, at: 0, end: 0 }];
        let body = body(only.into_iter(), given, marked, by_dot);
        let flags = if marked { MARKED } else { 0 } | if by_dot { TALLIED } else { 0 };
        let used = block.used();
        buffer.splice(HEADER_BYTES, used, &[&body], 1, flags);
        return Put::New;
    }
    if !stamp.is_none() {
        make_marked(buffer);
    }
    let block = Block::new(buffer.bytes());
    let (head, _) = Head::read(block);
    let target = place(id, stamp, by_dot);
    let mut span = (block.used(), block.used());
    let mut tally = tally(block);
    if let At::Inside = at {
        for slot in Slots::of(block) {
            let at = slot.place(by_dot);
            if at >= target {
                span = (slot.at, if at == target { slot.end } else { slot.at });
                if let (Some(tally), true) = (&mut tally, at == target) {
                    tally.replace(head, slot.id, slot.fields);
                }
                break;
            }
        }
    }
    let mut element = Vec::with_capacity(48 + fields.values.len());
    head.element(&mut element, (id, stamp), fields, block.has(MARKED));
    if let Some(tally) = &mut tally {
        tally.add(head, id, fields);
    }
    let done = if span.0 == span.1 { Put::New } else { Put::Replaced };
    let count = block.count() + usize::from(done == Put::New);
    let flags = block.flags();
    buffer.splice(span.0, span.1, &[&element], count, flags);
    if let (Some(new), At::Inside | At::Last) = (tally, at) {
        retally(buffer, |tally| *tally = new);
    }
    done
}

/// Takes the element out that stands exactly there; whether there was one.
pub(super) fn take(buffer: &mut impl Buffer, target: Place, by_dot: bool) -> bool {
    let block = Block::new(buffer.bytes());
    let Some(slot) = Slots::of(block).find(|slot| slot.place(by_dot) == target) else {
        return false;
    };
    let (at, end, count, flags) = (slot.at, slot.end, block.count() - 1, block.flags());
    buffer.splice(at, end, &[], count, flags);
    retally(buffer, |tally| tally.delete(1));
    true
}

/// Takes the elements out from index `from` up to but not with `to`.
pub(super) fn cut(buffer: &mut impl Buffer, from: usize, to: usize) {
    let block = Block::new(buffer.bytes());
    let place = |index: usize| Slots::of(block).nth(index).map_or(block.used(), |slot| slot.at);
    let (start, end) = (place(from), place(to));
    let (count, flags) = (block.count() - (to - from), block.flags());
    buffer.splice(start, end, &[], count, flags);
    retally(buffer, |tally| tally.delete(to - from));
}

/// Gives every element a mark, if the block has none yet.
fn make_marked(buffer: &mut impl Buffer) {
    let block = Block::new(buffer.bytes());
    if block.has(MARKED) {
        return;
    }
    let (head, first) = Head::read(block);
    let mut body = Vec::with_capacity(block.used() + block.count() * 10);
    for slot in Slots::of(block) {
        head.element(&mut body, (slot.id, slot.stamp), slot.fields, true);
    }
    let (used, count, flags) = (block.used(), block.count(), block.flags() | MARKED);
    buffer.splice(first, used, &[&body], count, flags);
}

/// The body of a leaf of these elements, of which there is one at least; with that head or the first one's, with marks or without, with a tally or without.
pub(super) fn body<'a>(
    slots: impl Iterator<Item = Slot<'a>>,
    head: Option<Head<'a>>,
    marked: bool,
    tallied: bool,
) -> Vec<u8> {
    let mut slots = slots.peekable();
    let first = slots.peek().map(|slot| Head { id: slot.id, names: slot.fields });
    let Some(head) = head.or(first) else { return Vec::new() };
    let mut body = Vec::with_capacity(64 + head.names.names.len());
    let mut tally = Tally::begin(head);
    head.write(&mut body, tallied.then_some(tally));
    for slot in slots {
        head.element(&mut body, (slot.id, slot.stamp), slot.fields, marked);
        tally.add(head, slot.id, slot.fields);
    }
    if tallied {
        body[TALLY_AT - HEADER_BYTES..][..Tally::BYTES].copy_from_slice(&tally.encode());
    }
    body
}

/// A leaf of the first `count` elements, as they are. `counted` says that the tally counts no others.
pub(super) fn first(block: Block<'_>, count: usize, counted: bool) -> Leaf {
    let end = Slots::of(block).nth(count).map_or(block.used(), |slot| slot.at);
    let body = &block.bytes()[HEADER_BYTES..end];
    let mut leaf = Leaf::new(&[body], count, block.flags());
    if !counted && let Some(head) = head(block) {
        let mut fresh = Tally::begin(head);
        Slots::of(block).take(count).for_each(|slot| fresh.add(head, slot.id, slot.fields));
        retally(&mut leaf, |tally| *tally = fresh);
    }
    leaf
}

/// The index of the first element that lies beyond the middle of the block's bytes.
pub(super) fn middle(block: Block<'_>) -> usize {
    let half = block.used() / 2;
    Slots::of(block).position(|slot| slot.end > half).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let mut values = vec![0, 1, -1, i64::MIN, i64::MAX];
        values.extend((0..63).flat_map(|bit| [1i64 << bit, -(1i64 << bit)]));
        for value in values {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, zigzag(value));
            let mut at = 0;
            assert_eq!(unzigzag(varint(&bytes, &mut at)), value);
            assert_eq!(at, bytes.len());
        }
    }
}
