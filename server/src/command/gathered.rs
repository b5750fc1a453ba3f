//! Commands over sets and sorted sets of several slots, from their values: whoever was asked for such a command has fetched the values from the nodes that serve
//! them, and has the result stored where its key is served.
//!
//! The same code combines them as where all keys lie at one place. What is checked first is as there: keys, their types, then options.

use super::dump::load_fetched;
use super::generic::sorted_list;
use super::{geo, set, zset};
use crate::store::Collection;
use crate::types::collection::{List, Set, Zset};
use crate::types::rdb::{self, Bounds, Shown};
use torc_protocol::{Args, Protocol, Reply, WireError};

/// What a command over several collections comes to.
#[derive(Debug)]
pub(crate) enum Combined {
    /// A set.
    Set(Set),
    /// A sorted set, in whatever form, and whether scores are asked for.
    Zset(Zset, bool),
    /// The elements that SORT stores.
    List(List),
    /// A number of members.
    Count(u64),
}

/// What remains to be done.
#[derive(Debug)]
pub(crate) enum Gathered {
    /// This is the reply.
    Answer(Vec<u8>),
    /// The result's payload is to be stored, or nothing is to be left there; then this is the reply.
    Store(Option<Vec<u8>>, Vec<u8>),
}

/// Whether `name` can be done with what was fetched. MOVE's kin cannot: they write at more than one place.
pub(crate) fn is_gathered(name: &str) -> bool {
    matches!(
        name,
        "sinter"
            | "sunion"
            | "sdiff"
            | "sintercard"
            | "sinterstore"
            | "sunionstore"
            | "sdiffstore"
            | "zinter"
            | "zunion"
            | "zdiff"
            | "zintercard"
            | "zinterstore"
            | "zunionstore"
            | "zdiffstore"
            | "zrangestore"
            | "geosearchstore"
            | "georadius"
            | "georadiusbymember"
    )
}

/// Whether the command `name`, with keys at several places, stores what it comes to: under its first key, or its last if [`stores_last`].
pub(crate) fn stores(name: &str) -> bool {
    name.ends_with("store") || stores_last(name)
}

/// Whether the command `name` names where it stores behind its source.
pub(crate) fn stores_last(name: &str) -> bool {
    name.starts_with("georadius")
}

/// What is wrong with arguments before the command looks at keys.
pub(crate) fn check_first(name: &str, args: Args<'_>) -> Result<(), WireError> {
    match name {
        "sintercard" => set::check_card(args),
        "zrangestore" => zset::check_range(args),
        _ => Ok(()),
    }
}

/// Combines what DUMP answered of the sources of `args`, which call `name`, in their order; none of those that are absent.
pub(crate) fn combine(
    name: &str,
    args: Args<'_>,
    fetched: &[Option<&[u8]>],
    bounds: &Bounds,
    protocol: Protocol,
) -> Result<Gathered, WireError> {
    let load =
        |payload: &Option<&[u8]>| payload.map(|payload| load_fetched(payload, bounds)).transpose();
    let values = fetched.iter().map(load).collect::<Result<Vec<Option<Collection>>, _>>()?;
    let combined = match name {
        "zrangestore" => zset::range_of_fetched(args, values.into_iter().next().flatten(), bounds)?,
        _ if name.starts_with("geo") => {
            let found = values.into_iter().next().flatten();
            Combined::Zset(geo::search_fetched(name, args, found, &bounds.zset)?, false)
        }
        _ if name.starts_with('s') => set::combine_fetched(name, args, values, bounds)?,
        _ => zset::combine_fetched(name, args, values, bounds)?,
    };
    Ok(finish(combined, stores(name), protocol))
}

/// The elements that SORT_RO answered, to be stored.
pub(crate) fn sorted<'e>(
    elements: impl Iterator<Item = &'e [u8]>,
    bounds: &Bounds,
    protocol: Protocol,
) -> Gathered {
    finish(Combined::List(sorted_list(elements, &bounds.list)), true, protocol)
}

fn finish(combined: Combined, stores: bool, protocol: Protocol) -> Gathered {
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, protocol);
    if stores {
        let (len, shown) = match &combined {
            Combined::Set(set) => (set.view().len(), Shown::Set(set.view())),
            Combined::Zset(zset, _) => (zset.view().len(), Shown::Zset(zset.view())),
            Combined::List(list) => (list.view().len(), Shown::List(list.view())),
            Combined::Count(count) => {
                reply.integer(*count as i64);
                return Gathered::Answer(out);
            }
        };
        reply.integer(len as i64);
        return Gathered::Store((len > 0).then(|| rdb::dump(shown)), out);
    }
    match combined {
        Combined::Set(set) => set::write_all(&mut reply, &set),
        Combined::Zset(zset, with_scores) => zset::write_all(&mut reply, &zset, with_scores),
        // SORT that stores nothing has one key.
        Combined::List(list) => reply.integer(list.view().len() as i64),
        Combined::Count(count) => reply.integer(count as i64),
    }
    Gathered::Answer(out)
}
