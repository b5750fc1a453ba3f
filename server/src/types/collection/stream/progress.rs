//! How far groups have read, counted in entries: Redis's estimates, which are given up where deleted entries make them uncertain.
//!
//! Source: redis.io, "XINFO GROUPS".

use super::{GroupState, Meta, Stream, StreamId};

/// What the estimates rest on.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What the stream knows beside its entries.
    pub meta: Meta,
    /// Number of its entries.
    pub len: u64,
    first_id: StreamId,
}

impl Progress {
    /// Those of `stream` as it is.
    pub fn of(stream: &Stream) -> Self {
        let first_id = stream.first().map(|entry| entry.id).unwrap_or_default();
        Progress { meta: stream.meta(), len: stream.entries_len(), first_id }
    }

    /// The id of the first entry.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// Whether entries from `start` on were deleted one by one.
    fn has_gaps_from(&self, start: StreamId) -> bool {
        let deleted = self.meta.max_deleted_id;
        // What lies before the first entry makes no gap.
        self.len > 0 && self.first_id <= deleted && start <= deleted
    }

    /// How many entries were added up to that of `id`, if that can be told.
    pub fn distance(&self, id: StreamId) -> Option<u64> {
        let Meta { last_id, entries_added, max_deleted_id } = self.meta;
        if entries_added == 0 {
            return Some(0);
        }
        if self.len == 0 && id <= last_id {
            return Some(entries_added);
        }
        if id >= last_id {
            return (id == last_id).then_some(entries_added);
        }
        if max_deleted_id == StreamId::MIN || max_deleted_id < self.first_id {
            let before = entries_added.saturating_sub(self.len);
            if id < self.first_id {
                return Some(before);
            }
            if id == self.first_id {
                return Some(before + 1);
            }
        }
        None
    }

    /// How many entries a group has read once it has read that of `id`, its next one.
    pub fn read(&self, group: &GroupState, id: StreamId) -> Option<u64> {
        match group.entries_read {
            Some(read) if !self.has_gaps_from(id) => Some(read.saturating_add(1)),
            read if self.meta.entries_added == 0 => read,
            _ => self.distance(id),
        }
    }

    /// How many entries a group has still to read, if that can be told.
    pub fn lag(&self, group: &GroupState) -> Option<i64> {
        let added = self.meta.entries_added;
        if added == 0 {
            return Some(0);
        }
        let read = match group.entries_read {
            Some(read) if !self.has_gaps_from(group.last_id) => read,
            _ => self.distance(group.last_id)?,
        };
        Some(added.wrapping_sub(read) as i64)
    }
}
