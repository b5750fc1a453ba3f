//! Keys' states as the store keeps them: a single value is a plain entry, and so is a collection, whose elements bear what replication needs beside them; anything
//! else is a mixed entry, whose elements the store does not understand.

use super::merge::{
    ElementId, Field, Head, KeyState, Merge, Part, Register, Ttl, Value, score_bytes, score_of,
};
use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::store::{
    self, Collection, CollectionRef, Entry, Kind, Merged, Shapes, State, ValueRef, element_id,
    position_of,
};
use crate::types::collection::{
    Hash, Item, Limits, List, ListView, Set, Stamp, Stream, Zset, stream,
};
use torc_protocol::peer::wire::Reader;

/// The state that an entry stands for. `origin` is the version of an entry that has none.
pub fn key_state(entry: Entry<'_>, origin: Version) -> KeyState {
    if let Some(elements) = entry.elements() {
        return decode(elements);
    }
    match entry.any_collection() {
        Some(collection) => of_collection(&collection, head_of(entry, origin), origin),
        None => entry.with_state(origin, of_state),
    }
}

/// As [`key_state`], of what the store shows its journal.
pub fn of_state(state: State<'_>) -> KeyState {
    match state.value {
        store::Value::Mixed(_, elements) | store::Value::MixedCollection(_, _, elements) => {
            decode(elements)
        }
        store::Value::Plain(value) => KeyState::with_register(Register {
            version: state.version,
            ttl: ttl(&state),
            value: Value::from(value),
        }),
        store::Value::Collection(_) => unreachable!("the journal is asked about strings"),
    }
}

/// The deadline of a plain state.
pub fn ttl(state: &State<'_>) -> Ttl {
    Ttl { deadline: state.deadline, version: state.deadline_version.unwrap_or(state.version) }
}

/// Elements that the store keeps for us were written by us.
pub fn decode(elements: &[u8]) -> KeyState {
    KeyState::decode(&mut Reader::new(elements)).expect("the store gives back what it was given")
}

/// As [`decode`], of one element of a collection.
pub fn decode_field(siblings: &[u8]) -> Field {
    Field::decode(&mut Reader::new(siblings)).expect("the store gives back what it was given")
}

fn bytes(bytes: &[u8]) -> ValueRef<'_> {
    ValueRef::Bytes { bytes, raw: false }
}

/// The state of a collection's element.
pub fn field_of(stamp: Stamp<'_>, value: ValueRef<'_>, origin: Version) -> Field {
    if !stamp.siblings.is_empty() {
        return decode_field(stamp.siblings);
    }
    let version = dot_or(stamp.dot, origin);
    Field::with_register(Register {
        version,
        ttl: Ttl { deadline: None, version },
        value: Value::from(value),
    })
}

fn dot_or(dot: Version, origin: Version) -> Version {
    if dot.is_zero() { origin } else { dot }
}

/// Calls `visit` with each element of a collection: its id, its stamp and what it holds.
pub fn each_element(
    collection: &CollectionRef<'_>,
    origin: Version,
    visit: impl FnMut(&[u8], Stamp<'_>, ValueRef<'_>),
) {
    elements_from(collection, origin, (0, u64::MAX), visit);
}

/// As [`each_element`], with about `count` elements from `at` on, where 0 begins. Returns where to go on.
pub fn elements_from(
    collection: &CollectionRef<'_>,
    origin: Version,
    (at, count): (u64, u64),
    mut visit: impl FnMut(&[u8], Stamp<'_>, ValueRef<'_>),
) -> Option<u64> {
    let (mut id, mut text) = (itoa::Buffer::new(), itoa::Buffer::new());
    let next = match collection.kind() {
        Kind::Hash => collection.hash().scan(at, count, |it| {
            visit(it.field.text(&mut id), it.stamp, bytes(it.value.text(&mut text)));
        }),
        Kind::Set => collection.set().scan(at, count, |it| {
            visit(it.member.text(&mut id), it.stamp, bytes(b""));
        }),
        Kind::Zset => collection.zset().scan(at, count, |it| {
            visit(it.member.text(&mut id), it.stamp, bytes(&score_bytes(it.score)));
        }),
        Kind::List => {
            let list = collection.list();
            let to = at.saturating_add(count).min(list.len());
            list.range(at, to, false).for_each(|it| {
                let id = element_id(it.position, dot_or(it.stamp.dot, origin));
                visit(&id, it.stamp, bytes(it.value.text(&mut text)));
            });
            if to < list.len() { to } else { 0 }
        }
        Kind::Stream => collection
            .stream()
            .elements_from(at, count, origin, |id, stamp, value| visit(id, stamp, bytes(value))),
        Kind::String => 0,
    };
    (next != 0).then_some(next)
}

