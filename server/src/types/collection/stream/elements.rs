//! A stream's elements as replication names them and their values as they travel.
//!
//! ```text
//! 0                                        meta       | last id | entries added | last id deleted |
//! 1 | id 16 | dot 8                        entry      | name, value | ... |
//! 2 | group                                group      | last id | 0, or the entries read + 1 |
//! 3 | length of the group | group | name   consumer   | seen | 0, or active + 1 |
//! 4 | group | id 16                        pending    | consumer | delivered | deliveries |
//! ```
//!
//! As elements of a list, entries bear their dot in their id, so that of two entries that sides of a partition wrote under one id neither takes the other's place. An entry
//! that is put has no dot in its id yet. Ids on the wire have their high bytes first, in values they and all other numbers are varints.

use super::super::item::Item;
use super::super::limits::{HashFn, Limits};
use super::super::stamp::Stamp;
use super::group::{ConsumerState, GroupState, Pending};
use super::id::{Place, StreamId};
use super::leaf::{Fields, FieldsBuf};
use super::{Meta, Stream};
use crate::base::version::Version;
use torc_protocol::peer::wire::{Malformed, Reader, put_bytes, put_signed, put_u64, put_varint};

const META: u8 = 0;
const ENTRY: u8 = 1;
const GROUP: u8 = 2;
const CONSUMER: u8 = 3;
const PENDING: u8 = 4;

/// The name of what a stream knows beside its entries.
pub fn meta_id() -> [u8; 1] {
    [META]
}

/// The name of an entry that is put, or of one of that dot.
pub fn entry_id(id: StreamId, dot: Option<Version>) -> Vec<u8> {
    let mut name = vec![ENTRY];
    name.extend_from_slice(&id.to_bytes());
    if let Some(dot) = dot {
        name.extend_from_slice(&dot.get().to_be_bytes());
    }
    name
}

/// Whether an element of this name is an entry.
pub fn is_entry(id: &[u8]) -> bool {
    id.first() == Some(&ENTRY)
}

/// The name of a group.
pub fn group_id(group: &[u8]) -> Vec<u8> {
    [&[GROUP], group].concat()
}

/// The name of a consumer.
pub fn consumer_id(group: &[u8], name: &[u8]) -> Vec<u8> {
    let mut id = vec![CONSUMER];
    put_bytes(&mut id, group);
    id.extend_from_slice(name);
    id
}

/// The name of what is pending of an entry.
pub fn pending_id(group: &[u8], id: StreamId) -> Vec<u8> {
    [&[PENDING], group, &id.to_bytes()].concat()
}

