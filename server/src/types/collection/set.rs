//! Sets: members alone.
//!
//! Small: sorted integers of fixed width, as long as every member is one; else a block of members in the order in which they came. Big: [`Keyed`]
//! in the order of the members' hashes. A small set of integers with stamps is a marked block in the integers' order.

use super::block::{Block, Entry, INTEGERS};
use super::discard::Discard;
use super::edit::{self, Span};
use super::integers::{self, Integers};
use super::item::{Encoded, Item};
use super::keyed::Keyed;
use super::limits::{HashFn, Limits};
use super::stamp::{Mark, Stamp};
use super::tops::Tops;
use super::walk::Walk;
use crate::base::version::Version;

/// A member of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its text.
    pub member: Item<'a>,
    /// When it was added.
    pub stamp: Stamp<'a>,
}

impl<'a> Member<'a> {
    fn of(entry: Entry<'a>) -> Self {
        Member { member: entry.key(), stamp: entry.mark().stamp }
    }

    fn integer(value: i64) -> Self {
        Member { member: Item::Integer(value), stamp: Stamp::NONE }
    }
}

/// A set to read.
#[derive(Debug, Clone, Copy)]
pub struct SetView<'a>(View<'a>);

#[derive(Debug, Clone, Copy)]
enum View<'a> {
    Integers(Integers<'a>, Block<'a>),
    Packed(Block<'a>),
    Big(&'a Keyed),
}

impl<'a> SetView<'a> {
    /// The set in `packed`, which [`Set::packed`] returned.
    pub fn packed(packed: &'a [u8]) -> Self {
        let block = Block::new(packed);
        SetView(match Integers::of(block) {
            Some(integers) => View::Integers(integers, block),
            None => View::Packed(block),
        })
    }

    /// Number of members.
    pub fn len(self) -> u64 {
        match self.0 {
            View::Integers(_, block) | View::Packed(block) => block.count() as u64,
            View::Big(keyed) => keyed.len(),
        }
    }

    /// Whether it has no member.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Integers(..) => "intset",
            View::Packed(block) if block.has(INTEGERS) => "intset",
            View::Packed(_) => "listpack",
            View::Big(_) => "hashtable",
        }
    }

    /// Bytes of memory: of the packed bytes, or of all that a big set allocated.
    pub fn memory_bytes(self) -> usize {
        match self.0 {
            View::Integers(_, block) | View::Packed(block) => block.used(),
            View::Big(keyed) => keyed.memory_bytes(),
        }
    }

    /// Whether `member` is in it.
    #[inline]
    pub fn contains(self, member: &[u8]) -> bool {
        self.member(member).is_some()
    }

    /// The whole of `member`.
    #[inline]
    pub fn member(self, member: &[u8]) -> Option<Member<'a>> {
        match self.0 {
            View::Integers(integers, _) => {
                let value = Item::of(member).integer()?;
                integers.search(value).ok().map(|_| Member::integer(value))
            }
            View::Packed(block) => block.find(&Encoded::of(member)).map(Member::of),
            View::Big(keyed) => keyed.find(member).map(Member::of),
        }
    }

    /// The member at `index` of its own order: uniform if `index` is. O(log n) if big.
    pub fn at(self, index: u64) -> Option<Member<'a>> {
        let small = usize::try_from(index).ok()?;
        match self.0 {
            View::Integers(integers, _) => integers.get(small).map(Member::integer),
            View::Packed(block) => block.nth(small).map(Member::of),
            View::Big(keyed) => keyed.nth(index).map(Member::of),
        }
    }

    /// Its members in its own order.
    pub fn iter(self) -> Members<'a> {
        Members(match self.0 {
            View::Integers(integers, _) => Way::Integers(integers, 0),
            View::Packed(block) => Way::Items(Walk::block(block)),
            View::Big(keyed) => Way::Items(keyed.walk()),
        })
    }

    /// The same from `index` on. O(log n) to begin, if big.
    pub fn iter_from(self, index: u64) -> Members<'a> {
        let small = usize::try_from(index).unwrap_or(usize::MAX);
        Members(match self.0 {
            View::Integers(integers, _) => Way::Integers(integers, small),
            View::Packed(block) => Way::Items(Walk::range(block, small, usize::MAX, false)),
            View::Big(keyed) => Way::Items(keyed.walk_from(index)),
        })
    }

    /// As [`super::HashView::scan`].
    pub fn scan(self, cursor: u64, count: u64, mut visit: impl FnMut(Member<'a>)) -> u64 {
        match self.0 {
            View::Integers(..) | View::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            View::Big(keyed) => keyed.scan(cursor, count, |entry| visit(Member::of(entry))),
        }
    }

    /// Bounds of its dots.
    pub fn tops(self) -> Tops {
        match self.0 {
            View::Big(keyed) => keyed.tops().clone(),
            View::Packed(block) => Walk::block(block).tops(),
            View::Integers(..) => {
                let mut tops = Tops::default();
                self.iter().take(1).for_each(|member| tops.note(&member.stamp));
                tops
            }
        }
    }
}

/// The members of a set.
#[derive(Debug, Clone)]
pub struct Members<'a>(Way<'a>);

#[derive(Debug, Clone)]
enum Way<'a> {
    Integers(Integers<'a>, usize),
    Items(Walk<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        match &mut self.0 {
            Way::Items(walk) => walk.next().map(Member::of),
            Way::Integers(integers, index) => {
                let value = integers.get(*index)?;
                *index += 1;
                Some(Member::integer(value))
            }
        }
    }
}

/// A set to edit. A clone of a big one is a snapshot, as of a [`super::Hash`].
#[derive(Debug, Clone)]
pub struct Set(Form);

#[derive(Debug, Clone)]
enum Form {
    Packed(Vec<u8>),
    Big(Keyed),
}

