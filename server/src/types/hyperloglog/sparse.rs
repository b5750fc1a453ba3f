//! Sparse registers: runs of equal ones, in order, together exactly all registers.
//!
//! ```text
//! ZERO   00llllll             l + 1 registers of 0           (1..=64)
//! XZERO  01llllll llllllll    l + 1 registers of 0           (1..=16,384)
//! VAL    1rrrrrll             l + 1 registers of rank r + 1  (ranks 1..=32, 1..=4 registers)
//! ```
//!
//! Raising a register splits its run. Which runs are joined again afterwards decides the bytes that a client sees, so
//! [`raise`] joins exactly those that Redis joins: neighbours of equal rank among the next few after the change.

use super::{Invalid, REGISTER_COUNT};
use std::fmt::Write;
use std::ops::Range;

const RANK_MAX: u8 = 32;
const VALUE_RUN_MAX: usize = 4;
const SHORT_ZERO_RUN_MAX: usize = 64;
/// Runs looked at for joining after a change, from the one before it: that one, the up to three that replaced one, and
/// the one after them.
const JOIN_RUNS: usize = 5;

/// Runs that [`describe`] puts into words. Registers take 16,384 at most; corrupted ones are described as well, for that is
/// when somebody looks, but not to any length.
const DESCRIBED_RUNS_MAX: usize = 1 << 20;

/// Equal registers in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What they hold.
    pub rank: u8,
    /// Which they are.
    pub registers: Range<usize>,
}

/// What became of [`raise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// The register was as high already.
    No,
    /// It grew.
    Yes,
    /// Nothing changed: this form cannot hold the rank, or would exceed its bound.
    Outgrown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opcode {
    Zero(usize),
    LongZero(usize),
    Value { rank: u8, len: usize },
}

impl Opcode {
    /// The opcode at the start of `bytes`, which are not empty. A second byte that is missing counts as 0.
    fn read(bytes: &[u8]) -> Opcode {
        let first = bytes[0];
        let low = usize::from(first & 0x3f);
        match first >> 6 {
            0 => Opcode::Zero(low + 1),
            1 => {
                let second = bytes.get(1).copied().unwrap_or(0);
                Opcode::LongZero((low << 8 | usize::from(second)) + 1)
            }
            _ => Opcode::Value { rank: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1 },
        }
    }

    fn bytes(self) -> usize {
        if matches!(self, Opcode::LongZero(_)) { 2 } else { 1 }
    }

    fn len(self) -> usize {
        match self {
            Opcode::Zero(len) | Opcode::LongZero(len) | Opcode::Value { len, .. } => len,
        }
    }

    fn rank(self) -> u8 {
        match self {
            Opcode::Value { rank, .. } => rank,
            _ => 0,
        }
    }
}

/// Appends a run of `len` zeros, 1 to 16,384; nothing for 0.
pub fn push_zeros(bytes: &mut Vec<u8>, len: usize) {
    if len > SHORT_ZERO_RUN_MAX {
        bytes.extend_from_slice(&[0x40 | ((len - 1) >> 8) as u8, (len - 1) as u8]);
    } else if len > 0 {
        bytes.push((len - 1) as u8);
    }
}

/// Appends a run of `len` registers of `rank`; nothing for 0. Both are in the opcode's range.
fn push_values(bytes: &mut Vec<u8>, rank: u8, len: usize) {
    if len > 0 {
        bytes.push(value_byte(rank, len));
    }
}

fn value_byte(rank: u8, len: usize) -> u8 {
    0x80 | (rank - 1) << 2 | (len - 1) as u8
}

/// The runs of `bytes`. Ends with an error if they do not cover all registers exactly.
pub fn runs(bytes: &[u8]) -> Runs<'_> {
    Runs { bytes, next: 0 }
}

/// See [`runs`].
#[derive(Debug)]
pub struct Runs<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl Iterator for Runs<'_> {
    type Item = Result<Run, Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.bytes.is_empty() {
            let complete = self.next == REGISTER_COUNT;
            self.next = REGISTER_COUNT;
            return (!complete).then_some(Err(Invalid::Corrupted));
        }
        let opcode = Opcode::read(self.bytes);
        self.bytes = self.bytes.get(opcode.bytes()..).unwrap_or(&[]);
        let registers = self.next..self.next + opcode.len();
        if registers.end > REGISTER_COUNT {
            self.bytes = &[];
            self.next = REGISTER_COUNT;
            return Some(Err(Invalid::Corrupted));
        }
        self.next = registers.end;
        Some(Ok(Run { rank: opcode.rank(), registers }))
    }
}

