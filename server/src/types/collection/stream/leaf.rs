//! A leaf of a stream: what many entries have in common once, and of each the rest.
//!
//! ```text
//! | header 8 | id: ms 8, sequence 8 | names: count, varint; bytes, varint; item ... | element | element | ... |
//!
//! element: | bytes that follow, varint | mark, if the block is marked | ms, sequence: signed differences, varints | form 1 | values |
//! form:    0: the values belong to the names that the leaf begins with
//!          1: | count, varint | bytes of the names, varint | names |  and then the values
//! ```
//!
//! Ids are differences to the id with which the leaf began, names of fields are written once: in a stream whose entries have the same fields, as most have, an entry takes
//! its values and some five bytes. Redis's listpacks share the same, and spend a byte or two more on each item for walking backwards.
//!
//! What is pending in a group has no names, and up to three values; see [`super::group`].

use super::super::block::{Block, HEADER_BYTES, MARKED};
use super::super::edit::Buffer;
use super::super::item::{Encoded, Item, array, read, skip};
use super::super::stamp::{Mark, Stamp};
use super::id::{Place, StreamId};

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

/// What the elements of a leaf are relative to.
#[derive(Debug, Clone, Copy)]
struct Common<'a> {
    base: StreamId,
    count: usize,
    names: &'a [u8],
}

impl<'a> Common<'a> {
    /// What `block`, which has elements, begins with, and where they begin.
    fn read(block: Block<'a>) -> (Self, usize) {
        let bytes = block.bytes();
        let number = |at: usize| u64::from_le_bytes(array(&bytes[at..at + 8]));
        let base = StreamId { ms: number(HEADER_BYTES), seq: number(HEADER_BYTES + 8) };
        let mut at = HEADER_BYTES + 16;
        let count = varint(bytes, &mut at) as usize;
        let length = varint(bytes, &mut at) as usize;
        (Common { base, count, names: &bytes[at..at + length] }, at + length)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.base.ms.to_le_bytes());
        out.extend_from_slice(&self.base.seq.to_le_bytes());
        put_varint(out, self.count as u64);
        put_varint(out, self.names.len() as u64);
        out.extend_from_slice(self.names);
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
        put_varint(&mut head, zigzag(id.ms.wrapping_sub(self.base.ms) as i64));
        put_varint(&mut head, zigzag(id.seq.wrapping_sub(self.base.seq) as i64));
        if fields.count == self.count && fields.names == self.names {
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
    common: Common<'a>,
    marked: bool,
}

impl<'a> Slots<'a> {
    pub(super) fn of(block: Block<'a>) -> Self {
        if block.count() == 0 {
            let common = Common { base: StreamId::MIN, count: 0, names: &[] };
            return Slots { bytes: &[], at: 0, common, marked: false };
        }
        let (common, at) = Common::read(block);
        Slots { bytes: block.bytes(), at, common, marked: block.has(MARKED) }
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
        let base = self.common.base;
        let id = StreamId { ms: base.ms.wrapping_add(ms), seq: base.seq.wrapping_add(seq) };
        let form = bytes[at];
        at += 1;
        let (mut count, mut names) = (self.common.count, self.common.names);
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

/// Puts an element where it belongs, in the place of one that stands exactly there. `is_last` says that it is known to come behind all others.
pub(super) fn put(
    buffer: &mut impl Buffer,
    (id, stamp): (StreamId, Stamp<'_>),
    fields: Fields<'_>,
    by_dot: bool,
    is_last: bool,
) -> Put {
    let block = Block::new(buffer.bytes());
    if block.count() == 0 {
        let common = Common { base: id, count: fields.count, names: fields.names };
        let marked = !stamp.is_none();
        let mut body = Vec::with_capacity(64 + fields.names.len() + fields.values.len());
        common.write(&mut body);
        common.element(&mut body, (id, stamp), fields, marked);
        let used = block.used();
        buffer.splice(HEADER_BYTES, used, &[&body], 1, if marked { MARKED } else { 0 });
        return Put::New;
    }
    if !stamp.is_none() {
        make_marked(buffer);
    }
    let block = Block::new(buffer.bytes());
    let (common, _) = Common::read(block);
    let target = place(id, stamp, by_dot);
    let mut span = (block.used(), block.used());
    if !is_last {
        for slot in Slots::of(block) {
            let at = slot.place(by_dot);
            if at >= target {
                span = (slot.at, if at == target { slot.end } else { slot.at });
                break;
            }
        }
    }
    let mut element = Vec::with_capacity(48 + fields.values.len());
    common.element(&mut element, (id, stamp), fields, block.has(MARKED));
    let done = if span.0 == span.1 { Put::New } else { Put::Replaced };
    let count = block.count() + usize::from(done == Put::New);
    let flags = block.flags();
    buffer.splice(span.0, span.1, &[&element], count, flags);
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
    true
}

/// Takes the elements out from index `from` up to but not with `to`.
pub(super) fn cut(buffer: &mut impl Buffer, from: usize, to: usize) {
    let block = Block::new(buffer.bytes());
    let place = |index: usize| Slots::of(block).nth(index).map_or(block.used(), |slot| slot.at);
    let (start, end) = (place(from), place(to));
    let (count, flags) = (block.count() - (to - from), block.flags());
    buffer.splice(start, end, &[], count, flags);
}

/// Gives every element a mark, if the block has none yet.
fn make_marked(buffer: &mut impl Buffer) {
    let block = Block::new(buffer.bytes());
    if block.has(MARKED) {
        return;
    }
    let (common, first) = Common::read(block);
    let mut body = Vec::with_capacity(block.used() + block.count() * 10);
    for slot in Slots::of(block) {
        common.element(&mut body, (slot.id, slot.stamp), slot.fields, true);
    }
    let (used, count, flags) = (block.used(), block.count(), block.flags() | MARKED);
    buffer.splice(first, used, &[&body], count, flags);
}

/// The body of a leaf of these elements, of which there is one at least; with marks or without.
pub(super) fn body<'a>(slots: impl Iterator<Item = Slot<'a>>, marked: bool) -> Vec<u8> {
    let mut body = Vec::new();
    let mut common: Option<Common<'_>> = None;
    for slot in slots {
        let common = common.get_or_insert_with(|| {
            let Fields { count, names, .. } = slot.fields;
            let common = Common { base: slot.id, count, names };
            common.write(&mut body);
            common
        });
        common.element(&mut body, (slot.id, slot.stamp), slot.fields, marked);
    }
    body
}

/// The body of the first `count` elements, as it is.
pub(super) fn first(block: Block<'_>, count: usize) -> &[u8] {
    let end = Slots::of(block).nth(count).map_or(block.used(), |slot| slot.at);
    &block.bytes()[HEADER_BYTES..end]
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
