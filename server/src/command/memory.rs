//! MEMORY: where the bytes are.

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::admin::memory::{Allocator, Figures, difference, purge as purge_pages, ratio};
use std::fmt::Write as _;
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Reply, WireError};

/// `MEMORY USAGE key [SAMPLES count]`
pub fn usage(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut index = 3;
    while index < args.len() {
        if !args.is(index, "SAMPLES") || index + 1 >= args.len() {
            return Err(WireError::Syntax);
        }
        // Values are counted as a whole, so the number of samples only has to be one.
        if parse_i64(&args[index + 1]).ok_or(WireError::NotInteger)? < 0 {
            return Err(WireError::Syntax);
        }
        index += 2;
    }
    match ctx.keyspace().peek(&args[2]) {
        Some(entry) => reply.integer(entry.memory_bytes() as i64),
        None => reply.null(),
    }
    Ok(Flow::Next)
}

/// `MEMORY STATS`
pub fn stats(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let figures = Figures::now(ctx.instance);
    let store = ctx.instance.store.stats();
    let databases: Vec<usize> = (0..store.keys.len()).filter(|&db| store.keys[db] > 0).collect();
    let head: [(&str, u64); 10] = [
        ("peak.allocated", figures.peak),
        ("total.allocated", figures.used),
        ("startup.allocated", figures.startup),
        ("replication.backlog", 0),
        ("clients.slaves", 0),
        ("clients.normal", 0),
        ("cluster.links", 0),
        ("aof.buffer", 0),
        ("lua.caches", 0),
        ("functions.caches", 0),
    ];
    reply.map(head.len() + databases.len() + TAIL_PAIRS);
    head.into_iter().for_each(|(name, bytes)| integer(reply, name, bytes as i64));
    for db in databases {
        reply.bulk(format!("db.{db}").as_bytes());
        reply.map(3);
        // The index is one structure for all databases and its bytes are in dataset.bytes.
        integer(reply, "overhead.hashtable.main", 0);
        integer(reply, "overhead.hashtable.expires", 0);
        integer(reply, "overhead.hashtable.slot-to-keys", 0);
    }
    stats_tail(&figures, reply);
    Ok(Flow::Next)
}

const TAIL_PAIRS: usize = 17;

fn stats_tail(f: &Figures, reply: &mut Reply<'_>) {
    let a = &f.allocator;
    integer(reply, "overhead.total", f.overhead as i64);
    integer(reply, "keys.count", f.keys as i64);
    integer(reply, "keys.bytes-per-key", f.dataset.checked_div(f.keys).unwrap_or(0) as i64);
    integer(reply, "dataset.bytes", f.dataset as i64);
    double(reply, "dataset.percentage", f.dataset_percent());
    double(reply, "peak.percentage", f.peak_percent());
    integer(reply, "allocator.allocated", a.allocated as i64);
    integer(reply, "allocator.active", a.active as i64);
    integer(reply, "allocator.resident", a.resident as i64);
    double(reply, "allocator-fragmentation.ratio", ratio(a.active, a.allocated));
    integer(reply, "allocator-fragmentation.bytes", difference(a.active, a.allocated));
    double(reply, "allocator-rss.ratio", ratio(a.resident, a.active));
    integer(reply, "allocator-rss.bytes", difference(a.resident, a.active));
    double(reply, "rss-overhead.ratio", ratio(f.rss, a.resident));
    integer(reply, "rss-overhead.bytes", difference(f.rss, a.resident));
    double(reply, "fragmentation", ratio(f.rss, f.used));
    integer(reply, "fragmentation.bytes", difference(f.rss, f.used));
}

fn integer(reply: &mut Reply<'_>, name: &str, value: i64) {
    reply.bulk(name.as_bytes());
    reply.integer(value);
}

fn double(reply: &mut Reply<'_>, name: &str, value: f64) {
    reply.bulk(name.as_bytes());
    reply.double_text(&value.to_string());
}

/// Below this there is too little data for ratios to mean anything.
const DOCTOR_BYTES_MIN: u64 = 5 << 20;

/// `MEMORY DOCTOR`
pub fn doctor(ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let f = Figures::now(ctx.instance);
    let mut text = String::new();
    if f.dataset < DOCTOR_BYTES_MIN {
        text.push_str("There is too little data to judge memory by.\n");
    } else {
        if ratio(f.peak, f.used) > 1.5 {
            let _ = writeln!(
                text,
                "Peak: {} bytes were in use once, {} are now. What the process keeps from then is reused, or given back by MEMORY PURGE.",
                f.peak, f.used
            );
        }
        if ratio(f.allocator.active, f.allocator.allocated) > 1.3 {
            text.push_str(
                "Fragmentation: pages are partly empty, as after many deletions of mixed sizes.\n",
            );
        }
        if ratio(f.rss, f.used) > 1.5 {
            text.push_str("Resident memory is well above what is in use: free pages have not gone back to the system. See MEMORY PURGE.\n");
        }
        if f.limbo * 20 > f.dataset {
            text.push_str("Limbo: removed values wait for readers to finish; commands that run very long hold them back.\n");
        }
        if ctx.instance.settings.maxmemory() == 0 {
            text.push_str("maxmemory is not set: the data may grow until the system runs out.\n");
        }
        if text.is_empty() {
            text.push_str("Nothing stands out.\n");
        }
    }
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Flow::Next)
}

/// `MEMORY PURGE`
pub fn purge(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if !purge_pages() {
        return Err(WireError::fixed("ERR Error purging dirty pages"));
    }
    reply.ok();
    Ok(Flow::Next)
}

/// `MEMORY MALLOC-STATS`
pub fn malloc_stats(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let a = Allocator::now();
    let text = format!(
        "jemalloc\nallocated: {}\nactive: {}\nmetadata: {}\nresident: {}\n",
        a.allocated, a.active, a.metadata, a.resident
    );
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Flow::Next)
}

/// `MEMORY HELP`
pub fn help(_ctx: &mut Ctx<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "DOCTOR",
            "    What looks wrong with memory, in words.",
            "MALLOC-STATS",
            "    The allocator's own figures.",
            "PURGE",
            "    Give free pages back to the system now.",
            "STATS",
            "    Every figure of memory.",
            "USAGE <key> [SAMPLES <count>]",
            "    Bytes that a key and its value take; values are always counted whole.",
            "HELP",
            "    These lines.",
        ],
    )
}
