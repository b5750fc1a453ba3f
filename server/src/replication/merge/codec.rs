//! A key's state as bytes: what a sync carries, and what the store keeps of a key that has more than one element.
//!
//! ```text
//! state:    | field | heads, varint | deadline … | elements, varint | element … |
//! element:  | type 1 | id | field |
//! field:    | registers, varint | register … | cells, varint | cell … |
//! register: | version 8 | deadline | value |         value:    | form 1 | integer, varint  or  length, varint, bytes |
//! cell:     | version 8 | epoch 8 | deadline | value, or 3 and two doubles |
//! deadline: | version 8 | 0, or the deadline + 1, varint |
//! ```
//!
//! Invariant: whatever bytes come, decoding ends, allocates no more than their length allows for, and gives a state or an error.

use super::string::{Register, Value};
use super::{Amount, Cell, Element, ElementId, Field, Head, KeyState, Ttl};
use crate::base::version::Version;
use crate::store::{Kind, ValueRef};
use torc_protocol::peer::wire::{Malformed, Reader, put_bytes, put_signed, put_u64, put_varint};

const INTEGER: u8 = 0;
const BYTES: u8 = 1;
const RAW: u8 = 2;
const SCORE: u8 = 3;

impl Field {
    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.registers().iter().len() as u64);
        for register in self.registers().iter() {
            encode_register(register.version, register.ttl, register.value.as_ref(), out);
        }
        put_varint(out, self.cells().iter().len() as u64);
        for cell in self.cells().iter() {
            put_u64(out, cell.version.get());
            put_u64(out, cell.epoch.get());
            put_ttl(out, cell.ttl);
            match &cell.sum {
                Amount::Integer(sum) => put_value(out, ValueRef::Integer(*sum)),
                Amount::Decimal(text) => {
                    put_value(out, ValueRef::Bytes { bytes: text, raw: false });
                }
                Amount::Score { from, reached } => {
                    out.push(SCORE);
                    put_u64(out, *from);
                    put_u64(out, *reached);
                }
            }
        }
    }

    /// Reads a state.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Field, Malformed> {
        let mut field = Field::default();
        for _ in 0..reader.varint()? {
            let version = version(reader)?;
            let (ttl, value) = (ttl(reader)?, Value::from(value(reader)?));
            let register = Register { version, ttl, value };
            if register.dot().is_zero() {
                return Err(Malformed::Value("version"));
            }
            field.add_register(register);
        }
        for _ in 0..reader.varint()? {
            let (version, epoch, ttl) = (version(reader)?, version(reader)?, ttl(reader)?);
            let sum = amount(reader)?;
            if version.is_zero() {
                return Err(Malformed::Value("version"));
            }
            field.add_cell(Cell { version, epoch, sum, ttl });
        }
        Ok(field)
    }
}

impl KeyState {
    /// Appends the state.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.string().encode(out);
        put_varint(out, self.heads().iter().len() as u64);
        self.heads().iter().for_each(|head| put_ttl(out, head.ttl));
        put_varint(out, self.elements().len() as u64);
        for (id, field) in self.elements() {
            out.push(id.kind.code());
            put_bytes(out, &id.id);
            field.encode(out);
        }
    }

    /// Reads a state.
    pub fn decode(reader: &mut Reader<'_>) -> Result<KeyState, Malformed> {
        let mut state = KeyState::with_string(Field::decode(reader)?);
        for _ in 0..reader.varint()? {
            let ttl = ttl(reader)?;
            if ttl.version.is_zero() {
                return Err(Malformed::Value("version"));
            }
            state.add_head(Head { ttl });
        }
        for _ in 0..reader.varint()? {
            let kind = Kind::of_code(reader.u8()?).ok_or(Malformed::Value("type"))?;
            let id = reader.bytes(usize::MAX, "element")?.into();
            state.add_element(ElementId { kind, id }, Field::decode(reader)?);
        }
        Ok(state)
    }
}

/// Appends the state of a key that holds one value and nothing else.
pub fn encode_plain(version: Version, ttl: Ttl, value: ValueRef<'_>, out: &mut Vec<u8>) {
    put_varint(out, 1);
    encode_register(version, ttl, value, out);
    // No cells, no heads, no elements.
    out.extend_from_slice(&[0, 0, 0]);
}