fn of_collection(collection: &CollectionRef<'_>, head: Option<Head>, origin: Version) -> KeyState {
    let mut state = KeyState::default();
    if let Some(head) = head {
        state.add_head(head);
    }
    let kind = collection.kind();
    each_element(collection, origin, |id, stamp, value| {
        state.add_element(ElementId { kind, id: id.into() }, field_of(stamp, value, origin));
    });
    state
}

/// The dots of a collection's elements, each with what it stands in.
pub fn collection_dots(
    collection: &CollectionRef<'_>,
    origin: Version,
    visit: &mut dyn FnMut(Part<'_>, Version),
) {
    let kind = collection.kind();
    each_element(collection, origin, |id, stamp, _| {
        let part = Part::Element(kind, id);
        match stamp.siblings {
            [] => visit(part, dot_or(stamp.dot, origin)),
            siblings => decode_field(siblings).dots(&mut |dot| visit(part, dot)),
        }
    });
}

/// The latest dot of each tag in a collection: bounds, which cover what is covered.
pub fn collection_tops(
    collection: &CollectionRef<'_>,
    origin: Version,
    visit: &mut dyn FnMut(Version),
) {
    let tops = collection.tops();
    if tops.has_siblings() {
        return collection_dots(collection, origin, &mut |_, dot| visit(dot));
    }
    tops.dots().iter().for_each(|&dot| visit(dot));
    if tops.has_unstamped() {
        visit(origin);
    }
}

/// The dots of what an entry holds, each with what it stands in.
pub fn dots(entry: Entry<'_>, origin: Version, visit: &mut dyn FnMut(Part<'_>, Version)) {
    if let Some(elements) = entry.elements() {
        return decode(elements).each_dot(visit);
    }
    match entry.any_collection() {
        Some(collection) => {
            head_dot(entry, origin).into_iter().for_each(|dot| visit(Part::Heads, dot));
            collection_dots(&collection, origin, visit);
        }
        None => {
            let version = entry.version().unwrap_or(origin);
            visit(Part::String, version.max(entry.deadline_version().unwrap_or_default()));
        }
    }
}

/// The deadline of a plain collection.
pub fn head_of(entry: Entry<'_>, origin: Version) -> Option<Head> {
    let version = head_dot(entry, origin)?;
    Some(Head { ttl: Ttl { deadline: entry.deadline(), version } })
}

/// The dot of a collection's deadline.
fn head_dot(entry: Entry<'_>, origin: Version) -> Option<Version> {
    entry.deadline_version().or_else(|| entry.deadline().map(|_| origin))
}

/// Whether `vector` covers all of an entry.
pub fn is_covered(entry: Entry<'_>, origin: Version, vector: &Vector) -> bool {
    let mut covered = true;
    dots(entry, origin, &mut |_, dot| covered &= vector.covers(dot));
    covered
}

/// Whether every dot of an entry is seen by a writer; sometimes not though it is so.
pub fn is_surely_seen(entry: Entry<'_>, origin: Version, seen: &dyn Fn(Version) -> bool) -> bool {
    if entry.elements().is_some() {
        return false;
    }
    match entry.any_collection() {
        Some(collection) => {
            let mut all = head_dot(entry, origin).is_none_or(seen);
            collection_tops(&collection, origin, &mut |dot| all &= seen(dot));
            all
        }
        None => {
            let version = entry.version().unwrap_or(origin);
            seen(version.max(entry.deadline_version().unwrap_or_default()))
        }
    }
}

/// A state in the form in which the store takes it.
#[derive(Debug)]
pub struct Stored {
    value: Shown,
    elements: Option<Vec<u8>>,
    version: Version,
    deadline: Option<UnixMs>,
    deadline_version: Option<Version>,
}

#[derive(Debug)]
enum Shown {
    String(Value),
    Collection(Collection),
}

impl Stored {
    /// What the store is to keep of `state`; nothing if nothing is left. `shapes` says how its collection is kept.
    pub fn of(state: &KeyState, shapes: &Shapes) -> Option<Stored> {
        match state.kind() {
            Some(Kind::String) => Some(Self::of_string(state)),
            Some(kind) => Some(Self::of_elements(state, kind, &shapes.limits(kind))),
            // Deadlines of a collection that has no elements: a key that is gone, and waits for those who still have to hear of it.
            None if !state.is_empty() => Some(Stored {
                value: Shown::Collection(Collection::Hash(Hash::new())),
                deadline: Some(0),
                ..Self::mixed(state, Shown::String(Value::Integer(0)))
            }),
            None => None,
        }
    }

