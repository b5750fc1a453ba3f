//! Streams, as Redis 7.0 dumps them.
//!
//! ```text
//! number of nodes | node … | number of entries | last id | first id | last id deleted | entries ever added | groups
//!
//! node     = id (16 bytes, BE), a string | listpack, a string
//! listpack = live | deleted | number of names | name … | 0 | entry …
//! entry    = flags | ms, sequence: differences to the node's id | value …                        | elements before   flags & 2: the names are the node's
//!          = flags | ms, sequence                               | number of fields | name, value … | elements before   flags & 1: deleted
//!
//! groups   = number | group …
//! group    = name | last id | entries read (2^64 - 1: unknown) | pending | consumers
//! pending  = number | (id (16 bytes, BE), delivered (i64, LE), deliveries) …
//! consumer = name | seen (i64, LE) | number | id (16 bytes, BE) …
//! ```
//!
//! Numbers are lengths, ids two of them, if nothing else is said. Redis 7.2 writes when a consumer was active behind when it was seen, and 5.0 and 6 know neither of the first
//! id, the last one deleted, the entries ever added nor the entries read.
//!
//! Nodes are those that Redis has of these entries, but without the entries that were deleted. Of two entries of one id, which sides of a partition wrote, the second is given the next id.

use super::listpack::Writer;
use super::string::{self, StringValue};
use super::{STREAM_LISTPACKS_2, length};
use crate::types::collection::stream::{Fields, GroupView, NodeHead, Pending, Progress};
use crate::types::collection::{Item, Stream, StreamId};
use std::borrow::Cow;

/// Flag of an entry whose id is given out no more.
pub(super) const DELETED: i64 = 1;
/// Flag of an entry whose names are those of its node.
pub(super) const SAME_NAMES: i64 = 2;
/// How many entries a group has read is not known.
pub(super) const READ_UNKNOWN: u64 = u64::MAX;

pub(super) fn write(out: &mut Vec<u8>, stream: &Stream) {
    out.push(STREAM_LISTPACKS_2);
    let last_id = write_entries(out, stream);
    let progress = Progress::of(stream);
    length::write(out, progress.len);
    write_id(out, progress.meta.last_id.max(last_id));
    write_id(out, progress.first_id());
    write_id(out, progress.meta.max_deleted_id);
    length::write(out, progress.meta.entries_added);
    length::write(out, stream.groups().count() as u64);
    stream.groups().for_each(|group| write_group(out, group));
}

fn write_id(out: &mut Vec<u8>, id: StreamId) {
    length::write(out, id.ms);
    length::write(out, id.seq);
}

fn write_text(out: &mut Vec<u8>, text: &[u8]) {
    string::write(out, StringValue::Bytes(Cow::Borrowed(text)));
}

/// The nodes; the id of the last entry.
fn write_entries(out: &mut Vec<u8>, stream: &Stream) -> StreamId {
    let (mut nodes, mut count) = (Vec::new(), 0);
    let (mut last_id, mut free) = (StreamId::MIN, Some(StreamId::MIN));
    for known in stream.nodes() {
        let mut node: Option<Node<'_>> = None;
        for entry in known.entries() {
            let Some(id) = free.map(|free| entry.id.max(free)) else { break };
            (last_id, free) = (id, id.next());
            let node = node.get_or_insert_with(|| Node::new(known.head(), id));
            node.push(id, entry.fields);
        }
        if let Some(node) = node {
            count += 1;
            node.finish(&mut nodes);
        }
    }
    length::write(out, count);
    out.extend_from_slice(&nodes);
    last_id
}

/// A node that is being written.
struct Node<'v> {
    head: NodeHead<'v>,
    /// All behind the counts of entries.
    body: Writer,
    live: i64,
}

impl<'v> Node<'v> {
    /// One whose first entry has the id `first`, which may be lower than that with which it began, where a side of a partition wrote it.
    fn new(head: NodeHead<'v>, first: StreamId) -> Self {
        let mut body = Writer::new();
        body.push(Item::Integer(head.names.len() as i64));
        head.names.names().for_each(|name| body.push(name));
        body.push(Item::Integer(0));
        Node { head: NodeHead { id: head.id.min(first), ..head }, body, live: 0 }
    }

    fn push(&mut self, id: StreamId, fields: Fields<'_>) {
        let has_same_names = fields.has_names_of(self.head.names);
        let elements = if has_same_names { fields.len() + 3 } else { 2 * fields.len() + 4 };
        let integer = |value: i64| Item::Integer(value);
        self.body.push(integer(if has_same_names { SAME_NAMES } else { 0 }));
        self.body.push(integer(id.ms.wrapping_sub(self.head.id.ms) as i64));
        self.body.push(integer(id.seq.wrapping_sub(self.head.id.seq) as i64));
        if !has_same_names {
            self.body.push(integer(fields.len() as i64));
        }
        for (name, value) in fields.iter() {
            if !has_same_names {
                self.body.push(name);
            }
            self.body.push(value);
        }
        self.body.push(integer(elements as i64));
        self.live += 1;
    }

    fn finish(self, out: &mut Vec<u8>) {
        let mut whole = Writer::new();
        whole.push(Item::Integer(self.live));
        whole.push(Item::Integer(0));
        whole.append(&self.body);
        write_text(out, &self.head.id.to_bytes());
        write_text(out, &whole.finish());
    }
}

fn write_group(out: &mut Vec<u8>, group: GroupView<'_>) {
    let state = group.state();
    write_text(out, group.name());
    write_id(out, state.last_id);
    length::write(out, state.entries_read.unwrap_or(READ_UNKNOWN));
    length::write(out, group.pending_len());
    for Pending { id, delivered_ms, deliveries, .. } in group.pending(StreamId::MIN, StreamId::MAX)
    {
        out.extend_from_slice(&id.to_bytes());
        out.extend_from_slice(&delivered_ms.to_le_bytes());
        length::write(out, deliveries);
    }
    length::write(out, group.consumers().count() as u64);
    for consumer in group.consumers() {
        write_text(out, consumer.name());
        out.extend_from_slice(&consumer.state().seen_ms.to_le_bytes());
        length::write(out, consumer.pending_len());
        let pending = consumer.pending(StreamId::MIN, StreamId::MAX);
        pending.for_each(|it| out.extend_from_slice(&it.id.to_bytes()));
    }
}
