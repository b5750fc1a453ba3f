//! Effects to bytes.

use super::{AmountRef, FORMAT, Op, ValueRef, flag, kind};
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::replication::vector::Vector;
use torc_protocol::peer::wire::{put_bytes, put_signed, put_varint, varint_bytes};
use torc_protocol::slot::Slot;

/// The version of the fields that are written here: who knows less of a kind cannot read it.
const FIELDS: u8 = 1;

/// Length, format, slot and version, as each effect begins.
const HEAD_BYTES: usize = 4 + 1 + 2 + 8;

/// Appends the effect to `out`; `previous` is of the tag of `version`, or zero.
pub fn encode(
    out: &mut Vec<u8>,
    slot: Slot,
    (previous, version): (Version, Version),
    deps: &Vector,
    ops: &[Op<'_>],
) {
    encode_with(out, slot, (previous, version), deps, |out| {
        ops.iter().for_each(|op| encode_op(out, op));
    });
}

/// As [`encode`], of operations that [`encode_op`] wrote.
pub fn encode_whole(
    out: &mut Vec<u8>,
    slot: Slot,
    place: (Version, Version),
    deps: &Vector,
    ops: &[u8],
) {
    encode_with(out, slot, place, deps, |out| out.extend_from_slice(ops));
}

fn encode_with(
    out: &mut Vec<u8>,
    slot: Slot,
    (previous, version): (Version, Version),
    deps: &Vector,
    ops: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    // In one piece: each append asks anew whether there is room.
    let mut head = [0; HEAD_BYTES];
    head[4] = FORMAT;
    head[5..7].copy_from_slice(&(slot.index() as u16).to_le_bytes());
    head[7..].copy_from_slice(&version.get().to_le_bytes());
    out.extend_from_slice(&head);
    // Both bear one tag, so their low bits are equal; the distance is never 0, which stands for "none".
    let distance = if previous.is_zero() { 0 } else { (version.get() - previous.get()) >> 12 };
    put_varint(out, distance);
    deps.encode(out);
    ops(out);
    let len = out.len() - start - 4;
    debug_assert!(u32::try_from(len).is_ok(), "an effect is bounded by proto-max-bulk-len");
    out[start..start + 4].copy_from_slice(&(len as u32).to_le_bytes());
}

/// Appends one operation.
pub fn encode_op(out: &mut Vec<u8>, op: &Op<'_>) {
    // Most effects by far are of this kind, and so few fields have a known length.
    if let Op::Put {
        db,
        key,
        value: ValueRef::Bytes { bytes, raw: false },
        value_version: None,
        deadline: None,
        deadline_version: None,
    } = *op
    {
        out.extend_from_slice(&[kind::PUT, FIELDS]);
        put_varint(out, (2 + prefixed_bytes(key) + prefixed_bytes(bytes)) as u64);
        put_head(out, db, key, flag::FORM_BYTES);
        return put_bytes(out, bytes);
    }
    encode_any_op(out, op);
}

/// Bytes of `bytes` with their length before them.
fn prefixed_bytes(bytes: &[u8]) -> usize {
    varint_bytes(bytes.len() as u64) + bytes.len()
}

fn encode_any_op(out: &mut Vec<u8>, op: &Op<'_>) {
    let (kind, bytes_about) = match op {
        Op::Put { key, value, .. } => (kind::PUT, key.len() + value_len(value)),
        Op::Delete { key, .. } => (kind::DELETE, key.len()),
        Op::Deadline { key, .. } => (kind::DEADLINE, key.len()),
        Op::Count { key, .. } => (kind::COUNT, key.len()),
        Op::Splice { key, bytes, .. } => (kind::SPLICE, key.len() + bytes.len()),
        Op::Elements { key, changes, .. } => (kind::ELEMENTS, key.len() + changes.bytes().len()),
        Op::Head { key, .. } => (kind::HEAD, key.len()),
        Op::Flush { .. } => (kind::FLUSH, 0),
    };
    out.extend_from_slice(&[kind, FIELDS]);
    // The length stands before fields whose length is not known yet. One byte is left for it, which is enough for most; longer
    // fields are moved by a few bytes afterwards, unless the key and value alone say that it will be so.
    let reserved = match bytes_about {
        0..64 => 1,
        64..8_000 => 2,
        _ => 5,
    };
    let start = out.len();
    out.resize(start + reserved, 0);
    put_fields(out, op);
    patch_length(out, start, reserved);
}

/// Writes the varint of what follows `start + reserved` into the reserved bytes, as long as they are if it fits.
fn patch_length(out: &mut Vec<u8>, start: usize, reserved: usize) {
    let len = out.len() - start - reserved;
    if reserved < 10 && len >> (7 * reserved) != 0 {
        let mut exact = Vec::with_capacity(10);
        put_varint(&mut exact, len as u64);
        out.splice(start..start + reserved, exact);
        return;
    }
    // A varint may be longer than it has to be.
    for index in 0..reserved {
        let more = if index + 1 < reserved { 0x80 } else { 0 };
        out[start + index] = (len >> (7 * index)) as u8 & 0x7f | more;
    }
}

fn value_len(value: &ValueRef<'_>) -> usize {
    match value {
        ValueRef::Integer(_) => 10,
        ValueRef::Bytes { bytes, .. } => bytes.len(),
    }
}

fn put_fields(out: &mut Vec<u8>, op: &Op<'_>) {
    match op {
        Op::Put { db, key, value, value_version, deadline, deadline_version } => {
            let form = match value {
                ValueRef::Integer(_) => flag::FORM_INTEGER,
                ValueRef::Bytes { raw: false, .. } => flag::FORM_BYTES,
                ValueRef::Bytes { raw: true, .. } => flag::FORM_RAW,
            };
            put_head(out, *db, key, form | flags(*value_version, *deadline, *deadline_version));
            put_times(out, *value_version, *deadline, *deadline_version);
            match value {
                ValueRef::Integer(value) => put_signed(out, *value),
                ValueRef::Bytes { bytes, .. } => put_bytes(out, bytes),
            }
        }
        Op::Delete { db, key } => put_head(out, *db, key, 0),
        Op::Deadline { db, key, base, deadline } => {
            put_head(out, *db, key, flags(None, *deadline, None));
            put_times(out, None, *deadline, None);
            put_version(out, *base);
        }
        Op::Count { db, key, epoch, sum, deadline, deadline_version } => {
            let form = match sum {
                AmountRef::Integer(_) => flag::FORM_INTEGER,
                AmountRef::Decimal(_) => flag::FORM_BYTES,
                AmountRef::Score { .. } => unreachable!("strings are not counted in doubles"),
            };
            put_head(out, *db, key, form | flags(None, *deadline, *deadline_version));
            put_times(out, None, *deadline, *deadline_version);
            put_varint(out, epoch.get());
            match sum {
                AmountRef::Integer(sum) => put_signed(out, *sum),
                AmountRef::Decimal(text) => put_bytes(out, text),
                AmountRef::Score { .. } => {}
            }
        }
        Op::Elements { db, key, kind, changes } => {
            put_head(out, *db, key, 0);
            out.push(kind.code());
            put_bytes(out, changes.bytes());
        }
        Op::Head { db, key, deadline } => {
            put_head(out, *db, key, flags(None, *deadline, None));
            put_times(out, None, *deadline, None);
        }
        Op::Splice { db, key, base, len, offset, bytes } => {
            put_head(out, *db, key, 0);
            put_version(out, *base);
            put_varint(out, *len);
            put_varint(out, *offset);
            put_bytes(out, bytes);
        }
        Op::Flush { db, seen } => {
            out.push(if db.is_some() { flag::ONE_DATABASE } else { 0 });
            out.push(db.unwrap_or(0));
            seen.encode(out);
        }
    }
}

fn put_head(out: &mut Vec<u8>, db: u8, key: &[u8], flags: u8) {
    out.extend_from_slice(&[flags, db]);
    put_bytes(out, key);
}

fn flags(value: Option<Version>, deadline: Option<UnixMs>, set: Option<Version>) -> u8 {
    let mut flags = 0;
    flags |= if value.is_some() { flag::VALUE_VERSION } else { 0 };
    flags |= if deadline.is_some() { flag::DEADLINE } else { 0 };
    flags | if set.is_some() { flag::DEADLINE_VERSION } else { 0 }
}

fn put_times(
    out: &mut Vec<u8>,
    value: Option<Version>,
    deadline: Option<UnixMs>,
    set: Option<Version>,
) {
    if let Some(version) = value {
        put_version(out, version);
    }
    if let Some(deadline) = deadline {
        put_varint(out, deadline);
    }
    if let Some(version) = set {
        put_version(out, version);
    }
}

fn put_version(out: &mut Vec<u8>, version: Version) {
    out.extend_from_slice(&version.get().to_le_bytes());
}
