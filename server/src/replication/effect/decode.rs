//! Bytes to effects; every byte is a peer's.

use super::{
    AmountRef, Changes, Decoded, Effect, ElementChange, FORMAT, Kind, LonePut, OPTIONAL, Op,
    ValueRef, flag, kind,
};
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use crate::base::version::Version;
use crate::replication::vector::Vector;
use torc_protocol::peer::wire::{Malformed, Reader};
use torc_protocol::slot::Slot;

/// The versions of fields that are understood here.
const FIELDS_MAX: u8 = 1;

/// Why bytes are no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No node writes such bytes: the link is broken or hostile, and to be closed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A later version's effect. Its slot cannot be followed; the others can.
    #[error("unsupported operation {kind} of version {version} in slot {}", slot.index())]
    Unsupported {
        /// The slot that is dirty now.
        slot: Slot,
        /// The operation's kind; 0 if the whole effect's format is unknown.
        kind: u8,
        /// The version that its reader would need.
        version: u8,
    },
}

/// The effects of a batch, one after another. Ends after the first malformed one, as nothing says where the next would begin.
#[derive(Debug, Clone)]
pub struct Batch<'a> {
    reader: Reader<'a>,
}

impl<'a> Batch<'a> {
    /// Reads `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Batch { reader: Reader::new(bytes) }
    }

    /// The next effect with the bytes that it came from.
    #[inline]
    pub fn next_decoded(&mut self) -> Option<Result<(Decoded<'a>, &'a [u8]), DecodeError>> {
        if self.reader.is_empty() {
            return None;
        }
        let bytes = self.reader.rest();
        let inside = self.reader.u32().and_then(|len| self.reader.take(len as usize));
        let decoded = match inside {
            Ok(inside) => read(inside),
            Err(error) => Err(error.into()),
        };
        if matches!(decoded, Err(DecodeError::Malformed(_))) {
            self.reader = Reader::new(&[]);
        }
        Some(decoded.map(|decoded| (decoded, &bytes[..bytes.len() - self.reader.rest().len()])))
    }
}

impl<'a> Iterator for Batch<'a> {
    /// Each effect with the bytes that it came from.
    type Item = Result<(Effect<'a>, &'a [u8]), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = self.next_decoded()?;
        Some(decoded.map(|(decoded, bytes)| (decoded.into_effect(), bytes)))
    }
}

impl<'a> Effect<'a> {
    /// The effect that `bytes` begin with.
    pub fn decode(bytes: &'a [u8]) -> Result<Effect<'a>, DecodeError> {
        match Batch::new(bytes).next() {
            Some(effect) => effect.map(|(effect, _)| effect),
            None => Err(Malformed::Value("empty effect").into()),
        }
    }
}

#[inline]
fn read(bytes: &[u8]) -> Result<Decoded<'_>, DecodeError> {
    let mut reader = Reader::new(bytes);
    let format = reader.u8()?;
    let slot = Slot::new(reader.u16()?).ok_or(Malformed::Value("slot"))?;
    if format != FORMAT {
        return Err(DecodeError::Unsupported { slot, kind: 0, version: format });
    }
    let version = Version::from_bits(reader.u64()?);
    let previous = match reader.varint()? {
        0 => Version::ZERO,
        distance if distance <= version.get() >> 12 => {
            Version::from_bits(version.get() - (distance << 12))
        }
        _ => return Err(Malformed::Value("previous version").into()),
    };
    if version.is_zero() {
        return Err(Malformed::Value("version").into());
    }
    if let Some((db, key, bytes)) = lone_put(reader.rest()) {
        return Ok(Decoded::LonePut(LonePut { slot, previous, version, db, key, bytes }));
    }
    let effect = read_operations(reader, slot, (previous, version))?;
    Ok(Decoded::Effect(Box::new(effect)))
}

