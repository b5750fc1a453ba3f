//! Streams, in the forms of Redis 5.0 to 7.2; `rdb/stream.rs` draws them.
//!
//! Ids go up, counts are right and what is pending belongs to one consumer each, or the payload is refused. A node's entries share names, and a group takes more than it is
//! written in, so that what is built is bounded beside the payload.

use super::{Invalid, Loader, StringValue, item};
use crate::types::collection::stream::{
    ConsumerState, FieldsBuf, GroupState, Meta, NodeHead, Pending, Progress,
};
use crate::types::collection::{Item, Stamp, Stream, StreamId};
use crate::types::rdb::listpack::Listpack;
use crate::types::rdb::stream::{DELETED, READ_UNKNOWN, SAME_NAMES};
use crate::types::rdb::{STREAM_LISTPACKS, STREAM_LISTPACKS_2, STREAM_LISTPACKS_3, Walk};

/// A stream takes up to so many times as many bytes as a payload without compression may have: what is pending takes more here than there.
const BYTES_FACTOR: u64 = 4;
/// Names up to this length are not counted for each entry: no node of that length has entries enough to matter.
const NAMES_BYTES_FREE: u64 = 4096;

/// Which Redis wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Before 7.0.
    First,
    /// 7.0.
    Second,
    /// 7.2.
    Third,
}

impl Form {
    /// The form of that type of value.
    pub(super) fn of(kind: u8) -> Option<Self> {
        match kind {
            STREAM_LISTPACKS => Some(Form::First),
            STREAM_LISTPACKS_2 => Some(Form::Second),
            STREAM_LISTPACKS_3 => Some(Form::Third),
            _ => None,
        }
    }
}

/// What is pending in a group, before its consumer is known.
struct Delivered {
    id: StreamId,
    delivered_ms: i64,
    deliveries: u64,
    is_taken: bool,
}

/// The next element, which is there and a number.
fn number<'p>(items: &mut impl Walk<'p>) -> Result<i64, Invalid> {
    items.next()?.and_then(Item::integer).ok_or(Invalid::Format)
}

/// The next element, which is there.
fn text<'p>(items: &mut impl Walk<'p>) -> Result<Item<'p>, Invalid> {
    let item = items.next()?.ok_or(Invalid::Format)?;
    Ok(match item {
        // A number's text counts as the number, however it was written.
        Item::Bytes(bytes) => Item::of(bytes),
        integer => integer,
    })
}

fn right(is_right: bool) -> Result<(), Invalid> {
    if is_right { Ok(()) } else { Err(Invalid::Format) }
}

impl Loader<'_, '_> {
    pub(super) fn stream(&mut self, form: Form) -> Result<Stream, Invalid> {
        let mut stream = Stream::new();
        let mut last = StreamId::MIN;
        for _ in 0..self.length()? {
            last = self.node(&mut stream, last)?;
        }
        right(self.length()? == stream.entries_len())?;
        let last_id = self.stream_id()?;
        right(last_id >= last)?;
        let mut meta = Meta { last_id, entries_added: stream.entries_len(), ..Meta::default() };
        if form > Form::First {
            // The first id follows from the entries.
            self.stream_id()?;
            meta.max_deleted_id = self.stream_id()?;
            meta.entries_added = self.length()?;
        }
        stream.put_meta(meta, Stamp::NONE);
        for _ in 0..self.length()? {
            self.group(&mut stream, form)?;
            self.check_size(&stream)?;
        }
        Ok(stream)
    }

    fn check_size(&self, stream: &Stream) -> Result<(), Invalid> {
        right(stream.memory_bytes() as u64 <= self.bounds.bytes_max.saturating_mul(BYTES_FACTOR))
    }

    /// An id as two numbers.
    fn stream_id(&mut self) -> Result<StreamId, Invalid> {
        Ok(StreamId { ms: self.length()?, seq: self.length()? })
    }

    /// An id as 16 bytes.
    fn raw_id(&mut self) -> Result<StreamId, Invalid> {
        StreamId::from_bytes(&self.reader.array::<16>()?).ok_or(Invalid::Format)
    }

    fn milliseconds(&mut self) -> Result<i64, Invalid> {
        self.reader.array().map(i64::from_le_bytes)
    }

