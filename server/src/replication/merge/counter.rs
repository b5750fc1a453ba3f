//! Counters: of each incarnation of a node, the sum of what it added.
//!
//! A cell is cumulative: its origin's next version of it takes its place, so that losing or repeating an effect changes nothing, and
//! additions on both sides of a partition add up. Cells belong to an *epoch*, the version of the value that they add to, or
//! zero if counting began from nothing. A SET begins a new epoch; cells of another are hidden by it, and removed if it had seen them.
//!
//! What was deleted does not come back, with one exception to know: an addition that did not know of a DEL brings its cell's whole sum back, because a cell
//! has no memory of its parts. A cell whose base was deleted counts from nothing.

use super::Element;
use super::deadline::Ttl;
use super::string::Value;
use crate::base::version::Version;
use crate::replication::effect::AmountRef;
use crate::types::long_double::LongDouble;
use torc_protocol::number::parse_i64;

/// What a cell adds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Amount {
    /// The sum of integers; wraps, so that every node comes to the same.
    Integer(i64),
    /// The sum of INCRBYFLOAT's decimals, as its text.
    Decimal(Box<[u8]>),
    /// What ZINCRBY counted from and reached; see [`AmountRef::Score`].
    Score {
        /// Where it began, as the bits of a double.
        from: u64,
        /// Where it is.
        reached: u64,
    },
}

impl Amount {
    /// As an effect carries it.
    pub fn as_ref(&self) -> AmountRef<'_> {
        match self {
            Amount::Integer(sum) => AmountRef::Integer(*sum),
            Amount::Decimal(text) => AmountRef::Decimal(text),
            Amount::Score { from, reached } => AmountRef::Score { from: *from, reached: *reached },
        }
    }

    /// The sum with an integer more.
    #[must_use]
    pub fn plus(&self, by: i64) -> Amount {
        match self {
            Amount::Integer(sum) => Amount::Integer(sum.wrapping_add(by)),
            Amount::Decimal(text) => {
                let by = decimal(itoa::Buffer::new().format(by).as_bytes());
                Amount::Decimal(decimal(text).add(by).to_text().into_bytes().into())
            }
            Amount::Score { from, reached } => {
                let reached = (f64::from_bits(*reached) + by as f64).to_bits();
                Amount::Score { from: *from, reached }
            }
        }
    }

    /// The sum with a decimal more.
    #[must_use]
    pub fn plus_decimal(&self, by: LongDouble) -> Amount {
        Amount::Decimal(self.to_decimal().add(by).to_text().into_bytes().into())
    }

    fn to_decimal(&self) -> LongDouble {
        match self {
            Amount::Integer(sum) => decimal(itoa::Buffer::new().format(*sum).as_bytes()),
            Amount::Decimal(text) => decimal(text),
            // Of a peer that counts a string in doubles, which none does.
            Amount::Score { .. } => decimal(b"0"),
        }
    }
}

impl From<AmountRef<'_>> for Amount {
    fn from(amount: AmountRef<'_>) -> Self {
        match amount {
            AmountRef::Integer(sum) => Amount::Integer(sum),
            AmountRef::Decimal(text) => Amount::Decimal(text.into()),
            AmountRef::Score { from, reached } => Amount::Score { from, reached },
        }
    }
}

/// A peer's text that is no number counts as nothing, at every node.
fn decimal(text: &[u8]) -> LongDouble {
    let zero = || LongDouble::parse(b"0").expect("0 is a number");
    LongDouble::parse(text).filter(|number| number.is_finite()).unwrap_or_else(zero)
}

/// One incarnation's share of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Of its latest addition: the dot, and in its tag the owner.
    pub version: Version,
    /// The version of the value that it adds to.
    pub epoch: Version,
    /// What it adds.
    pub sum: Amount,
    /// The key's deadline as its owner knew it.
    pub ttl: Ttl,
}

impl Element for Cell {
    fn dot(&self) -> Version {
        self.version
    }

    fn ttl(&self) -> Ttl {
        self.ttl
    }

    fn tie(self, other: Self) -> Self {
        let deadline = |cell: &Cell| cell.ttl.deadline.unwrap_or(u64::MAX);
        let rank = |cell: &Cell| (cell.epoch, cell.ttl.version, deadline(cell));
        match (rank(&other), &other.sum) > (rank(&self), &self.sum) {
            true => other,
            false => self,
        }
    }
}

/// `base` and what `cells` add to it. Decimals are summed in the order of their tags, whatever order they come in, so that all nodes round alike.
/// A base that is no number stands alone: nothing can have been added to it.
pub fn total<'c>(base: Option<&Value>, cells: impl Iterator<Item = &'c Cell>) -> Value {
    let mut cells: Vec<&Cell> = cells.collect();
    cells.sort_by_key(|cell| cell.version.tag());
    if let Some(score) = score_total(base, &cells) {
        return score;
    }
    let text;
    let start = match base {
        None => 0,
        Some(Value::Integer(value)) => *value,
        Some(value) if cells.is_empty() => return value.clone(),
        Some(Value::Bytes { bytes, .. }) => {
            text = bytes;
            match parse_i64(bytes) {
                Some(value) => value,
                None => return decimal_total(LongDouble::parse(text), text, &cells),
            }
        }
    };
    let mut sum = start;
    for cell in &cells {
        match cell.sum {
            Amount::Integer(by) => sum = sum.wrapping_add(by),
            Amount::Decimal(_) | Amount::Score { .. } => {
                let start = decimal(itoa::Buffer::new().format(start).as_bytes());
                return decimal_total(Some(start), &[], &cells);
            }
        }
    }
    Value::Integer(sum)
}

/// The score that cells of doubles come to, as [`score_bytes`] writes it; none if there are no such cells.
fn score_total(base: Option<&Value>, cells: &[&Cell]) -> Option<Value> {
    let moves = |cell: &&Cell| match cell.sum {
        Amount::Score { from, reached } => Some((f64::from_bits(from), f64::from_bits(reached))),
        _ => None,
    };
    let mut moves = cells.iter().filter_map(moves);
    let first = moves.next()?;
    let base = match base {
        Some(Value::Bytes { bytes, .. }) => score_of(bytes).unwrap_or(0.0),
        _ => 0.0,
    };
    let mut sum = first.1;
    let mut rest = moves.peekable();
    if rest.peek().is_some() {
        sum = rest.fold(base + (first.1 - first.0), |sum, (from, reached)| sum + (reached - from));
    }
    // Infinities of both signs have no sum; every node takes the same for it.
    let sum = if sum.is_nan() { 0.0 } else { sum };
    Some(Value::Bytes { bytes: score_bytes(sum).into(), raw: false })
}

/// A sorted set's score as its element's value.
pub fn score_bytes(score: f64) -> [u8; 8] {
    score.to_bits().to_be_bytes()
}

/// The score that [`score_bytes`] wrote. Not a number, which no node writes, is none.
pub fn score_of(bytes: &[u8]) -> Option<f64> {
    let bytes = <[u8; 8]>::try_from(bytes).ok()?;
    Some(f64::from_bits(u64::from_be_bytes(bytes))).filter(|score| !score.is_nan())
}

fn decimal_total(base: Option<LongDouble>, text: &[u8], cells: &[&Cell]) -> Value {
    let Some(base) = base else {
        return Value::Bytes { bytes: text.into(), raw: false };
    };
    let sum = cells.iter().fold(base, |sum, cell| sum.add(cell.sum.to_decimal()));
    Value::Bytes { bytes: sum.to_text().into_bytes().into(), raw: false }
}