#[inline(never)]
fn read_operations<'a>(
    mut reader: Reader<'a>,
    slot: Slot,
    (previous, version): (Version, Version),
) -> Result<Effect<'a>, DecodeError> {
    let deps = Vector::decode(&mut reader)?;
    let next = |reader: &mut Reader<'a>| -> Result<Option<Op<'a>>, DecodeError> {
        while !reader.is_empty() {
            if let Some(op) = read_op(reader, slot)? {
                check(&op, version)?;
                return Ok(Some(op));
            }
        }
        Ok(None)
    };
    let first = next(&mut reader)?;
    let others = reader.rest();
    // All are read once now, so that an effect is either whole or refused before any of it is applied.
    while next(&mut reader)?.is_some() {}
    Ok(Effect { slot, previous, version, deps, first, others })
}

/// An effect's operations.
#[derive(Debug, Clone)]
pub struct Ops<'a> {
    reader: Reader<'a>,
}

impl<'a> Ops<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Ops { reader: Reader::new(bytes) }
    }
}

impl<'a> Iterator for Ops<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        while !self.reader.is_empty() {
            // Errors cannot come: the same bytes were read when the effect was decoded.
            let slot = Slot::new(0)?;
            if let Some(op) = read_op(&mut self.reader, slot).ok()? {
                return Some(op);
            }
        }
        None
    }
}

/// What the fields cannot say alone.
fn check(op: &Op<'_>, version: Version) -> Result<(), Malformed> {
    let fits = |known: &Option<Version>| known.is_none_or(|known| known <= version);
    match op {
        Op::Put { value_version, deadline_version, .. } => {
            // The dot of an element is the later of the two, and must be this effect's.
            let now = |known: &Option<Version>| known.is_none_or(|known| known == version);
            let dotted = now(value_version) || now(deadline_version);
            match dotted && fits(value_version) && fits(deadline_version) {
                true => Ok(()),
                false => Err(Malformed::Value("version of a value")),
            }
        }
        Op::Count { epoch, deadline_version, .. } => {
            match fits(deadline_version) && *epoch <= version {
                true => Ok(()),
                false => Err(Malformed::Value("version of a counter")),
            }
        }
        Op::Splice { len, offset, bytes, .. } => {
            // What a splice leaves behind is allocated, so its length is bounded here as values are: to 4 GiB.
            let end = offset.checked_add(bytes.len() as u64);
            match end.is_some_and(|end| end <= *len) && *len <= u64::from(u32::MAX) {
                true => Ok(()),
                false => Err(Malformed::Value("splice")),
            }
        }
        Op::Elements { changes, .. } => {
            let fits = |change: ElementChange<'_>| match change {
                ElementChange::Count { epoch, .. } => epoch <= version,
                ElementChange::Put { .. } | ElementChange::Remove { .. } => true,
            };
            match changes.iter().all(fits) {
                true => Ok(()),
                false => Err(Malformed::Value("version of a counter")),
            }
        }
        Op::Delete { .. } | Op::Deadline { .. } | Op::Head { .. } | Op::Flush { .. } => Ok(()),
    }
}

/// What the rest of a [`LonePut`] says: database, key and bytes. Of anything else nothing is said; it is read field by field.
#[inline]
fn lone_put(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [0, kind::PUT, FIELDS_MAX, rest @ ..] = bytes else { return None };
    let (length, fields) = short_varint(rest)?;
    let [flag::FORM_BYTES, db, rest @ ..] = fields else { return None };
    let (key_bytes, rest) = short_varint(rest)?;
    let (key, rest) = rest.split_at_checked(key_bytes)?;
    let (value_bytes, value) = short_varint(rest)?;
    let is_whole = length == fields.len() && value_bytes == value.len();
    (is_whole && usize::from(*db) < DATABASE_COUNT).then_some((*db, key, value))
}

/// A varint of one or two bytes in its shortest form, and what follows it.
#[inline]
fn short_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [low @ 0..0x80, rest @ ..] => Some((usize::from(*low), rest)),
        [low, high @ 1..0x80, rest @ ..] => {
            Some((usize::from(*low & 0x7f) | usize::from(*high) << 7, rest))
        }
        _ => None,
    }
}