/// What an element is.
enum Name<'a> {
    Meta,
    Entry(StreamId, Option<Version>),
    Group(&'a [u8]),
    Consumer(&'a [u8], &'a [u8]),
    Pending(&'a [u8], StreamId),
}

impl<'a> Name<'a> {
    /// None for what no node of this release writes.
    fn of(id: &'a [u8]) -> Option<Self> {
        let (kind, rest) = id.split_first()?;
        Some(match *kind {
            META => Name::Meta,
            ENTRY => {
                let (id, dot) = rest.split_at_checked(16)?;
                let dot = dot.try_into().ok().map(u64::from_be_bytes).map(Version::from_bits);
                Name::Entry(StreamId::from_bytes(id)?, dot)
            }
            GROUP => Name::Group(rest),
            CONSUMER => {
                let mut reader = Reader::new(rest);
                let group = reader.bytes(usize::MAX, "group").ok()?;
                Name::Consumer(group, reader.rest())
            }
            PENDING => {
                let (group, id) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
                Name::Pending(group, StreamId::from_bytes(id)?)
            }
            _ => return None,
        })
    }
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    put_varint(out, id.ms);
    put_varint(out, id.seq);
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Malformed> {
    Ok(StreamId { ms: reader.varint()?, seq: reader.varint()? })
}

/// What a stream knows beside its entries, as it travels.
pub fn meta_value(meta: &Meta) -> Vec<u8> {
    let mut out = Vec::with_capacity(20);
    put_id(&mut out, meta.last_id);
    put_varint(&mut out, meta.entries_added);
    put_id(&mut out, meta.max_deleted_id);
    out
}

fn read_meta(value: &[u8]) -> Result<Meta, Malformed> {
    let mut reader = Reader::new(value);
    Ok(Meta {
        last_id: read_id(&mut reader)?,
        entries_added: reader.varint()?,
        max_deleted_id: read_id(&mut reader)?,
    })
}

/// An entry's fields as they travel.
pub fn entry_value(fields: Fields<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut buffer = itoa::Buffer::new();
    let mut put = |item: Item<'_>| put_bytes(&mut out, item.text(&mut buffer));
    for (name, value) in fields.iter() {
        put(name);
        put(value);
    }
    out
}

fn read_entry(value: &[u8]) -> FieldsBuf {
    let mut reader = Reader::new(value);
    FieldsBuf::of(std::iter::from_fn(|| {
        let name = reader.bytes(usize::MAX, "name").ok()?;
        Some((name, reader.bytes(usize::MAX, "value").ok()?))
    }))
}

/// A group as it travels.
pub fn group_value(group: &GroupState) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    put_id(&mut out, group.last_id);
    put_varint(&mut out, group.entries_read.map_or(0, |read| read.saturating_add(1)));
    out
}

fn read_group(value: &[u8]) -> Result<GroupState, Malformed> {
    let mut reader = Reader::new(value);
    let last_id = read_id(&mut reader)?;
    Ok(GroupState { last_id, entries_read: reader.varint()?.checked_sub(1) })
}

/// A consumer as it travels.
pub fn consumer_value(consumer: &ConsumerState) -> Vec<u8> {
    let mut out = Vec::with_capacity(14);
    put_signed(&mut out, consumer.seen_ms);
    put_signed(&mut out, consumer.active_ms.map_or(0, |active| active.saturating_add(1)));
    out
}

fn read_consumer(value: &[u8]) -> Result<ConsumerState, Malformed> {
    let mut reader = Reader::new(value);
    let (seen_ms, active) = (reader.signed()?, reader.signed()?);
    Ok(ConsumerState { seen_ms, active_ms: active.checked_sub(1).filter(|_| active != 0) })
}

/// What is pending, as it travels.
pub fn pending_value(consumer: &[u8], delivered_ms: i64, deliveries: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + consumer.len());
    put_bytes(&mut out, consumer);
    put_signed(&mut out, delivered_ms);
    put_varint(&mut out, deliveries);
    out
}

fn read_pending(value: &[u8]) -> Result<(&[u8], i64, u64), Malformed> {
    let mut reader = Reader::new(value);
    Ok((reader.bytes(usize::MAX, "consumer")?, reader.signed()?, reader.varint()?))
}

/// What readers see of an element that sides of a partition wrote: of ids and counts the highest, so that no id is given out twice and nothing is delivered again.
/// None: what was written last.
pub fn merged<'v>(id: &[u8], values: impl Iterator<Item = &'v [u8]>) -> Option<Vec<u8>> {
    match Name::of(id)? {
        Name::Meta => {
            let all = values.filter_map(|value| read_meta(value).ok());
            let meta = all.reduce(|one, other| Meta {
                last_id: one.last_id.max(other.last_id),
                entries_added: one.entries_added.max(other.entries_added),
                max_deleted_id: one.max_deleted_id.max(other.max_deleted_id),
            })?;
            Some(meta_value(&meta))
        }
        Name::Group(_) => {
            let all = values.filter_map(|value| read_group(value).ok());
            let group = all.reduce(|one, other| GroupState {
                last_id: one.last_id.max(other.last_id),
                entries_read: one.entries_read.max(other.entries_read),
            })?;
            Some(group_value(&group))
        }
        Name::Consumer(..) => {
            let all = values.filter_map(|value| read_consumer(value).ok());
            let consumer = all.reduce(|one, other| ConsumerState {
                seen_ms: one.seen_ms.max(other.seen_ms),
                active_ms: one.active_ms.max(other.active_ms),
            })?;
            Some(consumer_value(&consumer))
        }
        Name::Entry(..) | Name::Pending(..) => None,
    }
}

