//! Values read from what somebody sent.
//!
//! Every form is checked element by element and the value built anew from it, so that nothing of the sender's layout is relied on. A
//! member that comes twice and a value without elements are refused, as Redis refuses them.

mod stream;

use self::stream::Form;
use super::integers::Integers;
use super::listpack::Listpack;
use super::string::{self, StringValue};
use super::ziplist::{Ziplist, Zipmap};
use super::{Bounds, Invalid, Reader, Value, Walk, length};
use super::{
    HASH, HASH_LISTPACK, HASH_ZIPLIST, HASH_ZIPMAP, LIST, LIST_QUICKLIST, LIST_QUICKLIST_2,
    LIST_ZIPLIST, SET, SET_INTSET, SET_LISTPACK, STRING, ZSET, ZSET_2, ZSET_LISTPACK, ZSET_ZIPLIST,
};
use crate::types::collection::{Hash, Item, List, Set, Stamp, Zset};
use std::borrow::Cow;
use torc_protocol::number::parse_f64;

/// A node of a list that is one element alone, and one that is a listpack.
const NODE_PLAIN: u64 = 1;
const NODE_PACKED: u64 = 2;

/// Scores of the oldest form of sorted sets are text, but for these in the place of its length.
const SCORE_MINUS_INFINITY: u8 = 255;
const SCORE_INFINITY: u8 = 254;
const SCORE_NAN: u8 = 253;

/// The value in `payload`, see [`super::load()`].
pub(super) fn load<'p>(payload: &'p [u8], bounds: &Bounds) -> Result<Value<'p>, Invalid> {
    let mut reader = Reader { rest: payload };
    let kind = reader.byte()?;
    let mut loader = Loader { reader, bounds, unpacked_left: bounds.bytes_max };
    let value = match kind {
        STRING => Value::String(loader.string()?),
        HASH => loader.hash()?.into(),
        HASH_LISTPACK => loader.packed(|bytes, it| it.hash_of(Listpack::of(bytes)?))?.into(),
        HASH_ZIPLIST => loader.packed(|bytes, it| it.hash_of(Ziplist::of(bytes)?))?.into(),
        HASH_ZIPMAP => loader.packed(|bytes, it| it.hash_of(Zipmap::of(bytes)?))?.into(),
        SET => loader.set()?.into(),
        SET_INTSET => loader.packed(|bytes, it| it.set_of(Integers::of(bytes)?))?.into(),
        SET_LISTPACK => loader.packed(|bytes, it| it.set_of(Listpack::of(bytes)?))?.into(),
        ZSET => loader.zset(Loader::old_score)?.into(),
        ZSET_2 => loader.zset(Loader::score)?.into(),
        ZSET_LISTPACK => loader.packed(|bytes, it| it.zset_of(Listpack::of(bytes)?))?.into(),
        ZSET_ZIPLIST => loader.packed(|bytes, it| it.zset_of(Ziplist::of(bytes)?))?.into(),
        LIST => loader.list()?.into(),
        LIST_ZIPLIST => loader.nodes(1, |_| Ok(NODE_PACKED), Packed::Ziplist)?.into(),
        LIST_QUICKLIST => {
            let count = loader.length()?;
            loader.nodes(count, |_| Ok(NODE_PACKED), Packed::Ziplist)?.into()
        }
        LIST_QUICKLIST_2 => {
            let count = loader.length()?;
            loader.nodes(count, Loader::length, Packed::Listpack)?.into()
        }
        _ => loader.stream(Form::of(kind).ok_or(Invalid::Format)?)?.into(),
    };
    if value.is_empty() { Err(Invalid::Format) } else { Ok(value) }
}

/// What the nodes of a list are packed as.
#[derive(Debug, Clone, Copy)]
enum Packed {
    Ziplist,
    Listpack,
}

struct Loader<'p, 'b> {
    reader: Reader<'p>,
    bounds: &'b Bounds,
    /// Bytes that may still be unpacked from compressed strings: a few bytes that stand for many count as many.
    unpacked_left: u64,
}

/// A string as an element: only its text matters.
fn item<'s>(value: &'s StringValue<'_>) -> Item<'s> {
    match value {
        StringValue::Integer(value) => Item::Integer(*value),
        StringValue::Bytes(bytes) => Item::Bytes(bytes),
    }
}

/// A member that is there already.
fn once<T>(known: Option<T>) -> Result<(), Invalid> {
    if known.is_none() { Ok(()) } else { Err(Invalid::Format) }
}

