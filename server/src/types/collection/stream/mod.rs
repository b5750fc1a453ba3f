//! Streams: entries by id, and the groups that read them.
//!
//! ```text
//! Stream ─┬─ meta: last id, entries ever added, last id deleted       one element
//!         ├─ entries: a tree of packed leaves ([`leaf`], [`ids`])     an element each
//!         └─ groups ([`group`])                                       an element each group, consumer and pending entry
//! ```
//!
//! It has one form: an empty stream takes less than the node with which Redis begins one. A clone is a snapshot and costs as much as a few pointers.
//!
//! What replication sees are elements with ids and values in bytes ([`elements`]). **Invariant.** A stream is there as long as it has an element; one that clients made has its meta.
//!
//! Knows no clock: who adds says under which id.
//!
//! Source: redis.io, "Redis Streams" and the pages of the commands; packing after antirez, "Listpack specification", 2017.

mod elements;
mod group;
mod id;
mod ids;
mod leaf;
mod node;
mod progress;
mod radix;
#[cfg(test)]
mod tests;

pub use elements::{
    consumer_id, consumer_value, entry_id, entry_value, group_id, group_value, is_entry, merged,
    meta_id, meta_value, pending_id, pending_value,
};
pub use group::{ConsumerState, ConsumerView, GroupState, GroupView, Pending};
pub use id::StreamId;
pub use leaf::{Fields, FieldsBuf};
pub use progress::Progress;

use self::group::{Group, StampBuf};
use self::id::Place;
use self::ids::{Ids, LeafView};
use self::leaf::Slot;
use self::node::{Head, LeafLimits, Tally};
use super::discard::Discard;
use super::limits::Limits;
use super::stamp::Stamp;
use super::tops::Tops;
use crate::base::version::Version;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

/// What a stream knows beside its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// The last id that was given out.
    pub last_id: StreamId,
    /// Entries that were ever added.
    pub entries_added: u64,
    /// The highest id of those that were deleted one by one.
    pub max_deleted_id: StreamId,
}

/// An entry of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamEntry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Its fields.
    pub fields: Fields<'a>,
    /// When it was written.
    pub stamp: Stamp<'a>,
}

impl<'a> StreamEntry<'a> {
    fn of(slot: Slot<'a>) -> Self {
        StreamEntry { id: slot.id, fields: slot.fields, stamp: slot.stamp }
    }
}

/// What the entries of one of Redis's nodes share.
#[derive(Debug, Clone, Copy)]
pub struct NodeHead<'a> {
    /// The id with which it began, and by which Redis finds it.
    pub id: StreamId,
    /// The names with which it began. There may be no values beside them, so that [`Fields::names`] alone reads these.
    pub names: Fields<'a>,
}

/// A node of Redis as this stream would have it, without what was deleted of it.
#[derive(Debug, Clone, Copy)]
pub struct StreamNode<'a> {
    leaf: LeafView<'a>,
}

impl<'a> StreamNode<'a> {
    /// What its entries share.
    pub fn head(self) -> NodeHead<'a> {
        let Head { id, names } = self.leaf.head;
        NodeHead { id, names }
    }

    /// Its entries in order.
    pub fn entries(self) -> impl Iterator<Item = StreamEntry<'a>> {
        self.leaf.slots().map(StreamEntry::of)
    }
}

/// Up to where entries are trimmed off the front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// Until no more than so many are left.
    Length(u64),
    /// As long as their ids are lower.
    Id(StreamId),
}

#[derive(Debug, Clone, Default)]
struct Groups {
    by_name: BTreeMap<Box<[u8]>, Group>,
    bytes: usize,
    elements: u64,
}

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// On the heap, so that a reference to any collection stays small.
    body: Box<Body>,
}

#[derive(Debug, Clone)]
struct Body {
    meta: Option<(Meta, StampBuf)>,
    entries: Ids,
    groups: Arc<Groups>,
    tops: Tops,
    /// All of it in one piece, where it must lie so.
    packed: Option<Box<[u8]>>,
}

/// Leaves are no longer than this, whatever the settings say: each is copied by an edit while a snapshot holds it.
const LEAF_BYTES_MAX: usize = 1 << 20;
/// As [`LEAF_BYTES_MAX`]: to find an entry in a leaf is to walk through half of it.
const LEAF_ENTRIES_MAX: usize = 1 << 16;
const LEAF_LIMITS_MAX: LeafLimits =
    LeafLimits { bytes_max: LEAF_BYTES_MAX, count_max: LEAF_ENTRIES_MAX };