/// Elements by name.
impl Stream {
    /// Puts an element in the place of what was there. What does not read as one of that name counts as one without content.
    pub fn put_element(&mut self, id: &[u8], value: &[u8], stamp: Stamp<'_>, limits: &Limits) {
        match Name::of(id) {
            Some(Name::Meta) => self.put_meta(read_meta(value).unwrap_or_default(), stamp),
            Some(Name::Entry(id, _)) => {
                self.put_entry(id, read_entry(value).fields(), stamp, limits);
            }
            Some(Name::Group(group)) => {
                self.put_group(group, read_group(value).unwrap_or_default(), stamp);
            }
            Some(Name::Consumer(group, name)) => {
                self.put_consumer(group, name, read_consumer(value).unwrap_or_default(), stamp);
            }
            Some(Name::Pending(group, id)) => {
                let (consumer, delivered_ms, deliveries) = read_pending(value).unwrap_or_default();
                let pending = Pending { id, consumer, delivered_ms, deliveries, stamp };
                self.put_pending(group, pending);
            }
            None => {}
        }
    }

    /// Takes an element out. An entry without a dot counts as written at `origin`.
    pub fn take_element(&mut self, id: &[u8], origin: Version) {
        match Name::of(id) {
            Some(Name::Meta) => {
                self.body.packed = None;
                self.body.meta = None;
            }
            Some(Name::Entry(id, dot)) => {
                if let Some(dot) = self.stored_dot(id, dot, origin) {
                    self.take_entry(id, dot);
                }
            }
            Some(Name::Group(group)) => drop(self.take_group(group)),
            Some(Name::Consumer(group, name)) => drop(self.take_consumer(group, name)),
            Some(Name::Pending(group, id)) => drop(self.take_pending(group, id)),
            None => {}
        }
    }

    /// The dot by which the entry is kept that other nodes know by `dot`.
    fn stored_dot(&self, id: StreamId, dot: Option<Version>, origin: Version) -> Option<Version> {
        let dot = dot?;
        let is_here = |dot| self.body.entries.find(Place { id, dot }).is_some();
        match is_here(dot) {
            true => Some(dot),
            false => (dot == origin && is_here(Version::ZERO)).then_some(Version::ZERO),
        }
    }

