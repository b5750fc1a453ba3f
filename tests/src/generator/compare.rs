//! How the replies to a random command compare.

use crate::resp::Value;
use crate::script::Normaliser;

/// How a reply of a random command is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// As in a script.
    By(Normaliser),
    /// Both null or both not (RANDOMKEY).
    Presence,
    /// The names of encodings, but for the small forms that only Redis 7.2 has, and for sorted sets that a Redis has sorted if that is said.
    Encoding(bool),
    /// The same of a ring, where what was gathered from several nodes, or copied between them, has the form that its contents allow.
    EncodingOfRing(bool),
    /// As another, but for the signs of zeros, which sums in a ring forget, and small sorted sets, but not those that a Redis has sorted.
    Unsigned(Box<Compare>),
    /// What tells of streams, but for the time that passes.
    Timeless,
    /// Payloads of DUMP: of one type, and equal where Redis's form follows from the value alone.
    Payload,
}

/// How the replies to a command compare.
pub(super) fn comparison(args: &[Vec<u8>], sorts: bool) -> Compare {
    let name = String::from_utf8_lossy(&args[0]).to_uppercase();
    Compare::By(match name.as_str() {
        "TTL" | "EXPIRETIME" => Normaliser::Near(2),
        "PTTL" | "PEXPIRETIME" => Normaliser::Near(2000),
        "KEYS" | "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "HGETALL" | "HKEYS" | "HVALS"
        | "SPOP" => Normaliser::Set,
        "HSCAN" | "SSCAN" | "ZSCAN" => Normaliser::Set,
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" => Normaliser::Shape,
        "DUMP" => return Compare::Payload,
        "XPENDING" | "XINFO" => return Compare::Timeless,
        // The difference `newer-streams`.
        "XREAD" | "XREADGROUP" | "EVAL" | "EVAL_RO" if is_unbalanced(args) => Normaliser::Any,
        "OBJECT" if args.get(1).is_some_and(|sub| sub.eq_ignore_ascii_case(b"ENCODING")) => {
            return Compare::Encoding(sorts);
        }
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
    pub(super) fn of_ring(self) -> Compare {
        match self {
            Compare::Encoding(sorts) => Compare::EncodingOfRing(sorts),
            other => other.unsigned(),
        }
    }

    pub(super) fn unsigned(self) -> Compare {
        match self {
            known @ (Compare::Encoding(_) | Compare::EncodingOfRing(_) | Compare::Unsigned(_)) => {
                known
            }
            other => Compare::Unsigned(Box::new(other)),
        }
    }

    /// Whether two replies agree.
    pub fn equal(&self, ours: &[u8], reference: &[u8]) -> bool {
        match self {
            Compare::By(normaliser) => normaliser.equal(ours, reference),
            Compare::EncodingOfRing(sorted) => {
                let is_string = |reply: &[u8]| {
                    ["\r\nint\r\n", "\r\nembstr\r\n", "\r\nraw\r\n"]
                        .iter()
                        .any(|name| reply.ends_with(name.as_bytes()))
                };
                let is = |small: &str, big: &str| {
                    ours.ends_with(format!("\r\n{small}\r\n").as_bytes())
                        && reference.ends_with(format!("\r\n{big}\r\n").as_bytes())
                };
                // What was copied from one node to another is small again, if it may be.
                Compare::Encoding(*sorted).equal(ours, reference)
                    || (is_string(ours) && is_string(reference))
                    || is("listpack", "skiplist")
                    || is("intset", "hashtable")
            }
            Compare::Encoding(sorted) => {
                let is = |small: &str, big: &str| {
                    ours.ends_with(format!("\r\n{small}\r\n").as_bytes())
                        && reference.ends_with(format!("\r\n{big}\r\n").as_bytes())
                };
                ours == reference
                    || is("listpack", "quicklist")
                    || is("listpack", "hashtable")
                    || (*sorted && is("listpack", "skiplist"))
            }
            Compare::Unsigned(other) => {
                let [ours, reference] = [ours, reference].map(unsigned);
                other.equal(&ours, &reference)
            }
            Compare::Timeless => {
                ours == reference
                    || match (Value::parse(ours), Value::parse(reference)) {
                        (Some(ours), Some(reference)) => timeless(ours) == timeless(reference),
                        _ => false,
                    }
            }
            Compare::Payload => ours == reference || same_payload(ours, reference),
            Compare::Presence => {
                ours == reference
                    || (ours.first() == Some(&b'$')
                        && ours.starts_with(b"$-1") == reference.starts_with(b"$-1")
                        && reference.first() == Some(&b'$'))
            }
        }
    }
}

/// Whether not every key of XREAD or XREADGROUP has an id.
fn is_unbalanced(args: &[Vec<u8>]) -> bool {
    let streams = args.iter().position(|arg| arg.eq_ignore_ascii_case(b"STREAMS"));
    streams.is_some_and(|at| (args.len() - at).is_multiple_of(2))
}

/// Names of what Redis 7.2 alone tells, or tells otherwise where a consumer asked in vain.
const LEFT_OUT: &[&[u8]] = &[b"inactive", b"active-time", b"seen-time"];
/// Numbers below this are no times.
const TIME_MIN: i64 = 1_000_000;
/// Times are told apart in steps of about a day: XCLAIM sets none that are nearer.
const TIME_STEP: i64 = 100_000_000;

/// What XINFO and XPENDING tell, without the time that passes.
pub fn timeless(value: Value) -> Value {
    let is_left_out =
        |name: &Value| matches!(name, Value::Bulk(name) if LEFT_OUT.contains(&&name[..]));
    match value {
        Value::Array(kind, items) => {
            let mut kept = Vec::with_capacity(items.len());
            let mut items = items.into_iter();
            while let Some(item) = items.next() {
                let is_pair =
                    is_left_out(&item) || matches!(&item, Value::Bulk(name) if name == b"idle");
                if is_pair {
                    items.next();
                } else {
                    kept.push(item);
                }
            }
            // An entry that is pending: id, consumer, time, deliveries; or without a consumer.
            let time_at = match &kept[..] {
                [Value::Bulk(_), Value::Bulk(_), Value::Integer(_), Value::Integer(_)] => Some(2),
                [Value::Bulk(_), Value::Integer(_), Value::Integer(_)] => Some(1),
                _ => None,
            };
            if let Some(Value::Integer(time)) = time_at.map(|at| &mut kept[at]) {
                *time = (*time + TIME_STEP / 2).div_euclid(TIME_STEP);
            }
            let kept = kept.into_iter().map(timeless).collect();
            Value::Array(kind, kept)
        }
        Value::Map(pairs) => {
            let is_idle = |name: &Value| matches!(name, Value::Bulk(name) if name == b"idle");
            let pairs = pairs.into_iter().filter(|(name, _)| !is_left_out(name) && !is_idle(name));
            Value::Map(pairs.map(|(name, value)| (name, timeless(value))).collect())
        }
        Value::Integer(time) if time > TIME_MIN => {
            Value::Integer((time + TIME_STEP / 2).div_euclid(TIME_STEP))
        }
        other => other,
    }
}

/// See [`Compare::Payload`].
fn same_payload(ours: &[u8], reference: &[u8]) -> bool {
    let kind = |reply: &[u8]| match Value::parse(reply) {
        Some(Value::Bulk(payload)) => payload.first().copied(),
        _ => None,
    };
    match (kind(ours), kind(reference)) {
        // Values that are or may have been big, or whose nodes were split; OBJECT ENCODING tells the two forms apart.
        (Some(2 | 11), Some(2 | 11)) | (Some(4 | 16), Some(4)) => true,
        (Some(5 | 17), Some(5)) | (Some(18), Some(18)) | (Some(19), Some(19)) => true,
        _ => false,
    }
}

/// A reply without the signs of zeros.
fn unsigned(reply: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(reply.len());
    let mut rest = reply;
    while let Some((&byte, tail)) = rest.split_first() {
        match rest {
            [b'$', b'2', b'\r', b'\n', b'-', b'0', b'\r', b'\n', tail @ ..] => {
                out.extend_from_slice(b"$1\r\n0\r\n");
                rest = tail;
            }
            [b',', b'-', b'0', b'\r', b'\n', tail @ ..] => {
                out.extend_from_slice(b",0\r\n");
                rest = tail;
            }
            _ => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}
