//! Collections that are stored whole: under another name, or as the result of a command. Every element counts as written then.

use super::chain::ValueRef;
use super::change::{ElementChange, put_change};
use super::collection::{Collection, CollectionRef};
use super::edit::position_bytes;
use crate::base::version::Version;
use crate::types::collection::stream::{entry_id, entry_value};
use crate::types::collection::{Hash, Limits, List, Set, Stamp, Stream, StreamId, Zset};

/// A copy of `found` whose elements were all written as of `version`, and what other nodes must be told for it.
pub(super) fn restamped(
    found: &CollectionRef<'_>,
    version: Version,
    limits: &Limits,
) -> (Collection, Vec<u8>) {
    let stamp = Stamp::of(version);
    let mut told = Vec::new();
    let mut tell = |id: &[u8], bytes: &[u8]| {
        let value = ValueRef::Bytes { bytes, raw: false };
        put_change(&mut told, &ElementChange::Put { id, value });
    };
    let (mut id, mut text) = (itoa::Buffer::new(), itoa::Buffer::new());
    let copy = match found.to_collection() {
        Collection::Hash(old) => {
            let mut hash = Hash::new();
            for known in old.view().iter() {
                let (field, value) = (known.field.text(&mut id), known.value.text(&mut text));
                tell(field, value);
                hash.insert(field, value, stamp, limits);
            }
            Collection::Hash(hash)
        }
        Collection::Set(old) => {
            let mut set = Set::new();
            for known in old.view().iter() {
                let member = known.member.text(&mut id);
                tell(member, b"");
                set.insert(member, stamp, limits);
            }
            Collection::Set(set)
        }
        Collection::Zset(old) => {
            let mut zset = Zset::new();
            for known in old.view().iter() {
                let member = known.member.text(&mut id);
                tell(member, &known.score.to_bits().to_be_bytes());
                zset.insert(member, known.score, stamp, limits);
            }
            Collection::Zset(zset)
        }
        Collection::List(old) => {
            let mut list = List::new();
            for known in old.view().iter() {
                list.push_back(known.value.text(&mut text), stamp, limits);
            }
            for known in list.view().iter() {
                tell(&position_bytes(known.position), known.value.text(&mut text));
            }
            Collection::List(list)
        }
        Collection::Stream(old) => {
            let mut stream = Stream::new();
            let entries = old.entries_len();
            old.elements_from(0, old.len() - entries, Version::ZERO, |id, _, value| {
                tell(id, value);
                stream.put_element(id, value, stamp, limits);
            });
            let mut free = Some(StreamId::MIN);
            for node in old.nodes() {
                let mut head = Some(node.head());
                for known in node.entries() {
                    // Of two entries of one id, which sides of a partition wrote, the second takes the next one: one write can name only one of them.
                    let Some(id) = free.map(|free| known.id.max(free)) else { break };
                    free = id.next();
                    tell(&entry_id(id, None), &entry_value(known.fields));
                    stream.push_entry(id, known.fields, stamp, head.take());
                }
                stream.set_last_node_as(node);
            }
            Collection::Stream(stream)
        }
    };
    (copy, told)
}
