//! The order of elements: pure functions.

use std::cmp::Ordering;
use torc_protocol::WireError;
use torc_protocol::number::parse_c_f64;

const NO_NUMBER: WireError =
    WireError::fixed("ERR One or more scores can't be converted into double");

/// What an element is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Weight {
    /// Its own text.
    Own,
    /// Nothing: before every text.
    Nothing,
    Text(Vec<u8>),
    Number(f64),
}

impl Weight {
    /// That of an element whose key or field is not there.
    pub(super) fn none(alpha: bool) -> Self {
        if alpha { Weight::Nothing } else { Weight::Number(0.0) }
    }

    pub(super) fn of(value: Vec<u8>, alpha: bool) -> Result<Self, WireError> {
        if alpha { Ok(Weight::Text(value)) } else { number(&value).map(Weight::Number) }
    }
}

fn number(text: &[u8]) -> Result<f64, WireError> {
    match parse_c_f64(text) {
        Some((value, true)) => Ok(value),
        _ => Err(NO_NUMBER),
    }
}

/// `elements` in the order of `weights`, of which there is one each; equal numbers leave it to the elements.
pub(super) fn by_weight(
    elements: Vec<Vec<u8>>,
    weights: Vec<Weight>,
    descending: bool,
) -> Vec<Vec<u8>> {
    let mut all: Vec<(Weight, Vec<u8>)> = weights.into_iter().zip(elements).collect();
    all.sort_by(|a, b| {
        let order = compare(a, b);
        if descending { order.reverse() } else { order }
    });
    all.into_iter().map(|(_, element)| element).collect()
}

fn compare(
    (weight, element): &(Weight, Vec<u8>),
    (other, another): &(Weight, Vec<u8>),
) -> Ordering {
    match (weight, other) {
        (Weight::Number(a), Weight::Number(b)) => {
            a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| element.cmp(another))
        }
        (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
        (Weight::Nothing, Weight::Text(_)) => Ordering::Less,
        (Weight::Text(_), Weight::Nothing) => Ordering::Greater,
        (Weight::Nothing, Weight::Nothing) => Ordering::Equal,
        // All weights of a command are of one kind.
        _ => element.cmp(another),
    }
}
