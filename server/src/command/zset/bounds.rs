//! Ranges of a sorted set as clients write them: of ranks, of scores (`1.5`, `(1.5`, `-inf`) and of members (`[a`, `(a`, `-`, `+`).

use crate::command::value::integer;
use crate::types::collection::ZsetView;
use torc_protocol::WireError;
use torc_protocol::number::parse_c_f64;

/// A range.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds<'a> {
    /// From one rank to another, both with it; from the end if negative.
    Ranks(i64, i64),
    /// Two scores, and whether each itself is left out.
    Scores((f64, bool), (f64, bool)),
    /// Two members.
    Members(Member<'a>, Member<'a>),
}

/// A bound among members.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member<'a> {
    /// Before all.
    Least,
    /// Behind all.
    Most,
    /// A text, and whether it itself is left out.
    Text(&'a [u8], bool),
}

impl<'a> Bounds<'a> {
    /// Ranks.
    pub(super) fn ranks_of(start: &[u8], stop: &[u8]) -> Result<Self, WireError> {
        Ok(Bounds::Ranks(integer(start)?, integer(stop)?))
    }

    /// Scores.
    pub(super) fn scores(min: &[u8], max: &[u8]) -> Result<Self, WireError> {
        Ok(Bounds::Scores(score(min)?, score(max)?))
    }

    /// Members.
    pub(super) fn members(min: &'a [u8], max: &'a [u8]) -> Result<Self, WireError> {
        Ok(Bounds::Members(member(min)?, member(max)?))
    }

    /// From which rank up to but not with which the range reaches.
    pub(super) fn ranks(self, zset: ZsetView<'_>) -> (u64, u64) {
        let len = zset.len();
        let (from, to) = match self {
            Bounds::Ranks(start, stop) => {
                let from_end = |index: i64| len.checked_sub(index.unsigned_abs());
                let from = if start < 0 { from_end(start).unwrap_or(0) } else { start as u64 };
                let stop = if stop < 0 { from_end(stop) } else { Some(stop as u64) };
                (from, stop.map_or(0, |stop| stop.saturating_add(1).min(len)))
            }
            Bounds::Scores((min, without_min), (max, without_max)) => {
                (zset.below_score(min, without_min), zset.below_score(max, !without_max))
            }
            Bounds::Members(min, max) => {
                let place = |bound: Member<'_>, with: fn(bool) -> bool| match bound {
                    Member::Least => 0,
                    Member::Most => len,
                    Member::Text(text, without) => zset.below_member(text, with(without)),
                };
                (place(min, |without| without), place(max, |without| !without))
            }
        };
        if from < to { (from, to) } else { (0, 0) }
    }

    /// The range from the other end, if it is one of ranks.
    pub(super) fn reversed(self, len: u64) -> Self {
        match self {
            Bounds::Ranks(start, stop) => {
                let len = i64::try_from(len).unwrap_or(i64::MAX);
                let place = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
                let (start, stop) = (place(start).max(0), place(stop).min(len - 1));
                if start > stop || start >= len {
                    return Bounds::Ranks(1, 0);
                }
                Bounds::Ranks(len - 1 - stop, len - 1 - start)
            }
            other => other,
        }
    }
}

fn score(text: &[u8]) -> Result<(f64, bool), WireError> {
    let (text, without) = match text.strip_prefix(b"(") {
        Some(text) => (text, true),
        None => (text, false),
    };
    match parse_c_f64(text) {
        Some((score, _)) => Ok((score, without)),
        None => Err(WireError::fixed("ERR min or max is not a float")),
    }
}

fn member(text: &[u8]) -> Result<Member<'_>, WireError> {
    match (text, text.split_first()) {
        (b"-", _) => Ok(Member::Least),
        (b"+", _) => Ok(Member::Most),
        (_, Some((b'(', text))) => Ok(Member::Text(text, true)),
        (_, Some((b'[', text))) => Ok(Member::Text(text, false)),
        _ => Err(WireError::fixed("ERR min or max not valid string range item")),
    }
}
