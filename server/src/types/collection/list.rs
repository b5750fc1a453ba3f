//! Lists: elements by position.
//!
//! Small: a block in order. Big: [`Sequence`], in leaves that are found by index.
//!
//! A list that replicas know gives every element a [`Position`] for good. As long as nobody knows it, an element's position is its index, and
//! nothing is stored. [`List::number`] fixes that; it must come before the first edit of a list that another node may have seen.

use super::block::{Block, Entry, MARKED, NUMBERED};
use super::discard::Discard;
use super::edit::{self, Span};
use super::item::{Encoded, Item};
use super::limits::Limits;
use super::position::{Crowded, Position};
use super::sequence::{Sequence, SequenceWalk};
use super::stamp::{Mark, Stamp};
use super::tops::Tops;
use super::walk::Walk;
use crate::base::version::Version;

/// An element of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// Its text.
    pub value: Item<'a>,
    /// Where it stands among its neighbours.
    pub position: Position,
    /// When it was written.
    pub stamp: Stamp<'a>,
}

impl<'a> Element<'a> {
    /// `implied` is the position of an element that does not say.
    pub(super) fn of(entry: Entry<'a>, implied: Position) -> Self {
        let mark = entry.mark();
        let position = mark.position.unwrap_or(implied);
        Element { value: entry.key(), position, stamp: mark.stamp }
    }
}

/// A list to read.
#[derive(Debug, Clone, Copy)]
pub struct ListView<'a>(View<'a>);

#[derive(Debug, Clone, Copy)]
enum View<'a> {
    Packed(Block<'a>),
    Big(&'a Sequence),
}

impl<'a> ListView<'a> {
    /// The list in `packed`, which [`List::packed`] returned.
    pub fn packed(packed: &'a [u8]) -> Self {
        ListView(View::Packed(Block::new(packed)))
    }

    /// Number of elements.
    pub fn len(self) -> u64 {
        match self.0 {
            View::Packed(block) => block.count() as u64,
            View::Big(sequence) => sequence.len(),
        }
    }

    /// Whether it has no element.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Packed(_) => "listpack",
            View::Big(_) => "quicklist",
        }
    }

    /// Bytes of memory: of the packed bytes, or of all that a big list allocated.
    pub fn memory_bytes(self) -> usize {
        match self.0 {
            View::Packed(block) => block.used(),
            View::Big(sequence) => sequence.memory_bytes(),
        }
    }

    /// The text at `index`.
    #[inline]
    pub fn get(self, index: u64) -> Option<Item<'a>> {
        self.at(index).map(|element| element.value)
    }

    /// The whole element at `index`. O(log n) if big.
    pub fn at(self, index: u64) -> Option<Element<'a>> {
        self.range(index, index.saturating_add(1), false).next()
    }

    /// The elements from index `from` up to but not with `to`, or the same from the last to the first if `reverse`.
    pub fn range(self, from: u64, to: u64, reverse: bool) -> Elements<'a> {
        match self.0 {
            View::Big(sequence) => Elements(Way::Big(sequence.range(from, to, reverse))),
            View::Packed(block) => {
                let (from, to) = clip(block, from, to);
                let walk = Walk::range(block, from, to, reverse);
                let index = if reverse { to as i64 - 1 } else { from as i64 };
                Elements(Way::Packed { walk, index, step: if reverse { -1 } else { 1 } })
            }
        }
    }

    /// Its elements in order.
    pub fn iter(self) -> Elements<'a> {
        self.range(0, u64::MAX, false)
    }

    /// The index of the first element at or after `from` whose text is `text`.
    pub fn find(self, text: &[u8], from: u64) -> Option<u64> {
        let text = Item::of(text);
        let found = self.range(from, u64::MAX, false).position(|element| element.value == text);
        found.map(|ahead| from + ahead as u64)
    }

    /// The index of the last element before `to` whose text is `text`.
    pub fn find_back(self, text: &[u8], to: u64) -> Option<u64> {
        let (text, to) = (Item::of(text), to.min(self.len()));
        let found = self.range(0, to, true).position(|element| element.value == text);
        found.map(|back| to - 1 - back as u64)
    }

    /// The index of the element that stands at `position` and was written as `dot`, or that at which it would be.
    pub fn place(self, position: Position, dot: Version) -> Result<u64, u64> {
        let wanted = (position, dot);
        match self.0 {
            View::Big(sequence) => sequence.place(position, dot),
            View::Packed(_) => {
                let mut elements = self.iter().map(|at| (at.position, at.stamp.dot)).enumerate();
                match elements.find(|(_, known)| *known >= wanted) {
                    Some((index, known)) if known == wanted => Ok(index as u64),
                    Some((index, _)) => Err(index as u64),
                    None => Err(self.len()),
                }
            }
        }
    }

    /// Whether its elements have positions for good.
    pub fn is_numbered(self) -> bool {
        match self.0 {
            View::Packed(block) => block.has(NUMBERED),
            View::Big(sequence) => sequence.is_numbered(),
        }
    }

    /// Bounds of its dots.
    pub fn tops(self) -> Tops {
        match self.0 {
            View::Packed(block) => Walk::block(block).tops(),
            View::Big(sequence) => sequence.tops().clone(),
        }
    }

    /// The position of a new element before the one at `index`, or at the end. `aims_right`: more are to be expected before that element,
    /// rather than after the one in front of it.
    fn gap(self, index: u64, aims_right: bool) -> Result<Position, Crowded> {
        let left = index.checked_sub(1).and_then(|left| self.at(left));
        match (left, self.at(index)) {
            (None, None) => Ok(Position::default()),
            (Some(left), None) => Ok(left.position.after()),
            (None, Some(right)) => Ok(right.position.before()),
            (Some(left), Some(right)) => {
                Position::between(left.position, right.position, aims_right)
            }
        }
    }
}

