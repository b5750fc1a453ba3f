//! Consumer groups: how far each has read, who reads for it, and what was delivered and not acknowledged.
//!
//! ```text
//! Groups ── name ─▶ Group ─┬─ consumers: name ─▶ number ─▶ Consumer ─▶ ids of what is pending
//!                          └─ pending: id ─▶ number of the consumer, time of delivery, deliveries
//! ```
//!
//! Groups, consumers and what is pending are elements of the stream, each with a stamp. What belongs together comes from other nodes in any order, so a group or a consumer may
//! have parts before it is there itself: it is kept then and not shown. All of it is shared with snapshots: an edit copies what one still holds.

use super::super::stamp::Stamp;
use super::id::{Place, StreamId};
use super::ids::Ids;
use super::leaf::{Fields, FieldsBuf, Slot};
use crate::base::version::Version;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stamp that is kept outside of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct StampBuf {
    dot: Version,
    siblings: Box<[u8]>,
}

impl StampBuf {
    pub(super) fn of(stamp: Stamp<'_>) -> Self {
        StampBuf { dot: stamp.dot, siblings: stamp.siblings.into() }
    }

    pub(super) fn stamp(&self) -> Stamp<'_> {
        Stamp { dot: self.dot, siblings: &self.siblings }
    }
}

/// What a group is, beside its consumers and what is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupState {
    /// The last id that was delivered.
    pub last_id: StreamId,
    /// How many entries of all that were ever added it has read, where that is known.
    pub entries_read: Option<u64>,
}

/// What a consumer is, beside what is pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ConsumerState {
    /// When it last asked, in milliseconds since the Unix epoch.
    pub seen_ms: i64,
    /// When it last got something; none if never.
    pub active_ms: Option<i64>,
}

/// What was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending<'a> {
    /// The entry's id.
    pub id: StreamId,
    /// To whom.
    pub consumer: &'a [u8],
    /// When, in milliseconds since the Unix epoch.
    pub delivered_ms: i64,
    /// How often.
    pub deliveries: u64,
    /// When that was written.
    pub stamp: Stamp<'a>,
}

/// A consumer of a group.
#[derive(Debug, Clone)]
pub(super) struct Consumer {
    pub(super) name: Box<[u8]>,
    pub(super) state: Option<(ConsumerState, StampBuf)>,
    /// When it last asked, as far as only this node knows.
    pub(super) seen_ms: i64,
    pending: Ids,
}

impl Consumer {
    fn new(name: &[u8]) -> Self {
        Consumer { name: name.into(), state: None, seen_ms: 0, pending: Ids::new(false) }
    }

    /// Whether nothing of it is left.
    fn is_gone(&self) -> bool {
        self.state.is_none() && self.pending.len() == 0
    }

    fn bytes(&self) -> usize {
        // Its place by name takes the name once more, and some 48 bytes in the tree of the map.
        size_of::<Self>() + 2 * self.name.len() + 48 + self.pending.heap_bytes()
    }
}

/// A group's consumers by name, and by the numbers that stand for them in what is pending.
#[derive(Debug, Clone, Default)]
struct Consumers {
    by_name: BTreeMap<Box<[u8]>, u32>,
    by_number: Vec<Option<Consumer>>,
    /// Of them those that are free.
    free: Vec<u32>,
}

impl Consumers {
    fn get(&self, name: &[u8]) -> Option<(u32, &Consumer)> {
        let number = *self.by_name.get(name)?;
        Some((number, self.at(number)?))
    }

    fn at(&self, number: u32) -> Option<&Consumer> {
        self.by_number.get(number as usize)?.as_ref()
    }

    fn number(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.by_name.get(name) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.by_number.push(None);
            self.by_number.len() as u32 - 1
        });
        self.by_number[number as usize] = Some(Consumer::new(name));
        self.by_name.insert(name.into(), number);
        number
    }

    /// Forgets a consumer of whom nothing is left.
    fn tidy(&mut self, number: u32) {
        let place = &mut self.by_number[number as usize];
        if let Some(gone) = place.take_if(|consumer| consumer.is_gone()) {
            self.by_name.remove(&gone.name);
            self.free.push(number);
        }
    }
}

/// A consumer group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) state: Option<(GroupState, StampBuf)>,
    consumers: Arc<Consumers>,
    pending: Ids,
    /// Consumers that are elements.
    known: u64,
    /// Of its consumers.
    bytes: usize,
}

