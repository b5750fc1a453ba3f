//! Strings and bitmaps: last-writer-wins registers.
//!
//! The stamp decides who wins: the version of the write of the value. The dot decides what was seen: the version of the latest change to value or deadline.

use super::deadline::Ttl;
use super::{Dots, Element};
use crate::base::version::Version;
use crate::replication::effect::ValueRef;

/// A string value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// An integer.
    Integer(i64),
    /// Bytes.
    Bytes {
        /// The text.
        bytes: Box<[u8]>,
        /// Whether OBJECT ENCODING says `raw` even where it is short.
        raw: bool,
    },
}

impl Value {
    /// Its text.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Value::Integer(value) => itoa::Buffer::new().format(*value).as_bytes().to_vec(),
            Value::Bytes { bytes, .. } => bytes.to_vec(),
        }
    }

    /// As an effect carries it.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Bytes { bytes, raw } => ValueRef::Bytes { bytes, raw: *raw },
        }
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Bytes { bytes, raw } => Value::Bytes { bytes: bytes.into(), raw },
        }
    }
}

/// A value, when it was written, and its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// When the value was written: the stamp by which the latest wins, and the epoch of additions to it.
    pub version: Version,
    /// Its deadline.
    pub ttl: Ttl,
    /// The value.
    pub value: Value,
}

impl Register {
    /// By which of several the reader's is chosen: the latest value; of one value with deadlines from both sides of a partition, the later deadline.
    fn rank(&self) -> (Version, Version, u64, &Value) {
        let deadline = self.ttl.deadline.unwrap_or(u64::MAX);
        (self.version, self.ttl.version, deadline, &self.value)
    }
}

impl Element for Register {
    fn dot(&self) -> Version {
        self.version.max(self.ttl.version)
    }

    fn ttl(&self) -> Ttl {
        self.ttl
    }

    fn tie(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

/// The register that a reader sees.
pub(super) fn winner(registers: &Dots<Register>) -> Option<&Register> {
    registers.iter().max_by(|a, b| a.rank().cmp(&b.rank()))
}

/// `base` with `bytes` at `offset`, `len` bytes long; the effect's decoder has checked that they fit.
pub(super) fn splice(base: &Value, len: u64, offset: u64, bytes: &[u8]) -> Value {
    let mut text = base.to_bytes();
    text.resize(len as usize, 0);
    text[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
    Value::Bytes { bytes: text.into(), raw: true }
}
