//! DEBUG: what test suites and curious operators ask of a node. Only where `enable-debug-command` lets them.

use super::digest::Digest;
use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::base::limits::{DATABASE_COUNT, DEBUG_POPULATE_COUNT_MAX};
use crate::config::DebugAccess;
use crate::store::{Entry, Expiry, NewValue};
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Protocol, Reply, WireError};

/// `DEBUG subcommand [argument ...]`
pub fn debug(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_access(ctx)?;
    match (lowercase(&args[1]).as_str(), args.len()) {
        ("help", 2) => return help_lines(reply, HELP),
        ("sleep", 3) => return sleep(ctx, &args[2], reply),
        ("object", 3 | 4) => return object(ctx, &args[2], reply),
        ("sdslen", 3) => return sdslen(ctx, &args[2], reply),
        ("digest", 2) => return digest(ctx, reply),
        ("digest-value", _) => return digest_value(ctx, args.from(2), reply),
        ("populate", 3..=5) => return populate(ctx, args, reply),
        ("protocol", 3) => return protocol(&lowercase(&args[2]), reply),
        ("error", 3) => return Err(WireError::Bytes(args[2].to_vec())),
        ("log", 3) => {
            tracing::warn!(message = %String::from_utf8_lossy(&args[2]), "DEBUG LOG");
        }
        ("set-active-expire", 3) => {
            // As C's atoi: what is no number is 0.
            ctx.instance.set_active_expire(parse_i64(&args[2]).unwrap_or(0) != 0);
        }
        ("set-disable-deny-scripts", 3) => {
            ctx.instance.set_debug_in_scripts(parse_i64(&args[2]).unwrap_or(0) != 0);
        }
        ("quicklist-packed-threshold", 3) => check_packed_threshold(&args[2])?,
        ("change-repl-id", 2) => ctx.instance.change_replication_id(),
        ("config-rewrite-force-all", 2) => {
            super::config::rewrite_settings(ctx.instance)
                .map_err(|reason| WireError::err(&reason))?;
        }
        ("structsize", 2) => {
            reply.simple(&format!("bits:{} entry-header:16", usize::BITS));
            return Ok(Flow::Next);
        }
        // There is no disk to reload from: the data is, and stays, what it would be afterwards.
        ("reload", _) | ("loadaof", 2) => {}
        // Knobs of parts that Torc does not have. Suites turn them before and after a test.
        ("replicate", 3)
        | ("pause-cron", 3)
        | ("dict-resizing", 3)
        | ("set-skip-checksum-validation", 3)
        | ("aof-flush-sleep", 3)
        | ("replybuffer", 4) => {}
        _ => return Err(unknown(&args[1])),
    }
    reply.ok();
    Ok(Flow::Next)
}

fn lowercase(word: &[u8]) -> String {
    // Longer than any subcommand is unknown, however long.
    String::from_utf8_lossy(&word[..word.len().min(64)]).to_ascii_lowercase()
}

fn unknown(name: &[u8]) -> WireError {
    // Redis cuts the name here.
    let name = &name[..name.len().min(128)];
    let start = "ERR unknown subcommand or wrong number of arguments for '";
    WireError::quoting(start, name, "'. Try DEBUG HELP.")
}

fn check_access(ctx: &Ctx<'_>) -> Result<(), WireError> {
    let endpoint = &ctx.session.info.endpoint;
    let allowed = match ctx.instance.settings.enable_debug_command() {
        DebugAccess::Yes => true,
        DebugAccess::No => false,
        DebugAccess::Local => {
            let ip = endpoint.address.rsplit_once(':').map_or("", |(ip, _)| ip);
            let ip = ip.trim_start_matches('[').trim_end_matches(']');
            endpoint.unix_socket || ip.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
        }
    };
    if allowed {
        return Ok(());
    }
    Err(WireError::fixed(
        "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
    ))
}

/// A year; the connection can be closed meanwhile.
const SLEEP_SECONDS_MAX: f64 = 365.0 * 86_400.0;