/// The next operation; nothing if it was skipped.
fn read_op<'a>(reader: &mut Reader<'a>, slot: Slot) -> Result<Option<Op<'a>>, DecodeError> {
    let (kind, version) = (reader.u8()?, reader.u8()?);
    let length = usize::try_from(reader.padded_varint()?).map_err(|_| Malformed::Truncated)?;
    let mut fields = Reader::new(reader.take(length)?);
    let known = matches!(kind, kind::PUT..=kind::HEAD);
    if !known || version > FIELDS_MAX {
        return match kind & OPTIONAL {
            0 => Err(DecodeError::Unsupported { slot, kind, version }),
            _ => Ok(None),
        };
    }
    Ok(Some(read_fields(&mut fields, kind)?))
}

fn read_fields<'a>(fields: &mut Reader<'a>, kind: u8) -> Result<Op<'a>, Malformed> {
    let flags = fields.u8()?;
    let db = fields.u8()?;
    if usize::from(db) >= DATABASE_COUNT {
        return Err(Malformed::Value("database"));
    }
    if kind == kind::FLUSH {
        let one = flags & flag::ONE_DATABASE != 0;
        return Ok(Op::Flush { db: one.then_some(db), seen: Vector::decode(fields)? });
    }
    let key = fields.bytes(usize::MAX, "bytes")?;
    let times = Times::read(fields, flags)?;
    let Times { value_version, deadline, deadline_version } = times;
    Ok(match kind {
        kind::PUT => {
            let value = read_value(fields, flags)?;
            Op::Put { db, key, value, value_version, deadline, deadline_version }
        }
        kind::DELETE => Op::Delete { db, key },
        kind::DEADLINE => Op::Deadline { db, key, base: read_version(fields)?, deadline },
        kind::COUNT => {
            let epoch = Version::from_bits(fields.varint()?);
            let sum = match flags & flag::FORM {
                flag::FORM_INTEGER => AmountRef::Integer(fields.signed()?),
                flag::FORM_BYTES => AmountRef::Decimal(fields.bytes(usize::MAX, "bytes")?),
                _ => return Err(Malformed::Value("form of a sum")),
            };
            Op::Count { db, key, epoch, sum, deadline, deadline_version }
        }
        kind::ELEMENTS => {
            let kind = Kind::of_code(fields.u8()?).ok_or(Malformed::Value("type"))?;
            Op::Elements {
                db,
                key,
                kind,
                changes: Changes::new(fields.bytes(usize::MAX, "changes")?)?,
            }
        }
        kind::HEAD => Op::Head { db, key, deadline },
        _ => Op::Splice {
            db,
            key,
            base: read_version(fields)?,
            len: fields.varint()?,
            offset: fields.varint()?,
            bytes: fields.bytes(usize::MAX, "bytes")?,
        },
    })
}

fn read_value<'a>(fields: &mut Reader<'a>, flags: u8) -> Result<ValueRef<'a>, Malformed> {
    match flags & flag::FORM {
        flag::FORM_INTEGER => Ok(ValueRef::Integer(fields.signed()?)),
        flag::FORM_BYTES => {
            Ok(ValueRef::Bytes { bytes: fields.bytes(usize::MAX, "bytes")?, raw: false })
        }
        flag::FORM_RAW => {
            Ok(ValueRef::Bytes { bytes: fields.bytes(usize::MAX, "bytes")?, raw: true })
        }
        _ => Err(Malformed::Value("form of a value")),
    }
}

fn read_version(fields: &mut Reader<'_>) -> Result<Version, Malformed> {
    fields.u64().map(Version::from_bits)
}

/// The optional fields before a value.
struct Times {
    value_version: Option<Version>,
    deadline: Option<UnixMs>,
    deadline_version: Option<Version>,
}

impl Times {
    fn read(fields: &mut Reader<'_>, flags: u8) -> Result<Times, Malformed> {
        let has = |flag: u8| flags & flag != 0;
        Ok(Times {
            value_version: has(flag::VALUE_VERSION).then(|| read_version(fields)).transpose()?,
            deadline: has(flag::DEADLINE).then(|| fields.varint()).transpose()?,
            deadline_version: has(flag::DEADLINE_VERSION)
                .then(|| read_version(fields))
                .transpose()?,
        })
    }
}