/// Redis's `stream-node-max-bytes` and `stream-node-max-entries`, bounded.
fn leaf_limits(limits: &Limits) -> LeafLimits {
    LeafLimits {
        bytes_max: limits.bytes_max.min(LEAF_BYTES_MAX),
        count_max: limits.entries_max.clamp(1, LEAF_ENTRIES_MAX),
    }
}

impl Default for Body {
    fn default() -> Self {
        Body {
            meta: None,
            entries: Ids::new(true),
            groups: Arc::default(),
            tops: Tops::default(),
            packed: None,
        }
    }
}

/// A stream to read: what [`Stream`] reads by.
#[derive(Debug)]
pub enum StreamView<'a> {
    /// One that is kept as such.
    Held(&'a Stream),
    /// One that lies in one piece.
    Unpacked(Stream),
}

impl StreamView<'_> {
    /// The stream in `packed`, which [`Stream::packed`] returned.
    pub fn packed(packed: &[u8]) -> StreamView<'static> {
        StreamView::Unpacked(Stream::from_packed(packed))
    }
}

impl Deref for StreamView<'_> {
    type Target = Stream;

    fn deref(&self) -> &Stream {
        match self {
            StreamView::Held(stream) => stream,
            StreamView::Unpacked(stream) => stream,
        }
    }
}

/// Reading.
impl Stream {
    /// A stream without anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// To read it.
    pub fn view(&self) -> StreamView<'_> {
        StreamView::Held(self)
    }

    /// Number of elements: entries, and all else that replication names.
    pub fn len(&self) -> u64 {
        u64::from(self.body.meta.is_some()) + self.body.groups.elements + self.body.entries.len()
    }

    /// Whether there is nothing, so that its key is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of entries.
    pub fn entries_len(&self) -> u64 {
        self.body.entries.len()
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// Bytes that it takes.
    pub fn memory_bytes(&self) -> usize {
        let packed = self.body.packed.as_ref().map_or(0, |packed| packed.len());
        let own = size_of::<Self>()
            + size_of::<Body>()
            + size_of::<Groups>()
            + self.body.tops.heap_bytes();
        own + packed + self.body.entries.heap_bytes() + self.body.groups.bytes
    }

    /// Bounds of its elements' dots.
    pub fn tops(&self) -> Tops {
        self.body.tops.clone()
    }

    /// What it knows beside its entries. What sides of a partition added is counted at least as far as it is there.
    pub fn meta(&self) -> Meta {
        let known = self.body.meta.as_ref().map(|(meta, _)| *meta);
        let unknown = || Meta {
            last_id: self.last().map(|entry| entry.id).unwrap_or_default(),
            ..Meta::default()
        };
        let meta = known.unwrap_or_else(unknown);
        Meta { entries_added: meta.entries_added.max(self.entries_len()), ..meta }
    }

    /// The stamp of what [`Stream::meta`] says.
    pub fn meta_stamp(&self) -> Option<Stamp<'_>> {
        self.body.meta.as_ref().map(|(_, stamp)| stamp.stamp())
    }

    /// The entries of ids `from` to `to`, both with it, or the same backwards.
    pub fn range(
        &self,
        from: StreamId,
        to: StreamId,
        reverse: bool,
    ) -> impl Iterator<Item = StreamEntry<'_>> {
        self.body.entries.range(from, to, reverse).map(StreamEntry::of)
    }

    /// The entries of that id: one, unless sides of a partition wrote others.
    pub fn entries_of(&self, id: StreamId) -> impl Iterator<Item = StreamEntry<'_>> {
        self.range(id, id, false)
    }

    /// Whether there is an entry of that id.
    pub fn contains(&self, id: StreamId) -> bool {
        self.entries_of(id).next().is_some()
    }

    /// The entries from index `from` on.
    pub fn by_index(&self, from: u64) -> impl Iterator<Item = StreamEntry<'_>> {
        self.body.entries.nth(from).map(StreamEntry::of)
    }

    /// The entries before index `to`, the last of them first.
    pub fn by_index_back(&self, to: u64) -> impl Iterator<Item = StreamEntry<'_>> {
        self.body.entries.nth_back(to).map(StreamEntry::of)
    }

    /// How many entries have lower ids.
    pub fn rank(&self, id: StreamId) -> u64 {
        self.body.entries.before(id)
    }

    /// The first `count` entries.
    pub fn front(&self, count: u64) -> impl Iterator<Item = StreamEntry<'_>> {
        self.body
            .entries
            .nth(0)
            .take(usize::try_from(count).unwrap_or(usize::MAX))
            .map(StreamEntry::of)
    }

    /// The first entry.
    pub fn first(&self) -> Option<StreamEntry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX, false).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<StreamEntry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX, true).next()
    }

    /// How many entries `trim` takes off the front. If `whole`, only leaves as a whole, and no more than `limit` entries unless that is 0.
    pub fn trimmed(&self, trim: Trim, whole: bool, limit: u64) -> u64 {
        let len = self.body.entries.len();
        if !whole {
            return match trim {
                Trim::Length(max) => len.saturating_sub(max),
                Trim::Id(id) => self.body.entries.before(id),
            };
        }
        let mut gone = 0;
        for leaf in self.body.entries.leaves() {
            let count = leaf.len();
            let is_over = match trim {
                Trim::Length(max) => len - gone <= max || len - gone - count < max,
                // Redis looks at the last entry of a node whether it was deleted or not.
                Trim::Id(id) => leaf.tally().is_none_or(|tally| tally.top >= id),
            };
            if is_over || (limit > 0 && gone + count > limit) {
                break;
            }
            gone += count;
        }
        gone
    }

    /// Its groups by name.
    pub fn groups(&self) -> impl Iterator<Item = GroupView<'_>> {
        self.body.groups.by_name.iter().filter_map(|(name, group)| {
            let (state, _) = group.state.as_ref()?;
            Some(GroupView { name, group, state: *state })
        })
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<GroupView<'_>> {
        let (name, group) = self.body.groups.by_name.get_key_value(name)?;
        let (state, _) = group.state.as_ref()?;
        Some(GroupView { name, group, state: *state })
    }

    /// The stamp of a group.
    pub fn group_stamp(&self, name: &[u8]) -> Option<Stamp<'_>> {
        let (_, stamp) = self.body.groups.by_name.get(name)?.state.as_ref()?;
        Some(stamp.stamp())
    }

    /// The stamp of a consumer; none of one that is only named by what is pending.
    pub fn consumer_stamp(&self, group: &[u8], name: &[u8]) -> Option<Stamp<'_>> {
        let consumer = self.body.groups.by_name.get(group)?.consumer(name)?;
        let (_, stamp) = consumer.state.as_ref()?;
        Some(stamp.stamp())
    }

    /// Leaves and nodes of the radix tree in which Redis would keep leaves like these.
    pub fn radix_tree(&self) -> (u64, u64) {
        radix::size(self.body.entries.leaves().map(|leaf| leaf.head.id.to_bytes()))
    }

    /// Its entries by the nodes of Redis that they would be in.
    pub fn nodes(&self) -> impl Iterator<Item = StreamNode<'_>> {
        self.body.entries.leaves().map(|leaf| StreamNode { leaf })
    }
}