impl Default for Group {
    fn default() -> Self {
        Group {
            state: None,
            consumers: Arc::default(),
            pending: Ids::new(false),
            known: 0,
            bytes: 0,
        }
    }
}

impl Group {
    /// Whether nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        self.state.is_none() && self.pending.len() == 0 && self.consumers.by_name.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes + self.pending.heap_bytes()
    }

    /// Elements in it, itself included.
    pub(super) fn elements(&self) -> u64 {
        u64::from(self.state.is_some()) + self.known + self.pending.len()
    }

    /// Its consumers by name, those too that are only named by something pending.
    pub(super) fn consumers(&self) -> impl Iterator<Item = &Consumer> {
        self.consumers.by_name.values().filter_map(|&number| self.consumers.at(number))
    }

    pub(super) fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        self.consumers.get(name).map(|(_, consumer)| consumer)
    }

    pub(super) fn pending_len(&self) -> u64 {
        self.pending.len()
    }

    pub(super) fn pending(
        &self,
        from: StreamId,
        to: StreamId,
        reverse: bool,
    ) -> impl Iterator<Item = Pending<'_>> {
        self.pending.range(from, to, reverse).map(|slot| self.pending_of(slot))
    }

    pub(super) fn pending_from(&self, index: u64) -> impl Iterator<Item = Pending<'_>> {
        self.pending.nth(index).map(|slot| self.pending_of(slot))
    }

    pub(super) fn find(&self, id: StreamId) -> Option<Pending<'_>> {
        self.pending.find(Place::first(id)).map(|slot| self.pending_of(slot))
    }

    /// What is pending for one consumer.
    pub(super) fn pending_for<'a>(
        &'a self,
        consumer: &'a Consumer,
        from: StreamId,
        to: StreamId,
    ) -> impl Iterator<Item = Pending<'a>> {
        consumer.pending.range(from, to, false).filter_map(|slot| self.find(slot.id))
    }

    fn pending_of<'a>(&'a self, slot: Slot<'a>) -> Pending<'a> {
        let mut values = slot.fields.values().map(|item| item.integer().unwrap_or_default());
        let number = values.next().unwrap_or_default() as u32;
        let after = values.next().unwrap_or_default();
        let deliveries = values.next().unwrap_or_default() as u64;
        let consumer = self.consumers.at(number).map_or(&b""[..], |consumer| &consumer.name);
        let delivered_ms = (slot.id.ms as i64).wrapping_add(after);
        Pending { id: slot.id, consumer, delivered_ms, deliveries, stamp: slot.stamp }
    }

    /// Changes the consumer of that number, keeping account of memory.
    fn with_consumer<R>(
        &mut self,
        number: u32,
        edit: impl FnOnce(&mut Consumer) -> R,
    ) -> Option<R> {
        let consumers = Arc::make_mut(&mut self.consumers);
        let consumer = consumers.by_number.get_mut(number as usize)?.as_mut()?;
        let before = consumer.bytes();
        let done = edit(consumer);
        self.bytes = self.bytes + consumer.bytes() - before;
        Some(done)
    }

    fn number(&mut self, name: &[u8]) -> u32 {
        if let Some((number, _)) = self.consumers.get(name) {
            return number;
        }
        let consumers = Arc::make_mut(&mut self.consumers);
        let number = consumers.number(name);
        self.bytes += consumers.at(number).map_or(0, Consumer::bytes);
        number
    }

    fn tidy(&mut self, number: u32) {
        let Some(consumer) = self.consumers.at(number).filter(|consumer| consumer.is_gone()) else {
            return;
        };
        self.bytes -= consumer.bytes();
        Arc::make_mut(&mut self.consumers).tidy(number);
    }

    pub(super) fn put_consumer(&mut self, name: &[u8], state: ConsumerState, stamp: StampBuf) {
        let number = self.number(name);
        let before = self.with_consumer(number, |consumer| consumer.state.replace((state, stamp)));
        self.known += u64::from(before.flatten().is_none());
    }

    pub(super) fn take_consumer(&mut self, name: &[u8]) -> bool {
        let Some((number, _)) = self.consumers.get(name) else { return false };
        let was = self.with_consumer(number, |consumer| consumer.state.take()).flatten();
        self.known -= u64::from(was.is_some());
        self.tidy(number);
        was.is_some()
    }

    /// Notes when a consumer asked.
    pub(super) fn see_consumer(&mut self, name: &[u8], now_ms: i64) {
        if let Some((number, _)) = self.consumers.get(name) {
            self.with_consumer(number, |consumer| consumer.seen_ms = now_ms);
        }
    }

    pub(super) fn put_pending(&mut self, pending: Pending<'_>) {
        let Pending { id, consumer, delivered_ms, deliveries, stamp } = pending;
        let number = self.number(consumer);
        let owner = self.owner(id).filter(|&owner| owner != number);
        let mut values = FieldsBuf::default();
        values.push_integer(i64::from(number));
        values.push_integer(delivered_ms.wrapping_sub(id.ms as i64));
        values.push_integer(deliveries as i64);
        self.pending.put(id, stamp, values.fields());
        self.with_consumer(number, |consumer| {
            consumer.pending.put(id, Stamp::NONE, Fields::default());
        });
        if let Some(owner) = owner {
            self.take_from(owner, id);
        }
    }

    pub(super) fn take_pending(&mut self, id: StreamId) -> bool {
        let Some(owner) = self.owner(id) else { return false };
        self.pending.take(Place::first(id));
        self.take_from(owner, id);
        true
    }

    /// The number of the consumer for whom an entry is pending.
    fn owner(&self, id: StreamId) -> Option<u32> {
        let slot = self.pending.find(Place::first(id))?;
        Some(slot.fields.values().next()?.integer()? as u32)
    }

    fn take_from(&mut self, owner: u32, id: StreamId) {
        self.with_consumer(owner, |consumer| consumer.pending.take(Place::first(id)));
        self.tidy(owner);
    }

    pub(super) fn discard(self) -> super::super::discard::Discard {
        let mut discard = self.pending.discard();
        if let Ok(consumers) = Arc::try_unwrap(self.consumers) {
            for consumer in consumers.by_number.into_iter().flatten() {
                discard.add(consumer.pending.discard());
            }
        }
        discard
    }
}

