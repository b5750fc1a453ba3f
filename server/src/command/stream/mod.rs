//! Streams.
//!
//! Source: redis.io, the commands of the group "stream".

mod add;
mod group;
mod ids;
mod info;
mod pending;
mod range;
mod read;
#[cfg(test)]
mod tests;
mod trim;

pub(crate) use add::{xadd, xdel, xlen, xsetid, xtrim};
pub(crate) use group::{
    xgroup, xgroup_create, xgroup_createconsumer, xgroup_delconsumer, xgroup_destroy, xgroup_setid,
};
pub(crate) use info::{xinfo, xinfo_consumers, xinfo_groups, xinfo_stream};
pub(crate) use pending::{xack, xautoclaim, xclaim, xpending};
pub(super) use range::write_entry;
pub(crate) use range::{xrange, xrevrange};
pub(super) use read::{Looks, read_now};
pub(crate) use read::{xread, xreadgroup};

use super::Ctx;
use crate::store::{CollectionRef, Kind};
use crate::types::collection::Stream;
use torc_protocol::WireError;

/// The stream at `key`, if there is one.
fn find<'g>(ctx: &mut Ctx<'g>, key: &[u8]) -> Result<Option<CollectionRef<'g>>, WireError> {
    match ctx.keyspace().read(key) {
        Some(entry) => Ok(Some(entry.collection(Kind::Stream)?)),
        None => Ok(None),
    }
}

/// Runs `read` on the stream at `key`, or on none.
fn with_stream<R>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    read: impl FnOnce(Option<&Stream>) -> R,
) -> Result<R, WireError> {
    match find(ctx, key)? {
        Some(found) => Ok(read(Some(&found.stream()))),
        None => Ok(read(None)),
    }
}

/// An error that names words of the client's.
fn naming(before: &str, one: &[u8], between: &str, other: &[u8], after: &str) -> WireError {
    let cut = |word: &[u8]| word.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
    let (one, other) = (cut(one), cut(other));
    WireError::Bytes(
        [before.as_bytes(), &one, between.as_bytes(), &other, after.as_bytes()].concat(),
    )
}

/// There is no such key or no such group in it.
fn no_group(key: &[u8], group: &[u8], after: &str) -> WireError {
    naming("NOGROUP No such key '", key, "' or consumer group '", group, after)
}

/// There is no such group in the stream.
fn no_group_in(key: &[u8], group: &[u8]) -> WireError {
    naming("NOGROUP No such consumer group '", group, "' for key name '", key, "'")
}

/// The arguments of a subcommand are not those that it takes.
fn bad_subcommand(container: &str, word: &[u8]) -> WireError {
    let after = format!("'. Try {container} HELP.");
    let word = &word[..word.len().min(128)];
    WireError::quoting("ERR unknown subcommand or wrong number of arguments for '", word, &after)
}
