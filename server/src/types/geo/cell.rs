//! Squares of the map: each step halves the cells' width and height.
//!
//! A cell's number has a bit of its column and one of its row for each step, the coarsest first, so that the cells within a coarser one have consecutive numbers:
//!
//! ```text
//! bit  …  5  4  3  2  1  0
//!      … c2 r2 c1 r1 c0 r0
//! ```
//!
//! Columns go from west to east, rows from south to north. A position on the eastern or northern rim lies in a column or row that is one too far, whose
//! number has a bit more; its neighbours are those of the map's other side.

use super::{LATITUDE_MAX, LONGITUDE_MAX, Position};

/// Steps of the finest cells. 52 bits are exact in a score.
pub(super) const STEPS_MAX: u32 = 26;

const COLUMNS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const ROWS: u64 = 0x5555_5555_5555_5555;

/// A cell of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its number among those of as many steps.
    pub(super) bits: u64,
    /// From 1 to [`STEPS_MAX`].
    pub(super) steps: u32,
}

/// From where to where a cell reaches in one direction, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Side {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Side {
    /// The `nth` of as many parts of what reaches from `-rim` to `rim`.
    fn of(nth: u32, parts: f64, rim: f64) -> Self {
        let edge = |nth: u32| -rim + f64::from(nth) / parts * (rim + rim);
        // A score that is none of a position can have the last number that there is.
        Side { min: edge(nth), max: edge(nth.wrapping_add(1)) }
    }

    pub(super) fn middle(self) -> f64 {
        (self.min + self.max) / 2.0
    }
}

impl Cell {
    /// The cell of a position on a map that ends at `latitude_max`.
    pub(super) fn of(position: Position, latitude_max: f64, steps: u32) -> Self {
        let parts = (1u64 << steps) as f64;
        let nth = |degrees: f64, rim: f64| ((degrees + rim) / (rim + rim) * parts) as u32;
        let column = nth(position.longitude, LONGITUDE_MAX);
        let row = nth(position.latitude, latitude_max);
        Cell { bits: spread(column) << 1 | spread(row), steps }
    }

    /// The finest cell that a score names, whatever the score.
    pub(super) fn of_score(score: f64) -> Self {
        /// 2^63, from where on a conversion to signed integers would not do.
        const HALF: f64 = 9_223_372_036_854_775_808.0;
        // What C makes of a double out of range on x86-64: it wraps below zero, and is 0 from 2^64 on.
        let bits = if score < HALF { score as i64 as u64 } else { score as u64 };
        Cell { bits: if score >= 2.0 * HALF { 0 } else { bits }, steps: STEPS_MAX }
    }

    /// Its longitudes and its latitudes.
    pub(super) fn sides(self) -> (Side, Side) {
        let parts = (1u64 << self.steps) as f64;
        let (column, row) = (gathered(self.bits >> 1), gathered(self.bits));
        (Side::of(column, parts, LONGITUDE_MAX), Side::of(row, parts, LATITUDE_MAX))
    }

    /// The cell so many columns to the east and rows to the north, at most one of each; behind the rim the map begins anew.
    pub(super) fn moved(self, columns: i8, rows: i8) -> Self {
        let used = u64::MAX >> (64 - 2 * self.steps);
        // The bits of the other direction lie between: set, they hand a carry on, and a borrow if they are added first.
        let step = |own: u64, mask: u64, other: u64, by: i8| match by {
            0 => own,
            1.. => own.wrapping_add((other & used) + 1) & mask & used,
            _ => (own | other & used).wrapping_sub((other & used) + 1) & mask & used,
        };
        let column = step(self.bits & COLUMNS, COLUMNS, ROWS, columns);
        let row = step(self.bits & ROWS, ROWS, COLUMNS, rows);
        Cell { bits: column | row, ..self }
    }

    /// The lowest score in it.
    pub(super) fn first_score(self) -> f64 {
        (self.bits << (2 * (STEPS_MAX - self.steps))) as f64
    }

    /// The lowest score behind it.
    pub(super) fn end_score(self) -> f64 {
        ((self.bits + 1) << (2 * (STEPS_MAX - self.steps))) as f64
    }
}

/// Where groups of 1, 2, 4, … bits stand that have a gap of their own width behind each.
const GROUPS: [u64; 6] = [
    ROWS,
    0x3333_3333_3333_3333,
    0x0f0f_0f0f_0f0f_0f0f,
    0x00ff_00ff_00ff_00ff,
    0x0000_ffff_0000_ffff,
    0x0000_0000_ffff_ffff,
];

/// The bits with one between each two of them: bit `n` goes to bit `2 n`. Groups are halved until they are single bits.
fn spread(bits: u32) -> u64 {
    (0..5).rev().fold(u64::from(bits), |bits, nth| (bits | bits << (1 << nth)) & GROUPS[nth])
}

/// The even bits: what was spread.
fn gathered(bits: u64) -> u32 {
    let joined = |bits: u64, nth: usize| (bits | bits >> (1 << nth)) & GROUPS[nth + 1];
    (0..5).fold(bits & GROUPS[0], joined) as u32
}