    /// An element's stamp.
    pub fn element_stamp(&self, id: &[u8], origin: Version) -> Option<Stamp<'_>> {
        match Name::of(id)? {
            Name::Meta => self.meta_stamp(),
            Name::Entry(id, dot) => {
                let dot = self.stored_dot(id, dot, origin)?;
                Some(self.body.entries.find(Place { id, dot })?.stamp)
            }
            Name::Group(group) => self.group_stamp(group),
            Name::Consumer(group, name) => self.consumer_stamp(group, name),
            Name::Pending(group, id) => Some(self.body.groups.by_name.get(group)?.find(id)?.stamp),
        }
    }

    /// An element's stamp, and its value as it travels.
    pub fn element(&self, id: &[u8], origin: Version) -> Option<(Stamp<'_>, Vec<u8>)> {
        let value = match Name::of(id)? {
            Name::Meta => meta_value(&self.body.meta.as_ref()?.0),
            Name::Entry(id, dot) => {
                let dot = self.stored_dot(id, dot, origin)?;
                entry_value(self.body.entries.find(Place { id, dot })?.fields)
            }
            Name::Group(group) => {
                group_value(&self.body.groups.by_name.get(group)?.state.as_ref()?.0)
            }
            Name::Consumer(group, name) => {
                let consumer = self.body.groups.by_name.get(group)?.consumer(name)?;
                consumer_value(&consumer.state.as_ref()?.0)
            }
            Name::Pending(group, id) => {
                let it = self.body.groups.by_name.get(group)?.find(id)?;
                pending_value(it.consumer, it.delivered_ms, it.deliveries)
            }
        };
        Some((self.element_stamp(id, origin)?, value))
    }

    /// Visits elements from the one at `at` on, up to `count` of them, and returns where to go on, 0 at the end. Their order holds as long as nothing is edited.
    pub fn elements_from(
        &self,
        at: u64,
        count: u64,
        origin: Version,
        mut visit: impl FnMut(&[u8], Stamp<'_>, &[u8]),
    ) -> u64 {
        let mut left = Stretch { skip: at, take: count };
        if let Some((meta, stamp)) = &self.body.meta
            && left.wants_one()
        {
            visit(&meta_id(), stamp.stamp(), &meta_value(meta));
        }
        for (name, group) in &self.body.groups.by_name {
            if left.passes(group.elements()) {
                continue;
            }
            if let Some((state, stamp)) = &group.state
                && left.wants_one()
            {
                visit(&group_id(name), stamp.stamp(), &group_value(state));
            }
            for consumer in group.consumers() {
                if let Some((state, stamp)) = &consumer.state
                    && left.wants_one()
                {
                    let id = consumer_id(name, &consumer.name);
                    visit(&id, stamp.stamp(), &consumer_value(state));
                }
            }
            let (from, count) = left.stretch(group.pending_len());
            group.pending_from(from).take(count).for_each(|it| {
                let value = pending_value(it.consumer, it.delivered_ms, it.deliveries);
                visit(&pending_id(name, it.id), it.stamp, &value);
            });
        }
        let (from, taken) = left.stretch(self.body.entries.len());
        self.body.entries.nth(from).take(taken).for_each(|slot| {
            let dot = if slot.stamp.dot.is_zero() { origin } else { slot.stamp.dot };
            visit(&entry_id(slot.id, Some(dot)), slot.stamp, &entry_value(slot.fields));
        });
        let next = at.saturating_add(count);
        if next < self.len() { next } else { 0 }
    }

    /// All of it in one piece, where it must lie so: beside what else sides of a partition made of its key.
    pub fn pack(&mut self) {
        let mut packed = Vec::new();
        self.elements_from(0, u64::MAX, Version::ZERO, |id, stamp, value| {
            put_bytes(&mut packed, id);
            put_u64(&mut packed, stamp.dot.get());
            put_bytes(&mut packed, stamp.siblings);
            put_bytes(&mut packed, value);
        });
        self.body.packed = Some(packed.into());
    }

    /// What [`Stream::pack`] made, unless it was edited since.
    pub fn packed(&self) -> Option<&[u8]> {
        self.body.packed.as_deref()
    }

    /// A copy of a packed stream.
    pub fn from_packed(packed: &[u8]) -> Self {
        let (mut stream, mut reader) = (Stream::new(), Reader::new(packed));
        while let Ok((id, stamp, value)) = read_packed(&mut reader) {
            stream.put_element(id, value, stamp, &UNPACKED);
        }
        stream
    }
}

/// Of the leaves of what was packed: Redis's defaults.
const UNPACKED: Limits = Limits {
    entries_max: 100,
    element_bytes_max: usize::MAX,
    bytes_max: 4096,
    integers_max: 0,
    hash: NO_HASH,
};

/// Streams are not ordered by hash.
const NO_HASH: HashFn = |_| 0;

fn read_packed<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], Stamp<'a>, &'a [u8]), Malformed> {
    let id = reader.bytes(usize::MAX, "element")?;
    let dot = Version::from_bits(reader.u64()?);
    let siblings = reader.bytes(usize::MAX, "siblings")?;
    Ok((id, Stamp { dot, siblings }, reader.bytes(usize::MAX, "value")?))
}

/// What is left of a walk: how many elements are passed over, and then how many are visited.
struct Stretch {
    skip: u64,
    take: u64,
}

impl Stretch {
    /// Whether the next element is visited.
    fn wants_one(&mut self) -> bool {
        self.stretch(1).1 == 1
    }

    /// Whether none of the next `count` elements are visited, which are passed over then.
    fn passes(&mut self, count: u64) -> bool {
        let passes = self.skip >= count || self.take == 0;
        if passes {
            self.skip = self.skip.saturating_sub(count);
        }
        passes
    }

    /// Of the next `count` elements, from which on how many are visited.
    fn stretch(&mut self, count: u64) -> (u64, usize) {
        let from = self.skip.min(count);
        let taken = (count - from).min(self.take);
        self.skip -= from;
        self.take -= taken;
        (from, taken as usize)
    }
}