/// Editing: one element at a time. Each takes the place of what was there.
impl Stream {
    /// Sets what it knows beside its entries.
    pub fn put_meta(&mut self, meta: Meta, stamp: Stamp<'_>) {
        self.note(stamp);
        self.body.meta = Some((meta, StampBuf::of(stamp)));
    }

    /// Adds an entry. One of the same id and dot goes.
    pub fn put_entry(
        &mut self,
        id: StreamId,
        fields: Fields<'_>,
        stamp: Stamp<'_>,
        limits: &Limits,
    ) {
        self.note(stamp);
        self.body.entries.put_entry(id, stamp, fields, leaf_limits(limits));
    }

    /// Adds an entry behind all others: to the last node, or, if a head is given, as the first that is left of a new one. Bounds of leaves begin one too.
    pub fn push_entry(
        &mut self,
        id: StreamId,
        fields: Fields<'_>,
        stamp: Stamp<'_>,
        head: Option<NodeHead<'_>>,
    ) {
        self.note(stamp);
        let head = head.map(|NodeHead { id, names }| Head { id, names });
        self.body.entries.push_entry(id, stamp, fields, head, LEAF_LIMITS_MAX);
    }

    /// Says of the last node how many bytes its listpack has in Redis, how many of its entries are left and were deleted, and what id the last one of all had.
    pub fn set_last_node(
        &mut self,
        listpack_bytes: usize,
        live: usize,
        gone: usize,
        top: StreamId,
    ) {
        let tally = Tally::told(listpack_bytes, live, gone, top);
        self.body.entries.set_last_tally(tally);
    }

