//! The state of one key: its string and the elements of its collections, what operations do to them, and what a reader sees.
//!
//! Types meet here. Whatever sides of a partition wrote stays side by side; the type that was written last is the one that a reader sees, and the next write to the
//! key removes what its origin saw of the others.
//!
//! ```text
//! string          one field
//! hash, set, zset element id → field       a set's fields have no value, a sorted set's a score
//! list            position, dot → field    nothing that was pushed is ever replaced by another push
//! stream          entry's id, dot → field  likewise; groups, their consumers and what is pending by name
//! heads           deadlines of collections: an element whose only content is the deadline
//! ```
//!
//! A string's deadline is part of its elements. A collection has too many for that: its deadline is an element of its own, which is removed with the key. It never
//! makes a key on its own: without elements a key is absent, whatever its heads.

use super::counter::Cell;
use super::deadline::Ttl;
use super::field::{Field, Shown};
use super::string::Register;
use super::{Context, Dots, Element, Merge};
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::replication::effect::{ElementChange, Op};
use crate::replication::merge::Value;
use crate::replication::vector::Vector;
use crate::store::Kind;
use crate::types::collection::stream::is_entry;
use std::collections::BTreeMap;

/// The operation changes a part of a value that is not here: a concurrent write took its place, or this replica dropped it by itself. The
/// effect must not be applied nor its version covered; the state has to come from a node that covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value that an operation changes is not here")]
pub struct BaseMissing;

/// Which element of a key's collections. In their order elements of a list stand as readers see them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ElementId {
    /// The collection's type.
    pub kind: Kind,
    /// Field or member; in a list the position and the dot, high bytes first.
    pub id: Box<[u8]>,
}

impl ElementId {
    /// The element that a change in an effect of `version` is about.
    pub fn of(change: &ElementChange<'_>, kind: Kind, version: Version) -> Self {
        let id: Box<[u8]> = match (change, kind) {
            (ElementChange::Put { id, .. }, kind) if is_named_by_dot(kind, id) => {
                [id, &version.get().to_be_bytes()[..]].concat().into()
            }
            (
                ElementChange::Put { id, .. }
                | ElementChange::Remove { id }
                | ElementChange::Count { id, .. },
                _,
            ) => (*id).into(),
        };
        ElementId { kind, id }
    }
}

/// Whether an element that is put by this name bears its dot in its own: elements of lists and entries of streams, of which several may stand at one place.
fn is_named_by_dot(kind: Kind, id: &[u8]) -> bool {
    match kind {
        Kind::List => true,
        Kind::Stream => is_entry(id),
        _ => false,
    }
}

/// A part of a key's state that has dots of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Its string.
    String,
    /// The deadlines of its collections.
    Heads,
    /// An element of a collection.
    Element(Kind, &'a [u8]),
}

/// A deadline of the key's collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The deadline, and the dot.
    pub ttl: Ttl,
}

impl Element for Head {
    fn dot(&self) -> Version {
        self.ttl.version
    }

    fn ttl(&self) -> Ttl {
        // It does not go by itself: a replica keeps a collection until its primary says that it is gone.
        Ttl { deadline: None, ..self.ttl }
    }

    fn tie(self, other: Self) -> Self {
        Head { ttl: self.ttl.later(other.ttl) }
    }
}

/// See the module's description. Empty if the key is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyState {
    string: Field,
    heads: Dots<Head>,
    elements: BTreeMap<ElementId, Field>,
}

impl KeyState {
    /// A key that holds one value.
    pub fn with_register(register: Register) -> Self {
        KeyState { string: Field::with_register(register), ..KeyState::default() }
    }

    /// A key that holds a string and nothing else.
    pub fn with_string(string: Field) -> Self {
        KeyState { string, ..KeyState::default() }
    }

    /// Adds a register as it is: for states that are read from elsewhere.
    pub fn add_register(&mut self, register: Register) {
        self.string.add_register(register);
    }

    /// Adds a cell as it is: for states that are read from elsewhere.
    pub fn add_cell(&mut self, cell: Cell) {
        self.string.add_cell(cell);
    }

    /// Adds a deadline of collections as it is.
    pub fn add_head(&mut self, head: Head) {
        self.heads.insert(head);
    }

    /// Adds what an element holds as it is; nothing if it holds nothing.
    pub fn add_element(&mut self, id: ElementId, field: Field) {
        if !field.is_empty() {
            self.elements.insert(id, field);
        }
    }

    /// What it holds as a string.
    pub fn string(&self) -> &Field {
        &self.string
    }

