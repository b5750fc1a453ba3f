//! Completes the rows at compile time with what follows from them.

use super::flags::{Categories, Flags, KeyFlags};
use super::keys::{KeysBy, RUN_COUNT_MAX};
use super::spec::{Begin, CommandId, CommandSpec, Find, KeyRange, KeySpec};

/// Fills in ids, names, implied ACL categories, old-style key ranges and subcommands.
pub(super) const fn complete<const N: usize>(mut rows: [CommandSpec; N]) -> [CommandSpec; N] {
    assert!(N <= u16::MAX as usize);
    let mut container = 0;
    let mut index = 0;
    while index < N {
        let mut row = rows[index];
        row.id = CommandId(index as u16);
        (row.parent, row.name) = split(row.full_name);
        if let Some(parent) = row.parent {
            assert!(
                equal(parent, rows[container].full_name),
                "a subcommand stands behind its container"
            );
            rows[container].subcommand_count += 1;
        } else {
            container = index;
        }
        assert!(row.arity != 0);
        assert!(row.keys.len() <= RUN_COUNT_MAX, "each key spec yields at most one run of keys");
        row.args_min = row.arity.unsigned_abs() as u32;
        row.args_more = if row.arity > 0 { 0 } else { u32::MAX };
        row.acl = row.acl.union(implied_categories(row.flags, row.acl));
        let (range, movable) = key_range(row.keys);
        row.key_range = range;
        if movable {
            row.flags = row.flags.union(Flags::MOVABLEKEYS);
        }
        row.first_key = first_key(row.keys);
        row.only_key = row.first_key != 0 && has_one_key(row.keys, row.keys_by);
        row.may_write |= row.flags.contains(Flags::WRITE);
        rows[index] = row;
        index += 1;
    }
    rows
}

/// `client|id` as its container and its own name.
const fn split(full_name: &'static str) -> (Option<&'static str>, &'static str) {
    let bytes = full_name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'|' {
            let (parent, rest) = full_name.split_at(at);
            return (Some(parent), rest.split_at(1).1);
        }
        at += 1;
    }
    (None, full_name)
}

const fn equal(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// The ACL categories that follow from the flags (redis.io, "ACL", command categories).
const fn implied_categories(flags: Flags, acl: Categories) -> Categories {
    let mut implied = Categories::empty();
    if flags.contains(Flags::WRITE) {
        implied = implied.union(Categories::WRITE);
    }
    if flags.contains(Flags::READONLY) && !acl.contains(Categories::SCRIPTING) {
        implied = implied.union(Categories::READ);
    }
    if flags.contains(Flags::ADMIN) {
        implied = implied.union(Categories::ADMIN).union(Categories::DANGEROUS);
    }
    if flags.contains(Flags::PUBSUB) {
        implied = implied.union(Categories::PUBSUB);
    }
    if flags.contains(Flags::BLOCKING) {
        implied = implied.union(Categories::BLOCKING);
    }
    implied.union(if flags.contains(Flags::FAST) { Categories::FAST } else { Categories::SLOW })
}

/// The specs as one range of first, last and step, and whether that misses keys (`movablekeys`).
///
/// A single range is that range. Of several, those of step 1 that join one another are taken together, and any other
/// makes the keys movable (BITOP's destination and sources are one range, SORT's STORE is not in it).
const fn key_range(specs: &[KeySpec]) -> (KeyRange, bool) {
    let mut range = KeyRange { first: 0, last: 0, step: 0 };
    let mut movable = false;
    let mut at = 0;
    while at < specs.len() {
        let spec = &specs[at];
        at += 1;
        movable |= spec.flags.contains(KeyFlags::INCOMPLETE);
        let (Begin::Index(index), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
            movable = true;
            continue;
        };
        let first = index as i32;
        let last = if last >= 0 { first + last as i32 } else { last as i32 };
        if specs.len() == 1 {
            range = KeyRange { first, last, step: step as i32 };
        } else if step != 1 || (range.first != 0 && range.last != first - 1) {
            movable = true;
        } else if range.first == 0 {
            range = KeyRange { first, last, step: 1 };
        } else {
            range.last = last;
        }
    }
    (range, movable)
}

/// Whether the first key is the only one, whatever the arguments are.
const fn has_one_key(specs: &[KeySpec], by: Option<KeysBy>) -> bool {
    // The arguments of SET and BITFIELD say what becomes of the key, and not where it stands.
    let is_fixed = matches!(by, None | Some(KeysBy::Set | KeysBy::Bitfield));
    is_fixed && specs.len() == 1 && matches!(specs[0].find, Find::Range { last: 0, .. })
}

/// The argument of the first key where the first spec names a fixed one; else 0.
const fn first_key(specs: &[KeySpec]) -> u32 {
    if specs.is_empty() || specs[0].flags.contains(KeyFlags::NOT_KEY) {
        return 0;
    }
    match (specs[0].begin, specs[0].find) {
        (Begin::Index(index), Find::Range { .. }) => index as u32,
        _ => 0,
    }
}