/// Raises register `index` to `rank` in the runs that begin at `start` of `bytes`, unless all of `bytes` would exceed
/// `bytes_max`.
pub fn raise(
    bytes: &mut Vec<u8>,
    start: usize,
    index: usize,
    rank: u8,
    bytes_max: usize,
) -> Result<Raised, Invalid> {
    if rank > RANK_MAX {
        return Ok(Raised::Outgrown);
    }
    let found = find(&bytes[start..], index).ok_or(Invalid::Corrupted)?;
    if found.opcode.rank() >= rank {
        return Ok(Raised::No);
    }
    let at = start + found.at;
    let (before, after) = (index - found.first, found.first + found.opcode.len() - 1 - index);
    let mut parts = Vec::with_capacity(5);
    match found.opcode {
        Opcode::Value { rank: old, .. } => {
            push_values(&mut parts, old, before);
            push_values(&mut parts, rank, 1);
            push_values(&mut parts, old, after);
        }
        Opcode::Zero(_) | Opcode::LongZero(_) => {
            push_zeros(&mut parts, before);
            push_values(&mut parts, rank, 1);
            push_zeros(&mut parts, after);
        }
    }
    // An opcode cut short by the end of hostile bytes is shorter than it says.
    let old_bytes = found.opcode.bytes().min(bytes.len() - at);
    if parts.len() > old_bytes && bytes.len() + parts.len() - old_bytes > bytes_max {
        return Ok(Raised::Outgrown);
    }
    bytes.splice(at..at + old_bytes, parts);
    join(bytes, start + found.previous);
    Ok(Raised::Yes)
}

/// An opcode's place: its offset, that of the one before it (its own if it is the first), and its first register.
struct Found {
    opcode: Opcode,
    at: usize,
    previous: usize,
    first: usize,
}

/// The opcode that covers register `index`.
fn find(runs: &[u8], index: usize) -> Option<Found> {
    let (mut at, mut previous, mut first) = (0, 0, 0);
    while at < runs.len() {
        let opcode = Opcode::read(&runs[at..]);
        if index < first + opcode.len() {
            return Some(Found { opcode, at, previous, first });
        }
        first += opcode.len();
        previous = at;
        at += opcode.bytes();
    }
    None
}

/// Joins neighbours of equal rank among [`JOIN_RUNS`] steps from `at` on, where one opcode can hold both.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOIN_RUNS {
        if at >= bytes.len() {
            return;
        }
        let opcode = Opcode::read(&bytes[at..]);
        if let Opcode::Value { rank, len } = opcode
            && let Some(next) = bytes.get(at + 1..).filter(|next| !next.is_empty())
            && let Opcode::Value { rank: next_rank, len: next_len } = Opcode::read(next)
            && rank == next_rank
            && len + next_len <= VALUE_RUN_MAX
        {
            bytes[at + 1] = value_byte(rank, len + next_len);
            // The joined run is looked at again: it may take in its next neighbour too.
            bytes.remove(at);
        } else {
            at += opcode.bytes();
        }
    }
}

/// One word a run; see [`super::describe_sparse`].
pub fn describe(mut bytes: &[u8]) -> Result<String, Invalid> {
    let mut text = String::new();
    let mut words = 0;
    while !bytes.is_empty() {
        let opcode = Opcode::read(bytes);
        bytes = bytes.get(opcode.bytes()..).unwrap_or(&[]);
        words += 1;
        if words > DESCRIBED_RUNS_MAX {
            return Err(Invalid::Corrupted);
        }
        let separator = if text.is_empty() { "" } else { " " };
        let written = match opcode {
            Opcode::Zero(len) => write!(text, "{separator}z:{len}"),
            Opcode::LongZero(len) => write!(text, "{separator}Z:{len}"),
            Opcode::Value { rank, len } => write!(text, "{separator}v:{rank},{len}"),
        };
        written.expect("writing to a String never fails");
    }
    Ok(text)
}