    /// The deadlines of its collections: one, unless sides of a partition set them.
    pub fn heads(&self) -> &Dots<Head> {
        &self.heads
    }

    /// The elements of its collections, one type after another.
    pub fn elements(&self) -> &BTreeMap<ElementId, Field> {
        &self.elements
    }

    /// Its registers: one, unless sides of a partition wrote it.
    pub fn registers(&self) -> &Dots<Register> {
        self.string.registers()
    }

    /// What was added to it.
    pub fn cells(&self) -> &Dots<Cell> {
        self.string.cells()
    }

    /// The share of `tag`, if it counts.
    pub fn cell(&self, tag: Tag) -> Option<&Cell> {
        self.string.cell(tag)
    }

    /// The type that a reader sees: the one that was written last.
    pub fn kind(&self) -> Option<Kind> {
        let mut latest = (Version::ZERO, Kind::String);
        let mut see = |kind: Kind, field: &Field| {
            field.dots(&mut |dot| latest = latest.max((dot, kind)));
        };
        see(Kind::String, &self.string);
        self.elements.iter().for_each(|(id, field)| see(id.kind, field));
        (!latest.0.is_zero()).then_some(latest.1)
    }

    /// What a reader of strings sees at `now`; nothing once the deadline has passed, on every node at once.
    pub fn shown(&self, now: UnixMs) -> Option<Shown<'_>> {
        self.shown_ever().filter(|shown| !shown.ttl.is_over(now))
    }

    /// What a reader of strings would see before the deadline.
    pub fn shown_ever(&self) -> Option<Shown<'_>> {
        match self.elements.is_empty() || self.kind() == Some(Kind::String) {
            true => self.string.shown_ever(),
            false => None,
        }
    }

    /// The elements of `kind` that a reader sees, if that is the type that the key has.
    pub fn shown_elements(&self, kind: Kind) -> impl Iterator<Item = (&[u8], Shown<'_>)> {
        let is_shown = self.kind() == Some(kind);
        let of_kind = self.elements.iter().filter(move |(id, _)| is_shown && id.kind == kind);
        of_kind.filter_map(|(id, field)| Some((&*id.id, field.shown_ever()?)))
    }

    /// The deadline of its collections.
    pub fn collection_ttl(&self) -> Ttl {
        self.heads.iter().map(|head| head.ttl).fold(Ttl::default(), Ttl::later)
    }

    /// Whether it holds elements that no reader sees. The acting primary may write what is seen once more, which removes them everywhere; it need
    /// not, as the key's next write does the same.
    pub fn has_hidden(&self) -> bool {
        self.string.has_hidden()
    }

    /// Calls `visit` with each dot, and what it stands in.
    pub fn each_dot(&self, visit: &mut dyn FnMut(Part<'_>, Version)) {
        self.string.dots(&mut |dot| visit(Part::String, dot));
        self.heads.dots(&mut |dot| visit(Part::Heads, dot));
        for (id, field) in &self.elements {
            field.dots(&mut |dot| visit(Part::Element(id.kind, &id.id), dot));
        }
    }

    /// Drops everything whose part and dot are `removed`.
    pub fn forget_each(&mut self, removed: &dyn Fn(Part<'_>, Version) -> bool) {
        self.string.forget(&|dot| removed(Part::String, dot));
        self.heads.forget(&|dot| removed(Part::Heads, dot));
        self.elements.retain(|id, field| {
            field.forget(&|dot| removed(Part::Element(id.kind, &id.id), dot));
            !field.is_empty()
        });
    }

    /// Keeps the parts that have a dot which `keep` says.
    pub fn keep_parts(&mut self, keep: &dyn Fn(Part<'_>, Version) -> bool) {
        if !has_any(&self.string, |dot| keep(Part::String, dot)) {
            self.string = Field::default();
        }
        if !has_any(&self.heads, |dot| keep(Part::Heads, dot)) {
            self.heads = Dots::default();
        }
        self.elements
            .retain(|id, field| has_any(field, |dot| keep(Part::Element(id.kind, &id.id), dot)));
    }

    /// As [`Merge::join`], where `other` is only some of the parts: those that it does not have stay as they are.
    pub fn join_some(&mut self, own: &Vector, other: Self, theirs: &Vector) {
        if !other.string.is_empty() {
            self.string.join(own, other.string, theirs);
        }
        if !other.heads.is_empty() {
            self.heads.join(own, other.heads, theirs);
        }
        for (id, field) in other.elements {
            let mut joined = self.elements.remove(&id).unwrap_or_default();
            joined.join(own, field, theirs);
            self.add_element(id, joined);
        }
    }

    /// Applies an operation on this key. Nothing has changed if it fails.
    pub fn apply(&mut self, op: &Op<'_>, context: &Context<'_>) -> Result<(), BaseMissing> {
        let version = context.version;
        match op {
            Op::Put { value, value_version, deadline, deadline_version, .. } => {
                self.forget(&|dot| context.has_seen(dot));
                let set = deadline_version.unwrap_or(version);
                self.string.add_register(Register {
                    version: value_version.unwrap_or(version),
                    ttl: Ttl { deadline: *deadline, version: set },
                    value: Value::from(*value),
                });
            }
            Op::Delete { .. } => self.forget(&|dot| context.has_seen(dot)),
            // What the same transaction wrote before it goes as well.
            Op::Flush { seen, .. } => self.forget(&|dot| seen.covers(dot) || dot == version),
            Op::Deadline { base, deadline, .. } => {
                self.string.expire(*base, *deadline, context)?;
                self.forget_collections(context);
            }
            Op::Splice { base, len, offset, bytes, .. } => {
                self.string.splice(*base, (*len, *offset, bytes), context)?;
                self.forget_collections(context);
            }
            Op::Count { epoch, sum, deadline, deadline_version, .. } => {
                let set = deadline_version.unwrap_or(version);
                let ttl = Ttl { deadline: *deadline, version: set };
                self.string.count(*epoch, *sum, ttl, context);
                self.forget_collections(context);
            }
            Op::Elements { kind, changes, .. } => {
                changes.iter().for_each(|change| self.change(*kind, &change, context));
                self.forget_others(*kind, context);
            }
            Op::Head { deadline, .. } => {
                self.heads.retain(|head| !context.has_seen(head.dot()));
                self.heads.insert(Head { ttl: Ttl { deadline: *deadline, version } });
            }
        }
        Ok(())
    }

    fn change(&mut self, kind: Kind, change: &ElementChange<'_>, context: &Context<'_>) {
        let id = ElementId::of(change, kind, context.version);
        let field = self.elements.entry(id.clone()).or_default();
        field.change(change, context);
        if field.is_empty() {
            self.elements.remove(&id);
        }
    }

    /// Removes what the writer of a string had seen of collections.
    fn forget_collections(&mut self, context: &Context<'_>) {
        if !self.elements.is_empty() || !self.heads.is_empty() {
            self.heads.forget(&|dot| context.has_seen(dot));
            self.forget_elements(|_| true, &|dot| context.has_seen(dot));
        }
    }

    /// Removes what the writer of a collection had seen of other types: who writes one type has seen that it is the key's.
    fn forget_others(&mut self, kind: Kind, context: &Context<'_>) {
        self.string.forget(&|dot| context.has_seen(dot));
        self.forget_elements(|id| id.kind != kind, &|dot| context.has_seen(dot));
    }

    fn forget_elements(
        &mut self,
        mut concerns: impl FnMut(&ElementId) -> bool,
        removed: &dyn Fn(Version) -> bool,
    ) {
        self.elements.retain(|id, field| {
            if concerns(id) {
                field.forget(removed);
            }
            !field.is_empty()
        });
    }
}

/// Whether a dot of `part` is one that `is` says.
fn has_any(part: &impl Merge, is: impl Fn(Version) -> bool) -> bool {
    let mut any = false;
    part.dots(&mut |dot| any |= is(dot));
    any
}

impl Merge for KeyState {
    fn join(&mut self, own: &Vector, mut other: Self, theirs: &Vector) {
        self.string.join(own, other.string, theirs);
        self.heads.join(own, other.heads, theirs);
        self.elements.retain(|id, field| {
            field.join(own, other.elements.remove(id).unwrap_or_default(), theirs);
            !field.is_empty()
        });
        for (id, field) in other.elements {
            let mut joined = Field::default();
            joined.join(own, field, theirs);
            self.add_element(id, joined);
        }
    }

    fn forget(&mut self, removed: &dyn Fn(Version) -> bool) {
        self.forget_each(&|_, dot| removed(dot));
    }

    fn drop_expired(&mut self, before: UnixMs) {
        // Collections wait for their primary's word; see `Head`.
        self.string.drop_expired(before);
    }

    fn dots(&self, visit: &mut dyn FnMut(Version)) {
        self.each_dot(&mut |_, dot| visit(dot));
    }

    fn is_empty(&self) -> bool {
        self.string.is_empty() && self.heads.is_empty() && self.elements.is_empty()
    }
}