    fn of_string(state: &KeyState) -> Stored {
        let shown = state.shown_ever().expect("a string is what is shown");
        let mut registers = state.registers().iter();
        let alone = state.elements().is_empty() && state.heads().is_empty();
        if let (Some(register), None, true, true) =
            (registers.next(), registers.next(), state.cells().is_empty(), alone)
        {
            let set = register.ttl.version;
            return Stored {
                value: Shown::String(shown.value.into_owned()),
                elements: None,
                version: register.version,
                deadline: register.ttl.deadline,
                deadline_version: (set != register.version).then_some(set),
            };
        }
        let deadline = shown.ttl.deadline;
        Stored { deadline, ..Self::mixed(state, Shown::String(shown.value.into_owned())) }
    }

    fn of_elements(state: &KeyState, kind: Kind, limits: &Limits) -> Stored {
        let mut elements = state.elements().keys();
        let is_plain = state.string().is_empty()
            && state.heads().iter().len() <= 1
            && elements.all(|id| id.kind == kind);
        let deadline = state.collection_ttl().deadline;
        if !is_plain {
            let unlimited = Limits {
                entries_max: usize::MAX,
                element_bytes_max: usize::MAX,
                bytes_max: usize::MAX,
                integers_max: usize::MAX,
                ..*limits
            };
            let mut shown = collection_of(state, kind, &unlimited);
            if let Collection::Stream(stream) = &mut shown {
                stream.pack();
            }
            let shown = Shown::Collection(shown);
            return Stored { deadline, ..Self::mixed(state, shown) };
        }
        let mut version = Version::ZERO;
        state.elements().values().for_each(|field| {
            field.dots(&mut |dot| version = version.max(dot));
        });
        Stored {
            value: Shown::Collection(collection_of(state, kind, limits)),
            elements: None,
            version,
            deadline,
            deadline_version: state.heads().iter().next().map(|head| head.ttl.version),
        }
    }

    fn mixed(state: &KeyState, value: Shown) -> Stored {
        let mut elements = Vec::new();
        state.encode(&mut elements);
        let mut version = Version::ZERO;
        state.dots(&mut |dot| version = version.max(dot));
        let (deadline, deadline_version) = (None, None);
        Stored { value, elements: Some(elements), version, deadline, deadline_version }
    }

    /// As the store takes it.
    pub fn state(&self) -> State<'_> {
        let value = match (&self.value, &self.elements) {
            (Shown::String(shown), None) => store::Value::Plain(shown.as_ref()),
            (Shown::String(shown), Some(elements)) => store::Value::Mixed(shown.as_ref(), elements),
            (Shown::Collection(shown), None) => store::Value::Collection(shown),
            (Shown::Collection(shown), Some(elements)) => {
                let packed = shown.packed().expect("made without limits");
                store::Value::MixedCollection(shown.kind(), packed, elements)
            }
        };
        State {
            value,
            version: self.version,
            deadline: self.deadline,
            deadline_version: self.deadline_version,
        }
    }
}

/// The elements of `kind` with their stamps.
fn collection_of(state: &KeyState, kind: Kind, limits: &Limits) -> Collection {
    let fields = state.elements().iter().filter(|(id, _)| id.kind == kind);
    let fields = fields.map(|(id, field)| (&*id.id, field));
    let mut collection = match kind {
        Kind::Hash => Collection::Hash(Hash::new()),
        Kind::Set => Collection::Set(Set::new()),
        Kind::Zset => Collection::Zset(Zset::new()),
        Kind::Stream => Collection::Stream(Stream::new()),
        Kind::List | Kind::String => Collection::List(List::new()),
    };
    fields.for_each(|(id, field)| put_field(&mut collection, id, field, limits, Version::ZERO));
    collection
}

/// Puts the state of an element in the place of the element's, which goes if the state is empty.
pub fn put_field(
    collection: &mut Collection,
    id: &[u8],
    field: &Field,
    limits: &Limits,
    origin: Version,
) {
    let Some(shown) = field.shown_ever() else { return remove_element(collection, id, origin) };
    let joined = match collection {
        Collection::Stream(_) => joined(id, field),
        _ => None,
    };
    let mut siblings = Vec::new();
    if !field.is_plain() {
        field.encode(&mut siblings);
    }
    let mut dot = Version::ZERO;
    field.dots(&mut |other| dot = dot.max(other));
    let stamp = Stamp { dot, siblings: &siblings };
    let shown = || shown.value.to_bytes();
    put_text(collection, id, &joined.unwrap_or_else(|| shown().to_vec()), stamp, limits);
}