    /// As [`Stream::set_last_node`], as it is of that node, whose entries the last one has.
    pub fn set_last_node_as(&mut self, node: StreamNode<'_>) {
        node.leaf.tally().into_iter().for_each(|tally| self.body.entries.set_last_tally(tally));
    }

    /// Removes the entry of that id and dot; whether there was one.
    pub fn take_entry(&mut self, id: StreamId, dot: Version) -> bool {
        self.body.packed = None;
        self.body.entries.take(Place { id, dot })
    }

    /// Removes the first `count` entries.
    pub fn trim(&mut self, count: u64) -> Discard {
        self.body.packed = None;
        self.body.entries.cut(0, count)
    }

    /// Sets a group.
    pub fn put_group(&mut self, name: &[u8], state: GroupState, stamp: Stamp<'_>) {
        self.note(stamp);
        self.edit_group(name, |group| group.state = Some((state, StampBuf::of(stamp))));
    }

    /// Removes a group, but for what of its consumers and what is pending is there; whether there was one.
    pub fn take_group(&mut self, name: &[u8]) -> bool {
        self.edit_known(name, |group| group.state.take().is_some())
    }

    /// Sets a consumer.
    pub fn put_consumer(
        &mut self,
        group: &[u8],
        name: &[u8],
        state: ConsumerState,
        stamp: Stamp<'_>,
    ) {
        self.note(stamp);
        self.edit_group(group, |group| group.put_consumer(name, state, StampBuf::of(stamp)));
    }

    /// Notes when a consumer asked. Only this node knows of that.
    pub fn see_consumer(&mut self, group: &[u8], name: &[u8], now_ms: i64) {
        self.edit_known(group, |group| {
            group.see_consumer(name, now_ms);
            true
        });
    }

    /// Removes a consumer, but for what is pending for it; whether there was one.
    pub fn take_consumer(&mut self, group: &[u8], name: &[u8]) -> bool {
        self.edit_known(group, |group| group.take_consumer(name))
    }

    /// Sets what is pending of an entry.
    pub fn put_pending(&mut self, group: &[u8], pending: Pending<'_>) {
        self.note(pending.stamp);
        self.edit_group(group, |group| group.put_pending(pending));
    }

    /// Nothing is pending of an entry any more; whether something was.
    pub fn take_pending(&mut self, group: &[u8], id: StreamId) -> bool {
        self.edit_known(group, |group| group.take_pending(id))
    }

    fn note(&mut self, stamp: Stamp<'_>) {
        self.body.packed = None;
        self.body.tops.note(&stamp);
    }

    /// Edits a group that is there, or begins to be.
    fn edit_group<R>(&mut self, name: &[u8], edit: impl FnOnce(&mut Group) -> R) -> R {
        // The name's copy, and some 48 bytes in the tree of the map.
        const PLACE_BYTES: usize = 48;
        self.body.packed = None;
        let groups = Arc::make_mut(&mut self.body.groups);
        if !groups.by_name.contains_key(name) {
            groups.by_name.insert(name.into(), Group::default());
            groups.bytes += name.len() + PLACE_BYTES + Group::default().bytes();
        }
        let Some(group) = groups.by_name.get_mut(name) else {
            unreachable!("it was inserted above")
        };
        let (bytes, elements) = (group.bytes(), group.elements());
        let done = edit(group);
        groups.bytes = groups.bytes + group.bytes() - bytes;
        groups.elements = groups.elements + group.elements() - elements;
        if group.is_gone()
            && let Some(gone) = groups.by_name.remove(name)
        {
            groups.bytes -= name.len() + PLACE_BYTES + gone.bytes();
        }
        done
    }

    /// As [`Stream::edit_group`], and no if there is no such group.
    fn edit_known(&mut self, name: &[u8], edit: impl FnOnce(&mut Group) -> bool) -> bool {
        self.body.groups.by_name.contains_key(name) && self.edit_group(name, edit)
    }

    /// Where all that is read of it begins.
    pub fn root(&self) -> Option<*const u8> {
        Some(std::ptr::from_ref(&*self.body).cast())
    }

    /// What remains to be freed.
    pub fn discard(self) -> Discard {
        let Body { entries, groups, .. } = *self.body;
        let mut discard = entries.discard();
        if let Ok(groups) = Arc::try_unwrap(groups) {
            groups.by_name.into_values().for_each(|group| discard.add(group.discard()));
        }
        discard
    }
}