fn encode_register(version: Version, ttl: Ttl, value: ValueRef<'_>, out: &mut Vec<u8>) {
    put_u64(out, version.get());
    put_ttl(out, ttl);
    put_value(out, value);
}

fn put_ttl(out: &mut Vec<u8>, ttl: Ttl) {
    put_u64(out, ttl.version.get());
    put_varint(out, ttl.deadline.map_or(0, |deadline| deadline.saturating_add(1)));
}

fn put_value(out: &mut Vec<u8>, value: ValueRef<'_>) {
    match value {
        ValueRef::Integer(value) => {
            out.push(INTEGER);
            put_signed(out, value);
        }
        ValueRef::Bytes { bytes, raw } => {
            out.push(if raw { RAW } else { BYTES });
            put_bytes(out, bytes);
        }
    }
}

fn version(reader: &mut Reader<'_>) -> Result<Version, Malformed> {
    reader.u64().map(Version::from_bits)
}

fn ttl(reader: &mut Reader<'_>) -> Result<Ttl, Malformed> {
    let version = version(reader)?;
    Ok(Ttl { version, deadline: reader.varint()?.checked_sub(1) })
}

fn amount(reader: &mut Reader<'_>) -> Result<Amount, Malformed> {
    if reader.rest().first() == Some(&SCORE) {
        reader.u8()?;
        return Ok(Amount::Score { from: reader.u64()?, reached: reader.u64()? });
    }
    Ok(match value(reader)? {
        ValueRef::Integer(sum) => Amount::Integer(sum),
        ValueRef::Bytes { bytes, .. } => Amount::Decimal(bytes.into()),
    })
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<ValueRef<'a>, Malformed> {
    match reader.u8()? {
        INTEGER => reader.signed().map(ValueRef::Integer),
        form @ (BYTES | RAW) => {
            let bytes = reader.bytes(usize::MAX, "value")?;
            Ok(ValueRef::Bytes { bytes, raw: form == RAW })
        }
        _ => Err(Malformed::Value("form of a value")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::base::version::Tag;

    fn random_state(rng: &mut Rng) -> KeyState {
        let mut state = KeyState::with_string(random_field(rng));
        for number in 0..rng.below(4) {
            let version = Version::next(1_800_000_000_000 + number, Version::ZERO, Tag::new(1));
            let kind = [Kind::Hash, Kind::List, Kind::Set, Kind::Zset, Kind::Stream]
                [rng.below(5) as usize];
            let id = vec![b'f'; rng.below(30) as usize].into();
            state.add_element(ElementId { kind, id }, random_field(rng));
            state.add_head(Head { ttl: Ttl { version, deadline: Some(rng.below(1 << 40)) } });
        }
        state
    }

    fn random_field(rng: &mut Rng) -> Field {
        let mut state = Field::default();
        for tag in 0..rng.below(4) as u16 {
            let at = 1_800_000_000_000 + rng.below(1000);
            let version = Version::next(at, Version::ZERO, Tag::new(tag));
            let ttl = Ttl { version, deadline: (rng.below(2) == 0).then(|| rng.below(1 << 50)) };
            let text = vec![b'x'; rng.below(200) as usize];
            if rng.below(2) == 0 {
                let value = match rng.below(3) {
                    0 => Value::Integer(rng.bits() as i64),
                    form => Value::Bytes { bytes: text.into(), raw: form == 1 },
                };
                state.add_register(Register { version, ttl, value });
            } else {
                let sum = match rng.below(2) {
                    0 => Amount::Integer(rng.bits() as i64),
                    _ => Amount::Score { from: rng.bits(), reached: rng.bits() },
                };
                state.add_cell(Cell { version, epoch: Version::ZERO, sum, ttl });
            }
        }
        state
    }

    #[test]
    fn states_come_back_and_hostile_bytes_end_in_errors() {
        let mut rng = Rng::seeded(77);
        for _ in 0..2_000 {
            let state = random_state(&mut rng);
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(KeyState::decode(&mut reader), Ok(state));
            assert!(reader.is_empty());
            for _ in 0..20 {
                let mut broken = bytes.clone();
                let at = rng.below(broken.len() as u64) as usize;
                broken[at] = rng.bits() as u8;
                broken.truncate(rng.below(broken.len() as u64 + 1) as usize);
                // Whatever it says, it says it.
                let _ = KeyState::decode(&mut Reader::new(&broken));
            }
        }
    }
}