/// Holds this connection alone. Redis stops as a whole; Torc's other clients are not made to wait. It counts as a command that took as long, as in Redis:
/// suites fill the slow log and the latency history by it.
fn sleep(ctx: &Ctx<'_>, seconds: &[u8], reply: &mut Reply<'_>) -> Outcome {
    // As C's strtod: what is no number is 0.
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0);
    let ms = (seconds.clamp(0.0, SLEEP_SECONDS_MAX) * 1000.0) as u64;
    reply.ok();
    Ok(if ms == 0 { Flow::Next } else { Flow::ToilUntil(ctx.now + ms) })
}

fn object(ctx: &mut Ctx<'_>, key: &[u8], reply: &mut Reply<'_>) -> Outcome {
    let now = ctx.now;
    let Some(entry) = ctx.keyspace().peek(key) else { return Err(WireError::NoSuchKey) };
    // LRU clock of Redis: seconds, 24 bits.
    let idle = entry.idle_seconds(now);
    let used = (now / 1000).saturating_sub(idle) & 0xff_ffff;
    // The address tells nothing that a client may rely on, so it is not given away.
    reply.simple(&format!(
        "Value at:0x0 refcount:1 encoding:{} serializedlength:{} lru:{used} lru_seconds_idle:{idle}",
        entry.encoding(),
        serialized_bytes(&entry)
    ));
    Ok(Flow::Next)
}

/// Bytes of a string in Redis's dump format, not compressed.
fn serialized_bytes(entry: &Entry<'_>) -> usize {
    let Ok(view) = entry.string() else { return 0 };
    let mut scratch = itoa::Buffer::new();
    let bytes = view.bytes(&mut scratch);
    match (parse_i64(bytes), bytes.len()) {
        (Some(number), _) if i8::try_from(number).is_ok() => 2,
        (Some(number), _) if i16::try_from(number).is_ok() => 3,
        (Some(number), _) if i32::try_from(number).is_ok() => 5,
        (_, len @ 0..64) => len + 1,
        (_, len @ 64..16_384) => len + 2,
        (_, len) => len + 5,
    }
}

fn sdslen(ctx: &mut Ctx<'_>, key: &[u8], reply: &mut Reply<'_>) -> Outcome {
    let Some(entry) = ctx.keyspace().peek(key) else { return Err(WireError::NoSuchKey) };
    let Ok(view) = entry.string() else {
        return Err(WireError::fixed("ERR Not an sds encoded string."));
    };
    if entry.encoding() == "int" {
        return Err(WireError::fixed("ERR Not an sds encoded string."));
    }
    reply.simple(&format!(
        "key_sds_len:{}, key_sds_avail:0, key_zmalloc: {}, val_sds_len:{}, val_sds_avail:0, val_zmalloc: {}",
        key.len(),
        key.len(),
        view.len(),
        entry.memory_bytes()
    ));
    Ok(Flow::Next)
}

/// Entries that one step of a scan for the digest looks at.
const DIGEST_STEP: usize = 1024;

fn digest(ctx: &mut Ctx<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut digest = Digest::default();
    let mut keyspace = ctx.keyspace();
    for db in 0..DATABASE_COUNT {
        let mut view = keyspace.in_database(db as u8);
        if view.is_empty() {
            continue;
        }
        digest.mix(&(db as u32).to_be_bytes());
        let mut cursor = 0;
        loop {
            let mut outcome = Ok(());
            cursor = view.scan(cursor, DIGEST_STEP, |entry| {
                outcome = outcome.and(digest.toggle_entry(&entry));
            });
            if outcome.is_err() {
                return Err(WireError::WrongType);
            }
            if cursor == 0 {
                break;
            }
        }
    }
    reply.simple(&digest.hex());
    Ok(Flow::Next)
}

fn digest_value(ctx: &mut Ctx<'_>, keys: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut keyspace = ctx.keyspace();
    reply.array(keys.len());
    for key in keys.iter() {
        let mut digest = Digest::default();
        if let Some(entry) = keyspace.peek(key) {
            digest.mix_value(&entry).map_err(|_| WireError::WrongType)?;
        }
        reply.simple(&digest.hex());
    }
    Ok(Flow::Next)
}

