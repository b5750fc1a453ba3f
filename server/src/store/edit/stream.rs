//! Edits of streams.

use super::{Edit, text};
use crate::base::version::Version;
use crate::store::change::ElementChange;
use crate::types::collection::Stream;
use crate::types::collection::stream::{
    ConsumerState, Fields, GroupState, Meta, Pending, StreamId, consumer_id, consumer_value,
    entry_id, entry_value, group_id, group_value, meta_id, meta_value, pending_id, pending_value,
};

impl Edit<'_, Stream> {
    /// To read it.
    pub fn view(&self) -> &Stream {
        self.value
    }

    /// Sets what the stream knows beside its entries. An absent key comes to be with it.
    pub fn set_meta(&mut self, meta: &Meta) {
        let stamp = self.stamp();
        if self.is_told() {
            self.value.meta_stamp().into_iter().for_each(|known| self.told.replace(known));
            self.tell_put(&meta_id(), &meta_value(meta));
        }
        self.value.put_meta(*meta, stamp);
    }

    /// Adds an entry.
    pub fn add(&mut self, id: StreamId, fields: Fields<'_>) {
        let stamp = self.stamp();
        if self.is_told() {
            self.tell_put(&entry_id(id, None), &entry_value(fields));
        }
        self.value.put_entry(id, fields, stamp, self.limits);
    }

    /// Removes the entries of that id; whether there was one.
    pub fn remove(&mut self, id: StreamId) -> bool {
        let dots: Vec<Version> = self.value.entries_of(id).map(|entry| entry.stamp.dot).collect();
        if dots.is_empty() {
            return false;
        }
        self.stamp();
        for dot in dots {
            self.tell_entry_gone(id, dot);
            self.value.take_entry(id, dot);
        }
        true
    }

    /// Removes the first `count` entries.
    pub fn trim(&mut self, count: u64) {
        if count == 0 {
            return;
        }
        self.stamp();
        if self.is_told() {
            let gone: Vec<(StreamId, Version)> =
                self.value.front(count).map(|entry| (entry.id, entry.stamp.dot)).collect();
            gone.into_iter().for_each(|(id, dot)| self.tell_entry_gone(id, dot));
        }
        drop(self.value.trim(count));
    }

    /// Sets a group.
    pub fn set_group(&mut self, name: &[u8], state: &GroupState) {
        let stamp = self.stamp();
        if self.is_told() {
            self.value.group_stamp(name).into_iter().for_each(|known| self.told.replace(known));
            self.tell_put(&group_id(name), &group_value(state));
        }
        self.value.put_group(name, *state, stamp);
    }

    /// Removes a group with all that belongs to it; whether there was one.
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.value.group(name) else { return false };
        let pending: Vec<StreamId> =
            group.pending(StreamId::MIN, StreamId::MAX).map(|it| it.id).collect();
        let consumers: Vec<Vec<u8>> = group.consumers().map(|it| it.name().to_vec()).collect();
        for id in pending {
            self.remove_pending(name, id);
        }
        for consumer in &consumers {
            self.remove_consumer(name, consumer);
        }
        self.stamp();
        if self.is_told() {
            self.value.group_stamp(name).into_iter().for_each(|known| self.told.replace(known));
            self.tell(&ElementChange::Remove { id: &group_id(name) });
        }
        self.value.take_group(name)
    }

    /// Sets a consumer.
    pub fn set_consumer(&mut self, group: &[u8], name: &[u8], state: &ConsumerState) {
        let stamp = self.stamp();
        if self.is_told() {
            let known = self.value.consumer_stamp(group, name);
            known.into_iter().for_each(|known| self.told.replace(known));
            self.tell_put(&consumer_id(group, name), &consumer_value(state));
        }
        self.value.put_consumer(group, name, *state, stamp);
    }

    /// Notes when a consumer asked. No other node is told.
    pub fn see_consumer(&mut self, group: &[u8], name: &[u8], now_ms: i64) {
        self.value.see_consumer(group, name, now_ms);
    }

    /// Removes a consumer with what is pending for it; how much that was, or none if there is no such consumer.
    pub fn remove_consumer(&mut self, group: &[u8], name: &[u8]) -> Option<u64> {
        let consumer = self.value.group(group)?.consumer(name)?;
        let pending: Vec<StreamId> =
            consumer.pending(StreamId::MIN, StreamId::MAX).map(|it| it.id).collect();
        self.stamp();
        for &id in &pending {
            self.remove_pending(group, id);
        }
        if self.is_told() {
            let known = self.value.consumer_stamp(group, name);
            known.into_iter().for_each(|known| self.told.replace(known));
            self.tell(&ElementChange::Remove { id: &consumer_id(group, name) });
        }
        self.value.take_consumer(group, name);
        Some(pending.len() as u64)
    }

    /// Sets what is pending of an entry.
    pub fn set_pending(
        &mut self,
        group: &[u8],
        id: StreamId,
        consumer: &[u8],
        (delivered_ms, deliveries): (i64, u64),
    ) {
        let stamp = self.stamp();
        if self.is_told() {
            self.replace_pending(group, id);
            let value = pending_value(consumer, delivered_ms, deliveries);
            self.tell_put(&pending_id(group, id), &value);
        }
        let pending = Pending { id, consumer, delivered_ms, deliveries, stamp };
        self.value.put_pending(group, pending);
    }

    /// Nothing is pending of an entry any more; whether something was.
    pub fn remove_pending(&mut self, group: &[u8], id: StreamId) -> bool {
        if self.value.group(group).and_then(|group| group.find(id)).is_none() {
            return false;
        }
        self.stamp();
        if self.is_told() {
            self.replace_pending(group, id);
            self.tell(&ElementChange::Remove { id: &pending_id(group, id) });
        }
        self.value.take_pending(group, id)
    }

    fn replace_pending(&mut self, group: &[u8], id: StreamId) {
        if let Some(known) = self.value.group(group).and_then(|group| group.find(id)) {
            self.told.replace(known.stamp);
        }
    }

    fn tell_put(&mut self, id: &[u8], value: &[u8]) {
        self.tell(&ElementChange::Put { id, value: text(value) });
    }

    fn tell_entry_gone(&mut self, id: StreamId, dot: Version) {
        let Some(versions) = &self.chains else { return };
        // Others know what was written before replication began by the version that stands for it.
        let known = if dot.is_zero() { versions.chains.origin } else { dot };
        self.told.dots.push(dot);
        self.tell(&ElementChange::Remove { id: &entry_id(id, Some(known)) });
    }
}