fn clip(block: Block<'_>, from: u64, to: u64) -> (usize, usize) {
    let to = to.min(block.count() as u64);
    (from.min(to) as usize, to as usize)
}

/// Elements of a list, one after the other.
#[derive(Debug, Clone)]
pub struct Elements<'a>(Way<'a>);

#[derive(Debug, Clone)]
enum Way<'a> {
    Packed { walk: Walk<'a>, index: i64, step: i64 },
    Big(SequenceWalk<'a>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            Way::Big(walk) => walk.next(),
            Way::Packed { walk, index, step } => {
                let implied = Position::new(*index, 0);
                *index += *step;
                walk.next().map(|entry| Element::of(entry, implied))
            }
        }
    }
}

/// A list to edit. A clone of a big one is a snapshot, as of a [`super::Hash`].
#[derive(Debug, Clone)]
pub struct List(Form);

#[derive(Debug, Clone)]
enum Form {
    Packed(Vec<u8>),
    Big(Sequence),
}

impl Default for List {
    fn default() -> Self {
        List(Form::Packed(edit::empty(0)))
    }
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy of a packed list.
    pub fn from_packed(packed: &[u8]) -> Self {
        List(Form::Packed(edit::copy(packed)))
    }

    /// Its packed bytes, unless it is big.
    pub fn packed(&self) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(bytes) => Some(bytes),
            Form::Big(_) => None,
        }
    }

    /// To read it.
    pub fn view(&self) -> ListView<'_> {
        ListView(match &self.0 {
            Form::Packed(bytes) => View::Packed(Block::new(bytes)),
            Form::Big(sequence) => View::Big(sequence),
        })
    }

    /// Gives every element the position for good that it has now. Must come before the first edit, removals included, of a list that another
    /// node may know. An edit with a stamp does it by itself.
    pub fn number(&mut self) {
        match &mut self.0 {
            Form::Big(sequence) => sequence.number(),
            Form::Packed(bytes) => {
                if Block::new(bytes).has(NUMBERED) {
                    return;
                }
                debug_assert!(!Block::new(bytes).has(MARKED), "stamps come with positions");
                edit::make_marked(bytes, Some(Position::default()));
            }
        }
    }

    /// Adds an element at the front.
    pub fn push_front(&mut self, value: &[u8], stamp: Stamp<'_>, limits: &Limits) {
        let _pushed = self.insert(0, value, false, stamp, limits);
    }

    /// Adds an element at the end.
    pub fn push_back(&mut self, value: &[u8], stamp: Stamp<'_>, limits: &Limits) {
        let _pushed = self.insert(self.view().len(), value, false, stamp, limits);
    }

    /// Adds an element so that its index is `index`, or the length if that is less. `before` says that the client named the element that
    /// was there (LINSERT BEFORE), rather than the one in front of it: see [`Position::between`]. On [`Crowded`], which only numbered lists
    /// meet and only between two neighbours, nothing has changed; [`List::respread`] makes room.
    pub fn insert(
        &mut self,
        index: u64,
        value: &[u8],
        before: bool,
        stamp: Stamp<'_>,
        limits: &Limits,
    ) -> Result<(), Crowded> {
        if !stamp.is_none() {
            self.number();
        }
        let index = index.min(self.view().len());
        let is_numbered = self.view().is_numbered();
        let position = if is_numbered { Some(self.view().gap(index, before)?) } else { None };
        self.insert_at(index, &Encoded::of(value), Mark { stamp, position }, limits);
        Ok(())
    }

    /// Adds an element that another node wrote, where its position and its dot belong; replaces one that has the same. Returns its index.
    pub fn put(
        &mut self,
        position: Position,
        value: &[u8],
        stamp: Stamp<'_>,
        limits: &Limits,
    ) -> u64 {
        self.number();
        let mark = Mark { stamp, position: Some(position) };
        match self.view().place(position, stamp.dot) {
            Ok(index) => {
                self.set_at(index, &Encoded::of(value), mark, limits);
                index
            }
            Err(index) => {
                self.insert_at(index, &Encoded::of(value), mark, limits);
                index
            }
        }
    }

    /// Replaces the element at `index`, if there is one. Returns its dot, zero if it had none. The element keeps its position unless others stand
    /// at the same one behind it, which the new dot would make it pass; then it takes one just before. On [`Crowded`] nothing has changed.
    pub fn set(
        &mut self,
        index: u64,
        value: &[u8],
        stamp: Stamp<'_>,
        limits: &Limits,
    ) -> Result<Option<Version>, Crowded> {
        if !stamp.is_none() {
            self.number();
        }
        let view = self.view();
        let Some(known) = view.at(index) else { return Ok(None) };
        let (dot, mut position) = (known.stamp.dot, known.position);
        let next = view.at(index + 1).map(|next| next.position);
        if next == Some(position) {
            let left = index.checked_sub(1).and_then(|left| view.at(left));
            position = match left {
                Some(left) => Position::between(left.position, position, true)?,
                None => position.before(),
            };
        }
        let position = view.is_numbered().then_some(position);
        self.set_at(index, &Encoded::of(value), Mark { stamp, position }, limits);
        Ok(Some(dot))
    }

    /// Removes the elements from index `from` up to but not with `to`. O(log n) if big, but for what is freed: that is left to the caller.
    pub fn remove(&mut self, from: u64, to: u64) -> Discard {
        match &mut self.0 {
            Form::Big(sequence) => sequence.remove(from, to),
            Form::Packed(bytes) => {
                let block = Block::new(bytes);
                let (from, to) = clip(block, from, to);
                if from < to {
                    let (start, end) = (block.place(from), block.place(to));
                    edit::remove(bytes, start, end, to - from);
                }
                Discard::default()
            }
        }
    }

    /// Gives every element a new position, so that there is room between all again, and `stamp`: this is one write of the whole list. O(n).
    pub fn respread(&mut self, stamp: Stamp<'_>, limits: &Limits) -> Discard {
        let old = std::mem::take(self);
        for element in old.view().iter() {
            self.push_back(element.value.text(&mut itoa::Buffer::new()), stamp, limits);
        }
        old.discard()
    }

    pub(super) fn insert_at(
        &mut self,
        index: u64,
        value: &Encoded<'_>,
        mark: Mark<'_>,
        limits: &Limits,
    ) {
        self.make_room(value, limits);
        match &mut self.0 {
            Form::Big(sequence) => sequence.insert(index, value, mark),
            Form::Packed(bytes) => {
                let at = match Block::new(bytes) {
                    block if index == block.count() as u64 => block.used(),
                    block => block.place(index as usize),
                };
                edit::insert(bytes, at, &mark, value, None);
            }
        }
    }

    /// Redis looks whether the list stays small as if `value` came in addition, and so does this: else a list would be called otherwise than there.
    pub(super) fn set_at(
        &mut self,
        index: u64,
        value: &Encoded<'_>,
        mark: Mark<'_>,
        limits: &Limits,
    ) {
        self.make_room(value, limits);
        match &mut self.0 {
            Form::Big(sequence) => sequence.set(index, value, mark),
            Form::Packed(bytes) => {
                let Some(entry) = Block::new(bytes).nth(index as usize) else { return };
                let span = Span::from(entry);
                edit::set_key(bytes, span, value);
                edit::set_mark(bytes, span, &mark);
            }
        }
    }

    /// Turns big, if it is too small a form for one more element.
    fn make_room(&mut self, added: &Encoded<'_>, limits: &Limits) {
        if let Form::Packed(bytes) = &self.0
            && !fits(Block::new(bytes), added.len(), limits)
        {
            self.convert();
        }
    }

    /// Turns big, if it is not yet.
    pub fn convert(&mut self) {
        if let Form::Packed(bytes) = &self.0 {
            self.0 = Form::Big(Sequence::of_block(Block::new(bytes)));
        }
    }

    /// Packs a big list that has shrunk to half of `limits`, as Redis does after removals and replacements.
    pub fn shrink(&mut self, limits: &Limits) {
        if let Form::Big(sequence) = &self.0
            && sequence.len() <= limits.entries_max as u64 / 2
            && let Some(packed) = sequence.pack(limits.bytes_max / 2)
        {
            self.0 = Form::Packed(packed);
        }
    }

    /// Where the root of a large one lies, which every look-up reads first.
    pub fn root(&self) -> Option<*const u8> {
        match &self.0 {
            Form::Packed(_) => None,
            Form::Big(sequence) => Some(sequence.root()),
        }
    }

    /// What remains to be freed.
    pub fn discard(self) -> Discard {
        match self.0 {
            Form::Packed(_) => Discard::default(),
            Form::Big(sequence) => sequence.discard(),
        }
    }
}

/// Whether one more element leaves the list small. Redis counts a byte or two more for each element, the length behind it, and one for the end, so
/// the name of the form changes where it does there.
fn fits(block: Block<'_>, added: usize, limits: &Limits) -> bool {
    let count = block.count() + 1;
    count <= limits.entries_max && block.used() + added + count <= limits.bytes_max
}
