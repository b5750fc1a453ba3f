//! Hashes: fields with values.
//!
//! Small: a block of pairs, in the order in which fields were first set. Big: [`Keyed`], in the order of the fields' hashes.

use super::block::{Block, PAIRS};
use super::discard::Discard;
use super::edit;
use super::item::{Encoded, Item};
use super::keyed::Keyed;
use super::limits::{HashFn, Limits};
use super::stamp::Stamp;
use super::tops::Tops;
use super::walk::Walk;
use crate::base::version::Version;

/// A field of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name.
    pub field: Item<'a>,
    /// Its value.
    pub value: Item<'a>,
    /// When it was written.
    pub stamp: Stamp<'a>,
}

/// A hash to read.
#[derive(Debug, Clone, Copy)]
pub struct HashView<'a>(View<'a>);

#[derive(Debug, Clone, Copy)]
enum View<'a> {
    Packed(Block<'a>),
    Big(&'a Keyed),
}

impl<'a> HashView<'a> {
    /// The hash in `packed`, which [`Hash::packed`] returned.
    pub fn packed(packed: &'a [u8]) -> Self {
        HashView(View::Packed(Block::new(packed)))
    }

    /// Number of fields.
    pub fn len(self) -> u64 {
        match self.0 {
            View::Packed(block) => block.count() as u64,
            View::Big(keyed) => keyed.len(),
        }
    }

    /// Whether it has no field.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Packed(_) => "listpack",
            View::Big(_) => "hashtable",
        }
    }

    /// Bytes of memory: of the packed bytes, or of all that a big hash allocated.
    pub fn memory_bytes(self) -> usize {
        match self.0 {
            View::Packed(block) => block.used(),
            View::Big(keyed) => keyed.memory_bytes(),
        }
    }

    /// The value of `field`.
    #[inline]
    pub fn get(self, field: &[u8]) -> Option<Item<'a>> {
        match self.0 {
            View::Packed(block) => block.find(&Encoded::of(field)).map(|entry| entry.value()),
            View::Big(keyed) => keyed.find(field).map(|entry| entry.value()),
        }
    }

    /// The whole of `field`.
    pub fn field(self, field: &[u8]) -> Option<Field<'a>> {
        match self.0 {
            View::Packed(block) => block.find(&Encoded::of(field)),
            View::Big(keyed) => keyed.find(field),
        }
        .map(Field::of)
    }

    /// Whether it has `field`.
    pub fn contains(self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// The field at `index` of its own order: uniform if `index` is. O(log n) if big.
    pub fn at(self, index: u64) -> Option<Field<'a>> {
        match self.0 {
            View::Packed(block) => block.nth(usize::try_from(index).ok()?),
            View::Big(keyed) => keyed.nth(index),
        }
        .map(Field::of)
    }

    /// Its fields in its own order.
    pub fn iter(self) -> Fields<'a> {
        Fields(match self.0 {
            View::Packed(block) => Walk::block(block),
            View::Big(keyed) => keyed.walk(),
        })
    }

    /// The same from `index` on. O(log n) to begin, if big.
    pub fn iter_from(self, index: u64) -> Fields<'a> {
        let small = usize::try_from(index).unwrap_or(usize::MAX);
        Fields(match self.0 {
            View::Packed(block) => Walk::range(block, small, usize::MAX, false),
            View::Big(keyed) => keyed.walk_from(index),
        })
    }

    /// Visits fields from `cursor` on and returns where to go on, 0 at the end: about `count` of a big hash, all of a small one. A field that is
    /// there throughout is visited once or more often, whatever else is written between the steps.
    pub fn scan(self, cursor: u64, count: u64, mut visit: impl FnMut(Field<'a>)) -> u64 {
        match self.0 {
            View::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            View::Big(keyed) => keyed.scan(cursor, count, |entry| visit(Field::of(entry))),
        }
    }

    /// Bounds of its dots.
    pub fn tops(self) -> Tops {
        match self.0 {
            View::Packed(block) => Walk::block(block).tops(),
            View::Big(keyed) => keyed.tops().clone(),
        }
    }
}

impl<'a> Field<'a> {
    pub(super) fn of(entry: super::block::Entry<'a>) -> Self {
        Field { field: entry.key(), value: entry.value(), stamp: entry.mark().stamp }
    }
}

/// The fields of a hash.
#[derive(Debug, Clone)]
pub struct Fields<'a>(Walk<'a>);

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        self.0.next().map(Field::of)
    }
}

/// A hash to edit. A clone of a big one is a snapshot: it costs as much as a pointer, and edits of either leave the other as it is.
#[derive(Debug, Clone)]
pub struct Hash(Form);

#[derive(Debug, Clone)]
enum Form {
    Packed(Vec<u8>),
    Big(Keyed),
}

impl Default for Hash {
    fn default() -> Self {
        Hash(Form::Packed(edit::empty(PAIRS)))
    }
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of a packed hash.
    pub fn from_packed(packed: &[u8]) -> Self {
        Hash(Form::Packed(edit::copy(packed)))
    }

    /// Its packed bytes, unless it is big.
    pub fn packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(bytes) => Some(bytes),
            Form::Big(_) => None,
        }
    }

    /// To read it.
    pub fn view(&self) -> HashView<'_> {
        HashView(match &self.0 {
            Form::Packed(bytes) => View::Packed(Block::new(bytes)),
            Form::Big(keyed) => View::Big(keyed),
        })
    }

    /// Sets a field, and turns big where that takes it beyond `limits`. Returns the dot of the field that was there, zero if it had none.
    pub fn insert(
        &mut self,
        field: &[u8],
        value: &[u8],
        stamp: Stamp<'_>,
        limits: &Limits,
    ) -> Option<Version> {
        if field.len().max(value.len()) > limits.element_bytes_max {
            self.convert(limits.hash);
        }
        match &mut self.0 {
            Form::Big(keyed) => keyed.insert(field, Some(&Encoded::of(value)), stamp),
            Form::Packed(bytes) => {
                let known = edit::put(bytes, &Encoded::of(field), Some(&Encoded::of(value)), stamp);
                let count = Block::new(bytes).count();
                if count > limits.entries_max || bytes.len() > limits.bytes_max {
                    self.convert(limits.hash);
                }
                known
            }
        }
    }

    /// Removes a field. Returns its dot, zero if it had none.
    pub fn remove(&mut self, field: &[u8]) -> Option<Version> {
        match &mut self.0 {
            Form::Packed(bytes) => edit::take(bytes, &Encoded::of(field)),
            Form::Big(keyed) => keyed.remove(field),
        }
    }

    /// Turns big, if it is not yet.
    pub fn convert(&mut self, hash: HashFn) {
        if let Form::Packed(bytes) = &self.0 {
            self.0 = Form::Big(Keyed::of_block(Block::new(bytes), hash));
        }
    }

    /// Where the root of a large one lies, which every look-up reads first.
    pub fn root(&self) -> Option<*const u8> {
        match &self.0 {
            Form::Packed(_) => None,
            Form::Big(keyed) => Some(keyed.root()),
        }
    }

    /// What remains to be freed.
    pub fn discard(self) -> Discard {
        match self.0 {
            Form::Packed(_) => Discard::default(),
            Form::Big(keyed) => keyed.discard(),
        }
    }
}