/// A group to read.
#[derive(Debug, Clone, Copy)]
pub struct GroupView<'a> {
    pub(super) name: &'a [u8],
    pub(super) group: &'a Group,
    pub(super) state: GroupState,
}

/// A consumer to read.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerView<'a> {
    group: &'a Group,
    consumer: &'a Consumer,
}

impl<'a> GroupView<'a> {
    /// Its name.
    pub fn name(self) -> &'a [u8] {
        self.name
    }

    /// How far it has read.
    pub fn state(self) -> GroupState {
        self.state
    }

    /// How many entries are pending.
    pub fn pending_len(self) -> u64 {
        self.group.pending_len()
    }

    /// What is pending, from one id to another, both with it.
    pub fn pending(self, from: StreamId, to: StreamId) -> impl Iterator<Item = Pending<'a>> {
        self.group.pending(from, to, false)
    }

    /// As [`GroupView::pending`], backwards.
    pub fn pending_back(self, from: StreamId, to: StreamId) -> impl Iterator<Item = Pending<'a>> {
        self.group.pending(from, to, true)
    }

    /// What is pending of one entry.
    pub fn find(self, id: StreamId) -> Option<Pending<'a>> {
        self.group.find(id)
    }

    /// Its consumers by name.
    pub fn consumers(self) -> impl Iterator<Item = ConsumerView<'a>> {
        let group = self.group;
        group.consumers().map(move |consumer| ConsumerView { group, consumer })
    }

    /// A consumer.
    pub fn consumer(self, name: &[u8]) -> Option<ConsumerView<'a>> {
        let consumer = self.group.consumer(name)?;
        Some(ConsumerView { group: self.group, consumer })
    }
}

impl<'a> ConsumerView<'a> {
    /// Its name.
    pub fn name(self) -> &'a [u8] {
        &self.consumer.name
    }

    /// When it was seen and got something.
    pub fn state(self) -> ConsumerState {
        let told = self.consumer.state.as_ref().map(|(state, _)| *state).unwrap_or_default();
        ConsumerState { seen_ms: told.seen_ms.max(self.consumer.seen_ms), ..told }
    }

    /// How many entries are pending for it.
    pub fn pending_len(self) -> u64 {
        self.consumer.pending.len()
    }

    /// What is pending for it, from one id to another, both with it.
    pub fn pending(self, from: StreamId, to: StreamId) -> impl Iterator<Item = Pending<'a>> {
        self.group.pending_for(self.consumer, from, to)
    }
}
