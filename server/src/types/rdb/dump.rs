//! Values written as Redis 7.0 writes them.
//!
//! The bytes are Redis's wherever its form follows from the value: small hashes, sorted sets, sets of integers, lists that were only pushed to at
//! their end, streams of which nothing was deleted. Where it follows from the history instead (the order of a hash table, how a list's nodes were split) another order or split is written,
//! which reads back as the same value. A small set of other things than integers has a packed form in Redis 7.2 alone, so that it is written member by member.

use super::stream;
use super::string::{self, StringValue};
use super::{
    HASH, HASH_LISTPACK, LIST_QUICKLIST_2, SET, SET_INTSET, STRING, VERSION_WRITTEN, ZSET_2,
    ZSET_LISTPACK, crc64, integers, length, listpack,
};
use crate::types::collection::{HashView, Item, ListView, SetView, Stream, ZsetView, shown_whole};
use std::borrow::Cow;
use torc_protocol::number::DoubleText;

/// Bytes of a list's node, as `list-max-listpack-size -2` has it.
const NODE_BYTES_MAX: usize = 8192;
/// What Redis supposes that an element takes in a node besides its text.
const ELEMENT_OVERHEAD: usize = 8;
/// The node is a listpack, not one element alone.
const NODE_PACKED: u64 = 2;

/// A value to be dumped.
#[derive(Debug, Clone)]
pub enum Shown<'v> {
    /// A string.
    String(StringValue<'v>),
    /// A hash.
    Hash(HashView<'v>),
    /// A list.
    List(ListView<'v>),
    /// A set.
    Set(SetView<'v>),
    /// A sorted set.
    Zset(ZsetView<'v>),
    /// A stream.
    Stream(&'v Stream),
}

/// The payload of a value.
pub fn dump(value: Shown<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    match value {
        Shown::String(value) => {
            payload.push(STRING);
            string::write(&mut payload, value);
        }
        Shown::Hash(hash) => write_hash(&mut payload, hash),
        Shown::List(list) => write_list(&mut payload, list),
        Shown::Set(set) => write_set(&mut payload, set),
        Shown::Zset(zset) => write_zset(&mut payload, zset),
        Shown::Stream(stream) => stream::write(&mut payload, stream),
    }
    finish(payload)
}

/// Appends the footer to what a payload holds.
pub(super) fn finish(mut payload: Vec<u8>) -> Vec<u8> {
    payload.extend_from_slice(&VERSION_WRITTEN.to_le_bytes());
    let crc = crc64::crc64(0, &payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    payload
}

fn write_item(out: &mut Vec<u8>, item: Item<'_>) {
    string::write(
        out,
        match item {
            Item::Integer(value) => StringValue::Integer(value),
            Item::Bytes(bytes) => StringValue::Bytes(Cow::Borrowed(bytes)),
        },
    );
}

fn write_packed(out: &mut Vec<u8>, packed: Vec<u8>) {
    string::write(out, StringValue::Bytes(Cow::Owned(packed)));
}

fn write_hash(out: &mut Vec<u8>, hash: HashView<'_>) {
    if hash.encoding() == "listpack" {
        let mut packed = listpack::Writer::new();
        for known in hash.iter() {
            packed.push(known.field);
            packed.push(known.value);
        }
        out.push(HASH_LISTPACK);
        return write_packed(out, packed.finish());
    }
    out.push(HASH);
    length::write(out, hash.len());
    for known in hash.iter() {
        write_item(out, known.field);
        write_item(out, known.value);
    }
}

fn write_list(out: &mut Vec<u8>, list: ListView<'_>) {
    out.push(LIST_QUICKLIST_2);
    let (mut nodes, mut count) = (Vec::new(), 0);
    let mut node = listpack::Writer::new();
    let mut end = |node: listpack::Writer| {
        length::write(&mut nodes, NODE_PACKED);
        write_packed(&mut nodes, node.finish());
        count += 1;
    };
    for element in list.iter() {
        let is_full = node.len() + element.value.len() + ELEMENT_OVERHEAD > NODE_BYTES_MAX;
        if is_full && !node.is_empty() {
            end(std::mem::replace(&mut node, listpack::Writer::new()));
        }
        node.push(element.value);
    }
    end(node);
    length::write(out, count);
    out.extend_from_slice(&nodes);
}

fn write_set(out: &mut Vec<u8>, set: SetView<'_>) {
    if set.encoding() == "intset" {
        // None of its members is anything else.
        let integers = integers::write(set.iter().filter_map(|known| known.member.integer()));
        out.push(SET_INTSET);
        return write_packed(out, integers);
    }
    out.push(SET);
    length::write(out, set.len());
    set.iter().for_each(|known| write_item(out, known.member));
}

fn write_zset(out: &mut Vec<u8>, zset: ZsetView<'_>) {
    if zset.encoding() == "listpack" {
        let mut packed = listpack::Writer::new();
        let mut text = DoubleText::new();
        for known in zset.iter() {
            packed.push(known.member);
            packed.push(match shown_whole(known.score) {
                Some(whole) => Item::Integer(whole),
                None => Item::Bytes(text.format(known.score).as_bytes()),
            });
        }
        out.push(ZSET_LISTPACK);
        return write_packed(out, packed.finish());
    }
    out.push(ZSET_2);
    length::write(out, zset.len());
    // From the highest down, as Redis does, which builds its skip list from the end.
    for known in zset.range(0, u64::MAX, true) {
        write_item(out, known.member);
        out.extend_from_slice(&known.score.to_le_bytes());
    }
}