    /// Adds a node's entries, which come behind `last`, and returns the id of the last one.
    fn node(&mut self, stream: &mut Stream, mut last: StreamId) -> Result<StreamId, Invalid> {
        let base = match self.string()? {
            StringValue::Bytes(bytes) if bytes.len() == 16 => StreamId::from_bytes(&bytes),
            _ => None,
        };
        let (Some(base), StringValue::Bytes(packed)) = (base, self.string()?) else {
            return Err(Invalid::Format);
        };
        let mut items = Listpack::of(&packed)?;
        let told = (number(&mut items)?, number(&mut items)?);
        let mut names = Vec::new();
        for _ in 0..number(&mut items)? {
            names.push(text(&mut items)?);
        }
        right(number(&mut items)? == 0)?;
        let mut shared_names = FieldsBuf::default();
        names.iter().for_each(|&name| shared_names.push_name(name));
        let mut head = Some(NodeHead { id: base, names: shared_names.fields() });
        let names_bytes: u64 = names.iter().map(|name| name.len() as u64).sum();
        let mut found = (0, 0);
        while let Some(flags) = items.next()? {
            let flags = flags.integer().filter(|flags| flags & !(DELETED | SAME_NAMES) == 0);
            let flags = flags.ok_or(Invalid::Format)?;
            let (ms, seq) = (number(&mut items)? as u64, number(&mut items)? as u64);
            let id = StreamId { ms: base.ms.wrapping_add(ms), seq: base.seq.wrapping_add(seq) };
            right(id > last && id >= base)?;
            last = id;
            let shared = (flags & SAME_NAMES != 0).then_some(&names[..]);
            let fields = fields(&mut items, shared)?;
            if flags & DELETED != 0 {
                found.1 += 1;
                continue;
            }
            found.0 += 1;
            if shared.is_some() && names_bytes > NAMES_BYTES_FREE {
                let left = self.unpacked_left.checked_sub(names_bytes);
                self.unpacked_left = left.ok_or(Invalid::Format)?;
            }
            right(!fields.fields().is_empty())?;
            stream.push_entry(id, fields.fields(), Stamp::NONE, head.take());
        }
        right(told == found)?;
        if found.0 > 0 && found.1 > 0 {
            stream.set_last_node(packed.len(), found.0 as usize, found.1 as usize, last);
        }
        self.check_size(stream)?;
        Ok(last)
    }

    fn group(&mut self, stream: &mut Stream, form: Form) -> Result<(), Invalid> {
        let name = self.string()?;
        let name = item(&name).to_vec();
        right(stream.group(&name).is_none())?;
        let last_id = self.stream_id()?;
        let mut state = GroupState { last_id, entries_read: None };
        state.entries_read = match form {
            Form::First => Progress::of(stream).distance(last_id),
            _ => Some(self.length()?).filter(|&read| read != READ_UNKNOWN),
        };
        stream.put_group(&name, state, Stamp::NONE);
        let mut delivered = self.delivered()?;
        for _ in 0..self.length()? {
            self.consumer(stream, &name, &mut delivered, form)?;
            self.check_size(stream)?;
        }
        right(delivered.iter().all(|it| it.is_taken))
    }

    /// What is pending in a group.
    fn delivered(&mut self) -> Result<Vec<Delivered>, Invalid> {
        let mut all: Vec<Delivered> = Vec::new();
        for _ in 0..self.length()? {
            let (id, delivered_ms) = (self.raw_id()?, self.milliseconds()?);
            right(all.last().is_none_or(|last| last.id < id))?;
            let deliveries = self.length()?;
            all.push(Delivered { id, delivered_ms, deliveries, is_taken: false });
        }
        Ok(all)
    }

    fn consumer(
        &mut self,
        stream: &mut Stream,
        group: &[u8],
        delivered: &mut [Delivered],
        form: Form,
    ) -> Result<(), Invalid> {
        let name = self.string()?;
        let name = item(&name).to_vec();
        let is_known = stream.group(group).is_some_and(|group| group.consumer(&name).is_some());
        right(!is_known)?;
        let seen_ms = self.milliseconds()?;
        let active_ms = match form {
            Form::Third => Some(self.milliseconds()?).filter(|&active| active != -1),
            // Nothing better is known.
            _ => Some(seen_ms),
        };
        stream.put_consumer(group, &name, ConsumerState { seen_ms, active_ms }, Stamp::NONE);
        for _ in 0..self.length()? {
            let id = self.raw_id()?;
            let at = delivered.binary_search_by_key(&id, |it| it.id);
            let it = &mut delivered[at.map_err(|_| Invalid::Format)?];
            right(!std::mem::replace(&mut it.is_taken, true))?;
            let Delivered { delivered_ms, deliveries, .. } = *it;
            let stamp = Stamp::NONE;
            let pending = Pending { id, consumer: &name, delivered_ms, deliveries, stamp };
            stream.put_pending(group, pending);
        }
        Ok(())
    }
}

/// The fields of an entry that has its node's `names`, or names of its own, and the count behind them.
fn fields<'p>(items: &mut impl Walk<'p>, names: Option<&[Item<'_>]>) -> Result<FieldsBuf, Invalid> {
    let mut fields = FieldsBuf::default();
    // Flags and the two parts of the id have been read.
    let mut elements = 3;
    if let Some(names) = names {
        for &name in names {
            fields.push(name, text(items)?);
        }
        elements += names.len() as i64;
    } else {
        let count = number(items)?;
        right(count >= 0)?;
        for _ in 0..count {
            let name = text(items)?;
            fields.push(name, text(items)?);
        }
        elements += 1 + 2 * count;
    }
    right(number(items)? == elements)?;
    Ok(fields)
}