/// `DEBUG POPULATE count [prefix [size]]`: keys `prefix:n` with values `value:n`, filled up with zero bytes to `size`.
fn populate(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let range = || WireError::fixed("ERR value is out of range, must be positive");
    let number = |index: usize| parse_i64(&args[index]).ok_or(range());
    let count = u64::try_from(number(2)?).map_err(|_| range())?;
    let prefix = args.get(3).unwrap_or(b"key");
    let size = if args.len() == 5 { number(4)? } else { 0 };
    let size = usize::try_from(size).map_err(|_| range())?;
    let limit = ctx.instance.settings.proto_max_bulk_len();
    if count > DEBUG_POPULATE_COUNT_MAX || size as u64 > limit {
        return Err(WireError::fixed("ERR value is out of range"));
    }
    let mut keyspace = ctx.keyspace();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for n in 0..count {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(n).as_bytes();
        key.clear();
        key.extend_from_slice(prefix);
        key.push(b':');
        key.extend_from_slice(digits);
        if keyspace.peek(&key).is_some() {
            continue;
        }
        value.clear();
        value.extend_from_slice(b"value:");
        value.extend_from_slice(digits);
        if size > 0 {
            value.resize(size, 0);
        }
        keyspace.set(&key, NewValue::Bytes(&value), Expiry::Never);
    }
    reply.ok();
    Ok(Flow::Next)
}

fn check_packed_threshold(text: &[u8]) -> Result<(), WireError> {
    let bytes = std::str::from_utf8(text).ok().and_then(crate::config::parse_memory);
    match bytes {
        Some(bytes) if bytes < 1 << 32 => Ok(()),
        _ => Err(WireError::fixed(
            "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
        )),
    }
}

/// One reply of each type, for the tests of client libraries.
fn protocol(name: &str, reply: &mut Reply<'_>) -> Outcome {
    let is_resp3 = reply.protocol() == Protocol::Resp3;
    match name {
        "string" => reply.bulk(b"Hello World"),
        "integer" => reply.integer(12_345),
        "double" => reply.double_text("3.141"),
        "null" => reply.null(),
        "array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.integer(n));
        }
        "set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.integer(n));
        }
        "map" => {
            reply.map(3);
            for n in 0..3 {
                reply.integer(n);
                reply.boolean(n == 1);
            }
        }
        "attrib" => {
            if is_resp3 {
                reply.raw(b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n");
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        "push" if !is_resp3 => {
            return Err(WireError::fixed("ERR RESP2 is not supported by this command"));
        }
        "push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        "true" => reply.boolean(true),
        "false" => reply.boolean(false),
        "verbatim" => reply.verbatim(*b"txt", b"This is a verbatim\nstring"),
        "bignum" if is_resp3 => reply.raw(b"(1234567999999999999999999999999999999\r\n"),
        "bignum" => reply.bulk(b"1234567999999999999999999999999999999"),
        _ => {
            return Err(WireError::fixed(
                "ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(Flow::Next)
}

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANGE-REPL-ID",
    "    Draw a new replication id.",
    "DIGEST",
    "    A fingerprint of all data, equal to Redis's for equal data.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    A fingerprint of each key's value.",
    "ERROR <string>",
    "    Answer this error.",
    "LOG <message>",
    "    Write a message to the log.",
    "OBJECT <key>",
    "    How a key's value is kept.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Create keys <prefix>:<n>, unless they exist.",
    "PROTOCOL <type>",
    "    Answer a reply of this type: string, integer, double, bignum, null, array,",
    "    set, map, attrib, push, verbatim, true or false.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    Accepted; changes nothing.",
    "RELOAD [<option> ...]",
    "    Accepted; there is no disk to reload from.",
    "SDSLEN <key>",
    "    Lengths of a key and its string.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Stop or restart the sweeper of expired keys.",
    "SET-DISABLE-DENY-SCRIPTS <0|1>",
    "    Let scripts call DEBUG and CLIENT LIST, or not. A SLEEP there takes no time.",
    "SLEEP <seconds>",
    "    Answer this client later. Others are not held up.",
    "HELP",
    "    These lines.",
];
