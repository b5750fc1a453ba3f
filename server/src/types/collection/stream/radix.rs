//! How large the radix tree would be in which Redis keeps a stream's nodes by their ids, which XINFO STREAM tells.
//!
//! A path without branches is one node there, whatever its length; a byte at which keys part is a node; a key's end is one.

/// Above so many leaves the nodes are estimated: to look at all of them would take milliseconds.
const EXACT_MAX: u64 = 10_000;

/// Keys and nodes of the tree of these keys, which ascend and differ.
pub(super) fn size(keys: impl Iterator<Item = [u8; 16]>) -> (u64, u64) {
    let (mut known, mut count) = (Vec::new(), 0);
    for key in keys {
        count += 1;
        if count <= EXACT_MAX {
            known.push(key);
        }
    }
    known.dedup();
    let exact = nodes(&known, 0, true);
    if count <= EXACT_MAX { (count, exact) } else { (count, count * exact / EXACT_MAX) }
}

/// Nodes below the place at which `keys` have `depth` bytes in common and behind them. The root is a node even where nothing begins there.
fn nodes(keys: &[[u8; 16]], depth: usize, is_root: bool) -> u64 {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return u64::from(is_root);
    };
    let common = (depth..16).take_while(|&at| first[at] == last[at]).count();
    let path = u64::from(common > 0);
    let parts = depth + common;
    if parts == 16 {
        return path + 1;
    }
    let branches = keys.chunk_by(|one, other| one[parts] == other[parts]);
    path + 1 + branches.map(|part| nodes(part, parts + 1, false)).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_as_redis_counts_them() {
        let key = |bytes: [u8; 2]| {
            let mut key = [0; 16];
            key[14..].copy_from_slice(&bytes);
            key
        };
        let check = |keys: &[[u8; 2]], expected| {
            assert_eq!(size(keys.iter().map(|&bytes| key(bytes))), expected, "{keys:?}");
        };
        check(&[], (0, 1));
        check(&[[0, 1]], (1, 2));
        // A path, the byte that differs, and two ends.
        check(&[[0, 1], [0, 2]], (2, 4));
        check(&[[0, 1], [0, 2], [0, 3]], (3, 5));
        // The byte differs earlier, so that each end has a path before it.
        check(&[[0, 1], [1, 1]], (2, 6));
    }
}