impl<'p> Loader<'p, '_> {
    fn length(&mut self) -> Result<u64, Invalid> {
        length::read(&mut self.reader).map(length::Length::number)
    }

    fn string(&mut self) -> Result<StringValue<'p>, Invalid> {
        let value = string::read(&mut self.reader, self.bounds.bytes_max)?;
        if let StringValue::Bytes(Cow::Owned(unpacked)) = &value {
            let left = self.unpacked_left.checked_sub(unpacked.len() as u64);
            self.unpacked_left = left.ok_or(Invalid::Format)?;
        }
        Ok(value)
    }

    /// Reads a value that is packed into one string.
    fn packed<T>(
        &mut self,
        read: impl FnOnce(&[u8], &Self) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        match self.string()? {
            StringValue::Bytes(bytes) => read(&bytes, self),
            StringValue::Integer(_) => Err(Invalid::Format),
        }
    }

    fn hash(&mut self) -> Result<Hash, Invalid> {
        let mut hash = Hash::new();
        for _ in 0..self.length()? {
            let (field, value) = (self.string()?, self.string()?);
            self.add_field(&mut hash, item(&field), item(&value))?;
        }
        Ok(hash)
    }

    fn hash_of<'w>(&self, mut fields: impl Walk<'w>) -> Result<Hash, Invalid> {
        let mut hash = Hash::new();
        while let Some(field) = fields.next()? {
            let value = fields.next()?.ok_or(Invalid::Format)?;
            self.add_field(&mut hash, field, value)?;
        }
        Ok(hash)
    }

    fn add_field(&self, hash: &mut Hash, field: Item<'_>, value: Item<'_>) -> Result<(), Invalid> {
        let (mut field_text, mut value_text) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (field, value) = (field.text(&mut field_text), value.text(&mut value_text));
        once(hash.insert(field, value, Stamp::NONE, &self.bounds.hash))
    }

    fn set(&mut self) -> Result<Set, Invalid> {
        let mut set = Set::new();
        for _ in 0..self.length()? {
            let member = self.string()?;
            self.add_member(&mut set, item(&member))?;
        }
        Ok(set)
    }

    fn set_of<'w>(&self, mut members: impl Walk<'w>) -> Result<Set, Invalid> {
        let mut set = Set::new();
        while let Some(member) = members.next()? {
            self.add_member(&mut set, member)?;
        }
        Ok(set)
    }

    fn add_member(&self, set: &mut Set, member: Item<'_>) -> Result<(), Invalid> {
        let mut text = itoa::Buffer::new();
        once(set.insert(member.text(&mut text), Stamp::NONE, &self.bounds.set))
    }

    fn zset(&mut self, score: fn(&mut Self) -> Result<f64, Invalid>) -> Result<Zset, Invalid> {
        let mut zset = Zset::new();
        zset.convert(self.bounds.zset.hash);
        for _ in 0..self.length()? {
            let member = self.string()?;
            let score = score(self)?;
            self.add_scored(&mut zset, item(&member), score)?;
        }
        Ok(zset.packed_if_small(&self.bounds.zset))
    }

    fn zset_of<'w>(&self, mut members: impl Walk<'w>) -> Result<Zset, Invalid> {
        let mut zset = Zset::new();
        while let Some(member) = members.next()? {
            let score = match members.next()?.ok_or(Invalid::Format)? {
                Item::Integer(score) => score as f64,
                Item::Bytes(text) => parse_f64(text).ok_or(Invalid::Format)?,
            };
            self.add_scored(&mut zset, member, score)?;
        }
        Ok(zset)
    }

    fn add_scored(&self, zset: &mut Zset, member: Item<'_>, score: f64) -> Result<(), Invalid> {
        if score.is_nan() {
            return Err(Invalid::Format);
        }
        let mut text = itoa::Buffer::new();
        once(zset.insert(member.text(&mut text), score, Stamp::NONE, &self.bounds.zset))
    }

    fn score(&mut self) -> Result<f64, Invalid> {
        self.reader.array().map(f64::from_le_bytes)
    }

    fn old_score(&mut self) -> Result<f64, Invalid> {
        match self.reader.byte()? {
            SCORE_MINUS_INFINITY => Ok(f64::NEG_INFINITY),
            SCORE_INFINITY => Ok(f64::INFINITY),
            SCORE_NAN => Err(Invalid::Format),
            len => parse_f64(self.reader.take(len.into())?).ok_or(Invalid::Format),
        }
    }

    fn list(&mut self) -> Result<List, Invalid> {
        let mut list = List::new();
        for _ in 0..self.length()? {
            let element = self.string()?;
            self.add_element(&mut list, item(&element));
        }
        Ok(list)
    }

    /// A list in `count` nodes, each packed or a lone element, as `form` says.
    fn nodes(
        &mut self,
        count: u64,
        form: fn(&mut Self) -> Result<u64, Invalid>,
        packed: Packed,
    ) -> Result<List, Invalid> {
        let mut list = List::new();
        for _ in 0..count {
            let form = form(self)?;
            let node = self.string()?;
            match (form, &node, packed) {
                (NODE_PLAIN, node, _) => self.add_element(&mut list, item(node)),
                (NODE_PACKED, StringValue::Bytes(bytes), Packed::Listpack) => {
                    self.append(&mut list, Listpack::of(bytes)?)?;
                }
                (NODE_PACKED, StringValue::Bytes(bytes), Packed::Ziplist) => {
                    self.append(&mut list, Ziplist::of(bytes)?)?;
                }
                _ => return Err(Invalid::Format),
            }
        }
        Ok(list)
    }

    fn append<'w>(&self, list: &mut List, mut elements: impl Walk<'w>) -> Result<(), Invalid> {
        while let Some(element) = elements.next()? {
            self.add_element(list, element);
        }
        Ok(())
    }

    fn add_element(&self, list: &mut List, element: Item<'_>) {
        let mut text = itoa::Buffer::new();
        list.push_back(element.text(&mut text), Stamp::NONE, &self.bounds.list);
    }
}