impl Default for Set {
    fn default() -> Self {
        Set(Form::Packed(integers::empty()))
    }
}

impl Set {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of a packed set.
    pub fn from_packed(packed: &[u8]) -> Self {
        Set(Form::Packed(edit::copy(packed)))
    }

    /// Its packed bytes, unless it is big.
    pub fn packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(bytes) => Some(bytes),
            Form::Big(_) => None,
        }
    }

    /// To read it.
    pub fn view(&self) -> SetView<'_> {
        match &self.0 {
            Form::Packed(bytes) => SetView::packed(bytes),
            Form::Big(keyed) => SetView(View::Big(keyed)),
        }
    }

    /// Adds a member, and turns its form into the one that `limits` ask for. Returns the dot of the member if it was there, zero if it had none;
    /// then its stamp becomes `stamp`, unless that is none.
    pub fn insert(&mut self, member: &[u8], stamp: Stamp<'_>, limits: &Limits) -> Option<Version> {
        if let Some(known) = self.view().member(member) {
            let dot = known.stamp.dot;
            if !stamp.is_none() {
                self.put(member, stamp);
            }
            return Some(dot);
        }
        self.make_room(member, limits);
        self.put(member, stamp);
        None
    }

    /// Changes the form so that one more member fits.
    fn make_room(&mut self, member: &[u8], limits: &Limits) {
        let Form::Packed(bytes) = &mut self.0 else { return };
        let block = Block::new(bytes);
        let count = block.count() + 1;
        let is_integer = Item::of(member).integer().is_some();
        if block.has(INTEGERS) {
            if is_integer && count <= limits.integers_max {
                return;
            }
            let fits = count <= limits.entries_max && !is_integer;
            if count == 1 || fits {
                *bytes = plain(block);
            }
        }
        let block = Block::new(bytes);
        let is_small = count <= limits.entries_max
            && member.len() <= limits.element_bytes_max
            && block.used() + member.len() <= limits.bytes_max;
        if block.has(INTEGERS) || !is_small {
            self.convert(limits.hash);
        }
    }

    /// Adds a member of which the form has room, or sets its stamp.
    fn put(&mut self, member: &[u8], stamp: Stamp<'_>) {
        let key = Encoded::of(member);
        match &mut self.0 {
            Form::Big(keyed) => {
                keyed.insert(member, None, stamp);
            }
            Form::Packed(bytes) if !Block::new(bytes).has(INTEGERS) => {
                edit::put(bytes, &key, None, stamp);
            }
            Form::Packed(bytes) => {
                let Some(value) = Item::of(member).integer() else { return };
                if !stamp.is_none() && Integers::of(Block::new(bytes)).is_some() {
                    *bytes = marked(Block::new(bytes));
                }
                if Integers::of(Block::new(bytes)).is_some() {
                    integers::insert(bytes, value);
                } else {
                    put_in_order(bytes, value, stamp);
                }
            }
        }
    }

    /// Removes a member. Returns its dot, zero if it had none.
    pub fn remove(&mut self, member: &[u8]) -> Option<Version> {
        match &mut self.0 {
            Form::Big(keyed) => keyed.remove(member),
            Form::Packed(bytes) if Integers::of(Block::new(bytes)).is_some() => {
                let value = Item::of(member).integer()?;
                integers::remove(bytes, value).then_some(Version::ZERO)
            }
            Form::Packed(bytes) => edit::take(bytes, &Encoded::of(member)),
        }
    }

    /// Turns big, if it is not yet.
    pub fn convert(&mut self, hash: HashFn) {
        if let Form::Packed(bytes) = &self.0 {
            let block = Block::new(bytes);
            self.0 = Form::Big(match Integers::of(block) {
                Some(_) => Keyed::of_block(Block::new(&plain(block)), hash),
                None => Keyed::of_block(block, hash),
            });
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

/// Integers of either kind as a block of any members, in the same order.
fn plain(block: Block<'_>) -> Vec<u8> {
    let Some(integers) = Integers::of(block) else {
        let mut bytes = block.bytes().to_vec();
        let flags = block.flags() & !INTEGERS;
        edit::Buffer::splice(&mut bytes, block.used(), block.used(), &[], block.count(), flags);
        return bytes;
    };
    let mut bytes = edit::empty(0);
    let mut body = Vec::with_capacity(block.used());
    for value in (0..integers.count()).filter_map(|index| integers.get(index)) {
        body.extend_from_slice(Encoded::integer(value).head());
    }
    let end = bytes.len();
    edit::Buffer::splice(&mut bytes, end, end, &[&body], block.count(), 0);
    bytes
}

/// Integers of fixed width as a marked block in their order.
fn marked(block: Block<'_>) -> Vec<u8> {
    let mut bytes = plain(block);
    edit::make_marked(&mut bytes, None);
    let (used, block) = (bytes.len(), Block::new(&bytes));
    let (count, flags) = (block.count(), block.flags() | INTEGERS);
    edit::Buffer::splice(&mut bytes, used, used, &[], count, flags);
    bytes
}

/// Adds `value` to a marked block of integers, or sets its stamp.
fn put_in_order(bytes: &mut Vec<u8>, value: i64, stamp: Stamp<'_>) {
    let block = Block::new(bytes);
    let next = block.entries().find(|entry| entry.key().integer() >= Some(value));
    match next {
        Some(entry) if entry.key() == Item::Integer(value) => {
            let span = Span::from(entry);
            edit::set_mark(bytes, span, &Mark::of(stamp));
        }
        _ => {
            let at = next.map_or(block.used(), |entry| entry.at);
            edit::insert(bytes, at, &Mark::of(stamp), &Encoded::integer(value), None);
        }
    }
}
