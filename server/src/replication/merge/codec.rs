//! A key's state as bytes: what a sync carries, and what the store keeps of a key that has more than one element.
//!
//! ```text
//! state:    | registers, varint | register … | cells, varint | cell … |
//! register: | version 8 | deadline | value |         value:    | form 1 | integer, varint  or  length, varint, bytes |
//! cell:     | version 8 | epoch 8 | deadline | value |
//! deadline: | version 8 | 0, or the deadline + 1, varint |
//! ```
//!
//! Invariant: whatever bytes come, decoding ends, allocates no more than their length allows for, and gives a state or an error.

use super::string::{Register, Value};
use super::{Amount, Cell, Element, KeyState, Ttl};
use crate::base::version::Version;
use crate::store::ValueRef;
use torc_protocol::peer::wire::{Malformed, Reader, put_bytes, put_signed, put_u64, put_varint};

const INTEGER: u8 = 0;
const BYTES: u8 = 1;
const RAW: u8 = 2;

impl KeyState {
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
            }
        }
    }

    /// Reads a state.
    pub fn decode(reader: &mut Reader<'_>) -> Result<KeyState, Malformed> {
        let mut state = KeyState::default();
        for _ in 0..reader.varint()? {
            let version = version(reader)?;
            let (ttl, value) = (ttl(reader)?, Value::from(value(reader)?));
            let register = Register { version, ttl, value };
            if register.dot().is_zero() {
                return Err(Malformed::Value("version"));
            }
            state.put_register(register);
        }
        for _ in 0..reader.varint()? {
            let (version, epoch, ttl) = (version(reader)?, version(reader)?, ttl(reader)?);
            let sum = match value(reader)? {
                ValueRef::Integer(sum) => Amount::Integer(sum),
                ValueRef::Bytes { bytes, .. } => Amount::Decimal(bytes.into()),
            };
            if version.is_zero() {
                return Err(Malformed::Value("version"));
            }
            state.put_cell(Cell { version, epoch, sum, ttl });
        }
        Ok(state)
    }
}

/// Appends the state of a key that holds one value and nothing else.
pub fn encode_plain(version: Version, ttl: Ttl, value: ValueRef<'_>, out: &mut Vec<u8>) {
    put_varint(out, 1);
    encode_register(version, ttl, value, out);
    put_varint(out, 0);
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
        let mut state = KeyState::default();
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
                state.put_register(Register { version, ttl, value });
            } else {
                let sum = Amount::Integer(rng.bits() as i64);
                state.put_cell(Cell { version, epoch: Version::ZERO, sum, ttl });
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