/// What a stream's readers see of an element that sides of a partition wrote, where that is not what was written last.
fn joined(id: &[u8], field: &Field) -> Option<Vec<u8>> {
    if field.is_plain() {
        return None;
    }
    let values: Vec<_> = field.registers().iter().map(|it| it.value.to_bytes()).collect();
    stream::merged(id, values.iter().map(|value| &value[..]))
}

/// Position and dot of an element of a list.
fn list_id(id: &[u8]) -> Option<(crate::types::collection::Position, Version)> {
    let (position, dot) = id.split_at_checked(16)?;
    let dot = u64::from_be_bytes(dot.try_into().ok()?);
    Some((position_of(position)?, Version::from_bits(dot)))
}

/// Where an element of a list is. One without a dot counts as written at the origin.
fn list_index(list: ListView<'_>, id: &[u8], origin: Version) -> Option<u64> {
    let (position, dot) = list_id(id)?;
    let place = list.place(position, dot);
    let unstamped = || list.place(position, Version::ZERO).ok().filter(|_| dot == origin);
    place.ok().or_else(unstamped)
}

/// Takes an element out.
pub fn remove_element(collection: &mut Collection, id: &[u8], origin: Version) {
    match collection {
        Collection::Hash(hash) => drop(hash.remove(id)),
        Collection::Set(set) => drop(set.remove(id)),
        Collection::Zset(zset) => {
            zset.remove(id);
        }
        Collection::List(list) => {
            if let Some(index) = list_index(list.view(), id, origin) {
                list.number();
                drop(list.remove(index, index + 1));
            }
        }
        Collection::Stream(stream) => stream.take_element(id, origin),
    }
}

/// The state of an element; none if it is not there.
pub fn element_field(collection: &Collection, id: &[u8], origin: Version) -> Option<Field> {
    let text = |item: Item<'_>| item.to_vec();
    match collection {
        Collection::Hash(hash) => {
            let known = hash.view().field(id)?;
            Some(field_of(known.stamp, bytes(&text(known.value)), origin))
        }
        Collection::Set(set) => Some(field_of(set.view().member(id)?.stamp, bytes(b""), origin)),
        Collection::Zset(zset) => {
            let known = zset.view().member(id)?;
            Some(field_of(known.stamp, bytes(&score_bytes(known.score)), origin))
        }
        Collection::List(list) => {
            let view = list.view();
            let known = view.at(list_index(view, id, origin)?)?;
            Some(field_of(known.stamp, bytes(&text(known.value)), origin))
        }
        Collection::Stream(stream) => {
            let (stamp, value) = stream.element(id, origin)?;
            Some(field_of(stamp, bytes(&value), origin))
        }
    }
}

/// The dot of an element: `Some(None)` of one with siblings, none of one that is not there.
pub fn plain_dot(collection: &Collection, id: &[u8], origin: Version) -> Option<Option<Version>> {
    let stamp = match collection {
        Collection::Hash(hash) => hash.view().field(id)?.stamp,
        Collection::Set(set) => set.view().member(id)?.stamp,
        Collection::Zset(zset) => zset.view().member(id)?.stamp,
        Collection::List(list) => {
            let view = list.view();
            view.at(list_index(view, id, origin)?)?.stamp
        }
        Collection::Stream(stream) => stream.element_stamp(id, origin)?,
    };
    Some(stamp.siblings.is_empty().then(|| dot_or(stamp.dot, origin)))
}

/// Puts one value in the place of what an element holds.
pub fn put_plain(
    collection: &mut Collection,
    id: &[u8],
    value: ValueRef<'_>,
    version: Version,
    limits: &Limits,
) {
    let mut buffer = itoa::Buffer::new();
    let text = match value {
        ValueRef::Integer(value) => buffer.format(value).as_bytes(),
        ValueRef::Bytes { bytes, .. } => bytes,
    };
    put_text(collection, id, text, Stamp::of(version), limits);
}

fn put_text(
    collection: &mut Collection,
    id: &[u8],
    text: &[u8],
    stamp: Stamp<'_>,
    limits: &Limits,
) {
    match collection {
        Collection::Hash(hash) => drop(hash.insert(id, text, stamp, limits)),
        Collection::Set(set) => drop(set.insert(id, stamp, limits)),
        Collection::Zset(zset) => {
            zset.insert(id, score_of(text).unwrap_or(0.0), stamp, limits);
        }
        Collection::List(list) => {
            if let Some((position, _)) = list_id(id) {
                list.put(position, text, stamp, limits);
            }
        }
        Collection::Stream(stream) => stream.put_element(id, text, stamp, limits),
    }
}

/// What the store is to do to come to `stored`.
pub fn merged(stored: &Option<Stored>) -> Merged<'_> {
    match stored {
        Some(stored) => Merged::Put(stored.state()),
        None => Merged::Remove,
    }
}
