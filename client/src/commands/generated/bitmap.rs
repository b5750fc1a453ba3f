//! Commands of the group bitmap. Written from the command table; not to be edited by hand.

use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Counts the bits set in a string or in a range of it.
    ///
    /// `BITCOUNT key [start end [BYTE | BIT]]`, O(N) in the length of the range.
    pub fn bitcount(&self, key: impl Arg) -> Call<'_, i64, Bitcount> {
        Call::of(self, "bitcount").key(key)
    }

    /// Reads and writes integers of any width inside a string.
    ///
    /// `BITFIELD key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment>> [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment>> ...]]`, O(1) for each operation.
    pub fn bitfield(&self, key: impl Arg) -> Call<'_, Value, Bitfield> {
        Call::of(self, "bitfield").key(key)
    }

    /// Reads integers of any width inside a string.
    ///
    /// `BITFIELD_RO key [GET encoding offset [GET encoding offset ...]]`, O(1) for each operation.
    pub fn bitfield_ro(&self, key: impl Arg) -> Call<'_, Value, BitfieldRo> {
        Call::of(self, "bitfield_ro").key(key)
    }

    /// Combines strings bit by bit and stores the result.
    ///
    /// `BITOP <AND | OR | XOR | NOT> destkey key [key ...]`, O(N) in the length of the longest string.
    pub fn bitop(
        &self,
        operation: impl Arg,
        destkey: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Bitop> {
        Call::of(self, "bitop").arg(operation).key(destkey).keys(keys)
    }

    /// Finds the first bit of a given value in a string.
    ///
    /// `BITPOS key bit [start [end [BYTE | BIT]]]`, O(N) in the length of the range.
    pub fn bitpos(&self, key: impl Arg, bit: i64) -> Call<'_, i64, Bitpos> {
        Call::of(self, "bitpos").key(key).arg(bit)
    }

    /// Reads one bit of a string.
    ///
    /// `GETBIT key offset`, O(1).
    pub fn getbit(&self, key: impl Arg, offset: i64) -> Call<'_, i64, Getbit> {
        Call::of(self, "getbit").key(key).arg(offset)
    }

    /// Writes one bit of a string and answers its former value.
    ///
    /// `SETBIT key offset value`, O(1).
    pub fn setbit(&self, key: impl Arg, offset: i64, value: i64) -> Call<'_, i64, Setbit> {
        Call::of(self, "setbit").key(key).arg(offset).arg(value)
    }
}

/// The command BITCOUNT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bitcount;

impl<T> Call<'_, T, Bitcount> {
    /// `start end`
    pub fn start(self, start: i64, end: i64) -> Self {
        self.arg(start).arg(end)
    }

    /// `BYTE`
    pub fn byte(self) -> Self {
        self.arg("BYTE")
    }

    /// `BIT`
    pub fn bit(self) -> Self {
        self.arg("BIT")
    }
}

/// The command BITFIELD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bitfield;

impl<T> Call<'_, T, Bitfield> {
    /// `GET encoding offset`
    pub fn get(self, encoding: impl Arg, offset: i64) -> Self {
        self.arg("GET").arg(encoding).arg(offset)
    }

    /// `OVERFLOW WRAP SAT FAIL`
    pub fn overflow(self, overflow_block: impl Arg) -> Self {
        self.arg("OVERFLOW").arg(overflow_block)
    }

    /// `SET encoding offset value`
    pub fn set(self, encoding: impl Arg, offset: i64, value: i64) -> Self {
        self.arg("SET").arg(encoding).arg(offset).arg(value)
    }

    /// `INCRBY encoding offset increment`
    pub fn incrby(self, encoding: impl Arg, offset: i64, increment: i64) -> Self {
        self.arg("INCRBY").arg(encoding).arg(offset).arg(increment)
    }
}

/// The command BITFIELD_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct BitfieldRo;

impl<T> Call<'_, T, BitfieldRo> {
    /// `GET encoding offset`
    pub fn get(self, encoding: impl Arg, offset: i64) -> Self {
        self.arg("GET").arg(encoding).arg(offset)
    }
}

/// The command BITOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bitop;

/// The command BITPOS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Bitpos;

impl<T> Call<'_, T, Bitpos> {
    /// `start`
    pub fn start(self, start: i64) -> Self {
        self.arg(start)
    }

    /// `end`
    pub fn end(self, end: i64) -> Self {
        self.arg(end)
    }

    /// `BYTE`
    pub fn byte(self) -> Self {
        self.arg("BYTE")
    }

    /// `BIT`
    pub fn bit(self) -> Self {
        self.arg("BIT")
    }
}

/// The command GETBIT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Getbit;

/// The command SETBIT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Setbit;
