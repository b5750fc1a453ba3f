//! What the commands about collections share: iterating, choosing at random, and writing elements.

use super::generic::parse_cursor;
use super::value::integer;
use super::{Ctx, Flow, Outcome};
use crate::admin::pubsub::notify::Events;
use crate::base::rng::Rng;
use crate::types::collection::Item;
use torc_protocol::{Args, Reply, WireError, glob};

/// Elements that HSCAN, SSCAN and ZSCAN look at where no COUNT says otherwise.
const SCAN_COUNT_DEFAULT: u64 = 10;

/// SCAN's kin go on while their pattern leaves fewer elements than COUNT, up to this many steps.
const SCAN_STEPS_MAX: usize = 10;

/// Tells subscribers of a removal, and that the key is gone if that was its last element.
#[inline]
pub(super) fn notify_removed(
    ctx: &mut Ctx<'_>,
    class: Events,
    event: &'static str,
    key: &[u8],
    emptied: bool,
) {
    ctx.notify(class, event, key);
    if emptied {
        ctx.notify(Events::GENERIC, "del", key);
    }
}

/// Tells subscribers that a result of `len` elements was stored under `key`; an empty one removes what was there.
#[inline]
pub(super) fn notify_stored(
    ctx: &mut Ctx<'_>,
    class: Events,
    event: &'static str,
    (key, replaced): (&[u8], bool),
    len: u64,
) {
    if len > 0 {
        ctx.notify(class, event, key);
    } else if replaced {
        ctx.notify(Events::GENERIC, "del", key);
    }
}

/// Writes an element.
#[inline]
pub(super) fn write_item(reply: &mut Reply<'_>, item: Item<'_>) {
    reply.bulk(item.text(&mut itoa::Buffer::new()));
}

/// Writes an element, or null.
#[inline]
pub(super) fn write_item_or_null(reply: &mut Reply<'_>, item: Option<Item<'_>>) {
    match item {
        Some(item) => write_item(reply, item),
        None => reply.null(),
    }
}

/// The cursor of HSCAN, SSCAN or ZSCAN, which is looked at before the key is.
pub(super) fn scan_cursor(args: Args<'_>) -> Result<u64, WireError> {
    parse_cursor(&args[2]).ok_or(WireError::fixed("ERR invalid cursor"))
}

/// The reply of an iteration of nothing.
pub(super) fn empty_scan(reply: &mut Reply<'_>) -> Outcome {
    reply.array(2);
    reply.bulk(b"0");
    reply.array(0);
    Ok(Flow::Next)
}

/// What HSCAN, SSCAN and ZSCAN are asked for.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    count: u64,
    pattern: Option<&'a [u8]>,
}

impl<'a> Scan<'a> {
    /// The options behind the cursor, `[MATCH pattern] [COUNT count]`.
    pub(super) fn parse(args: Args<'a>) -> Result<Self, WireError> {
        let mut scan = Scan { count: SCAN_COUNT_DEFAULT, pattern: None };
        let mut index = 3;
        while let Some(value) = args.get(index + 1) {
            if args.is(index, "COUNT") {
                let count = integer(value)?;
                scan.count = u64::try_from(count)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or(WireError::Syntax)?;
            } else if args.is(index, "MATCH") {
                scan.pattern = (value != b"*").then_some(value);
            } else {
                return Err(WireError::Syntax);
            }
            index += 2;
        }
        if index < args.len() { Err(WireError::Syntax) } else { Ok(scan) }
    }

    /// Whether an element of this name is asked for.
    pub(super) fn matches(&self, item: Item<'_>) -> bool {
        self.pattern.is_none_or(|pattern| {
            glob::matches(pattern, item.text(&mut itoa::Buffer::new()), false)
        })
    }

    /// Takes steps from `cursor` on until enough is found: `step` visits about as many elements as it is told, adds those that match to the list, and says
    /// where to go on.
    pub(super) fn run<T>(
        &self,
        mut cursor: u64,
        mut step: impl FnMut(u64, u64, &mut Vec<T>) -> u64,
    ) -> (u64, Vec<T>) {
        let mut found = Vec::new();
        for _ in 0..SCAN_STEPS_MAX {
            cursor = step(cursor, self.count, &mut found);
            if cursor == 0 || found.len() as u64 >= self.count {
                break;
            }
        }
        (cursor, found)
    }
}

/// Writes what precedes the elements of one step: the cursor, and how many elements follow.
pub(super) fn write_scan_head(reply: &mut Reply<'_>, cursor: u64, items: usize) {
    reply.array(2);
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.array(items);
}

/// The number of keys that follows argument `index`, which says it.
pub(super) fn numbered_keys(args: Args<'_>, index: usize) -> Result<usize, WireError> {
    let refused = WireError::fixed("ERR numkeys should be greater than 0");
    let count = integer(&args[index]).ok().filter(|&count| count > 0).ok_or(refused)?;
    match usize::try_from(count) {
        Ok(count) if count < args.len() - index => Ok(count),
        _ => Err(WireError::fixed("ERR Number of keys can't be greater than number of args")),
    }
}

/// `[COUNT count]` of LMPOP, ZMPOP and those that wait, from argument `index` on. A wrong count is told before what stands behind it.
pub(super) fn pop_count(args: Args<'_>, index: usize) -> Result<u64, WireError> {
    if index == args.len() {
        return Ok(1);
    }
    let Some(value) = args.get(index + 1).filter(|_| args.is(index, "COUNT")) else {
        return Err(WireError::Syntax);
    };
    let count = integer(value).ok().and_then(|count| u64::try_from(count).ok());
    let count = count
        .filter(|&count| count > 0)
        .ok_or(WireError::fixed("ERR count should be greater than 0"))?;
    if index + 2 < args.len() { Err(WireError::Syntax) } else { Ok(count) }
}

/// The count of HRANDFIELD, SRANDMEMBER and ZRANDMEMBER.
pub(super) fn random_count(text: &[u8]) -> Result<i64, WireError> {
    match integer(text)? {
        i64::MIN => Err(WireError::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        count => Ok(count),
    }
}

/// `count` different random places in a collection of `len` elements, or all if those are fewer.
pub(super) fn random_places(rng: &mut Rng, len: u64, count: u64) -> Vec<u64> {
    let count = count.min(len);
    if count == len {
        return (0..len).collect();
    }
    // Floyd's algorithm: each choice of different places is as likely as any other, and no list of all is needed.
    let mut chosen = std::collections::HashSet::with_capacity(count as usize);
    let mut places = Vec::with_capacity(count as usize);
    for last in len - count..len {
        let place = rng.below(last + 1);
        let place = if chosen.insert(place) { place } else { last };
        chosen.insert(place);
        places.push(place);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_places_are_different_and_all_are_chosen() {
        let mut rng = Rng::seeded(5);
        let mut often = [0; 10];
        for _ in 0..2_000 {
            let mut places = random_places(&mut rng, 10, 4);
            places.iter().for_each(|&place| often[place as usize] += 1);
            places.sort_unstable();
            places.dedup();
            assert_eq!(places.len(), 4);
        }
        // 800 each on average; five deviations are about 110.
        assert!(often.iter().all(|times| (680..920).contains(times)), "{often:?}");
        assert_eq!(random_places(&mut rng, 3, 9).len(), 3);
        assert!(random_places(&mut rng, 0, 9).is_empty());
    }
}
