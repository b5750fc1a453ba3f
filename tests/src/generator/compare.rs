//! How the replies to a random command compare.

use crate::script::Normaliser;

/// How a reply of a random command is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// As in a script.
    By(Normaliser),
    /// Both null or both not (RANDOMKEY).
    Presence,
}

/// How the replies to a command compare.
pub(super) fn comparison(args: &[Vec<u8>]) -> Compare {
    let name = String::from_utf8_lossy(&args[0]).to_uppercase();
    Compare::By(match name.as_str() {
        "TTL" | "EXPIRETIME" => Normaliser::Near(2),
        "PTTL" | "PEXPIRETIME" => Normaliser::Near(2000),
        "KEYS" => Normaliser::Set,
        // Only a scan in one step is comparable: where it pauses is each server's own matter.
        "SCAN" => {
            let whole = args.get(1).is_some_and(|cursor| cursor == b"0")
                && args.windows(2).filter(|p| p[0].eq_ignore_ascii_case(b"COUNT")).count() == 1
                && args.windows(2).any(|p| p[1] == b"1000000");
            if whole { Normaliser::Set } else { Normaliser::Any }
        }
        // A key set with a deadline in the past counts until it is swept.
        "DBSIZE" => Normaliser::Any,
        // Each tells its own sizes.
        "MEMORY" => Normaliser::Any,
        // Holds times and addresses.
        "SLOWLOG" => Normaliser::Any,
        "OBJECT" => {
            let own = |sub: &Vec<u8>| {
                sub.eq_ignore_ascii_case(b"IDLETIME") || sub.eq_ignore_ascii_case(b"REFCOUNT")
            };
            // RESTORE may set the idle time further back than the bits kept for it reach; reference counts are made up.
            if args.get(1).is_some_and(own) { Normaliser::Any } else { Normaliser::Exact }
        }
        "RANDOMKEY" => return Compare::Presence,
        _ => Normaliser::Exact,
    })
}

impl Compare {
    /// Whether two replies agree.
    pub fn equal(&self, ours: &[u8], reference: &[u8]) -> bool {
        match self {
            Compare::By(normaliser) => normaliser.equal(ours, reference),
            Compare::Presence => {
                ours == reference
                    || (ours.first() == Some(&b'$')
                        && ours.starts_with(b"$-1") == reference.starts_with(b"$-1")
                        && reference.first() == Some(&b'$'))
            }
        }
    }
}
