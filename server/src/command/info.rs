//! INFO: the node's state as sections of `field:value` lines.
//!
//! Names and order are Redis 7.2's (redis.io, INFO), because dashboards and client libraries read them by name. Fields of parts that Torc does
//! not have are there with the value they have in a Redis that does not use the part; fields of our own begin with `torc_`.

use super::connection::mode_of;
use super::{Ctx, Flow, Outcome};
use crate::admin::Instance;
use crate::admin::memory::{Figures, cpu_seconds, difference, machine_bytes, ratio};
use crate::admin::pubsub::Kind;
use crate::base::release::{REDIS_VERSION, TORC_VERSION};
use crate::cluster::route::Port;
use crate::security::acl::Reason;
use std::fmt::Write as _;
use torc_protocol::command::COMMANDS;
use torc_protocol::{Args, Reply};

/// Writes one section's lines.
type Writer = fn(&mut String, &Instance, About);

/// What the lines depend on besides the node.
#[derive(Debug, Clone, Copy)]
struct About {
    now: u64,
    port: Port,
}

/// Name, title, whether it is in the default set, and its lines.
const SECTIONS: [(&str, &str, bool, Writer); 13] = [
    ("server", "Server", true, server),
    ("clients", "Clients", true, clients),
    ("memory", "Memory", true, memory),
    ("persistence", "Persistence", true, persistence),
    ("stats", "Stats", true, stats),
    ("replication", "Replication", true, replication),
    ("cpu", "CPU", true, cpu),
    ("modules", "Modules", true, |_, _, _| {}),
    ("commandstats", "Commandstats", false, commandstats),
    ("errorstats", "Errorstats", true, errorstats),
    ("latencystats", "Latencystats", false, latencystats),
    ("cluster", "Cluster", true, cluster),
    ("keyspace", "Keyspace", true, keyspace),
];

/// `INFO [section ...]`
pub fn info(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut wanted = [args.len() == 1; SECTIONS.len()];
    for (index, section) in SECTIONS.iter().enumerate() {
        wanted[index] &= section.2;
    }
    for word in args.from(1).iter() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let (default, all) = (is("default"), is("all") || is("everything"));
        for (wanted, (name, _, by_default, _)) in wanted.iter_mut().zip(SECTIONS) {
            *wanted |= all || default && by_default || is(name);
        }
    }
    reply.verbatim(
        *b"txt",
        text(ctx.instance, wanted, About { now: ctx.now, port: ctx.session.port }).as_bytes(),
    );
    Ok(Flow::Next)
}

fn text(instance: &Instance, wanted: [bool; SECTIONS.len()], about: About) -> String {
    let mut text = String::with_capacity(8192);
    for (wanted, (_, title, _, write)) in wanted.into_iter().zip(SECTIONS) {
        if !wanted {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {title}\r\n");
        write(&mut text, instance, about);
    }
    text
}

/// Appends lines of `name:value`.
macro_rules! lines {
    ($out:ident, $($name:literal: $value:expr),* $(,)?) => {
        // Writing to a String does not fail.
        $(let _ = write!($out, concat!($name, ":{}\r\n"), $value);)*
    };
}

fn server(out: &mut String, instance: &Instance, about: About) {
    let settings = &instance.settings;
    let kernel = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
        text.trim().to_owned()
    };
    let path = |path: Option<&std::path::Path>| {
        path.map(|path| path.display().to_string()).unwrap_or_default()
    };
    let uptime = instance.uptime().as_secs();
    lines!(out,
        "redis_version": REDIS_VERSION,
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": "0",
        "redis_mode": mode_of(about.port),
        "os": format_args!("{} {} {}", kernel("ostype"), kernel("osrelease"), std::env::consts::ARCH),
        "arch_bits": usize::BITS,
        "monotonic_clock": "POSIX clock_gettime",
        "multiplexing_api": "epoll",
        "atomicvar_api": "c11-builtin",
        "gcc_version": "0.0.0",
        "process_id": std::process::id(),
        "process_supervised": "no",
        "run_id": instance.run_id,
        "tcp_port": if settings.port() == 0 { settings.tls_port() } else { settings.port() },
        "server_time_usec": instance.clock.unix_us(),
        "uptime_in_seconds": uptime,
        "uptime_in_days": uptime / 86_400,
        "hz": settings.hz(),
        "configured_hz": settings.hz(),
        "lru_clock": (about.now / 1000) & 0xff_ffff,
        "executable": path(std::env::current_exe().ok().as_deref()),
        "config_file": path(settings.file()),
        "io_threads_active": 0,
    );
    let mut listeners = Vec::new();
    let on_port = |name: &str, port: i64| {
        let bind = settings.bind();
        let places = bind.split(' ').filter(|address| !address.is_empty());
        let places: String = places.map(|address| format!(",bind={address}")).collect();
        (port != 0).then(|| format!("name={name}{places},port={port}"))
    };
    listeners.extend(on_port("tcp", settings.port()));
    let socket = settings.unixsocket();
    listeners.extend((!socket.is_empty()).then(|| format!("name=unix,bind={socket}")));
    listeners.extend(on_port("tls", settings.tls_port()));
    for (index, listener) in listeners.into_iter().enumerate() {
        let _ = write!(out, "listener{index}:{listener}\r\n");
    }
    lines!(out, "torc_version": TORC_VERSION, "torc_workers": settings.worker_count());
}

fn clients(out: &mut String, instance: &Instance, _: About) {
    lines!(out,
        "connected_clients": instance.clients.connected(),
        "cluster_connections": 0,
        "maxclients": instance.settings.maxclients(),
        "client_recent_max_input_buffer": 0,
        "client_recent_max_output_buffer": 0,
        "blocked_clients": instance.clients.blocked(),
        "torc_parked_waits": instance.blocked.parked(),
        "tracking_clients": instance.tracking.clients(),
        "pubsub_clients": instance.pubsub.clients(),
        "clients_in_timeout_table": 0,
        "total_blocking_keys": instance.blocked.keys(),
        "total_blocking_keys_on_nokey": instance.blocked.keys_until_gone(),
    );
}

/// Bytes for people, as Redis writes them.
struct Human(u64);

impl std::fmt::Display for Human {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Human(bytes) = *self;
        if bytes < 1024 {
            return write!(f, "{bytes}B");
        }
        let power = (bytes.ilog2() / 10).min(5);
        let unit = ['K', 'M', 'G', 'T', 'P'][power as usize - 1];
        write!(f, "{:.2}{unit}", bytes as f64 / (1u64 << (10 * power)) as f64)
    }
}

fn memory(out: &mut String, instance: &Instance, _: About) {
    let f = Figures::now(instance);
    let (a, machine, maxmemory) = (&f.allocator, machine_bytes(), instance.settings.maxmemory());
    lines!(out,
        "used_memory": f.used,
        "used_memory_human": Human(f.used),
        "used_memory_rss": f.rss,
        "used_memory_rss_human": Human(f.rss),
        "used_memory_peak": f.peak,
        "used_memory_peak_human": Human(f.peak),
        "used_memory_peak_perc": format_args!("{:.2}%", f.peak_percent()),
        "used_memory_overhead": f.overhead,
        "used_memory_startup": f.startup,
        "used_memory_dataset": f.dataset,
        "used_memory_dataset_perc": format_args!("{:.2}%", f.dataset_percent()),
        "allocator_allocated": a.allocated,
        "allocator_active": a.active,
        "allocator_resident": a.resident,
        "total_system_memory": machine,
        "total_system_memory_human": Human(machine),
    );
    // What the interpreters take is the allocator's.
    let (scripts, script_bytes) = instance.scripts.count();
    let shelf = instance.scripts.libraries.shelf();
    let all_bytes = script_bytes + shelf.bytes();
    lines!(out,
        "used_memory_lua": 0,
        "used_memory_vm_eval": 0,
        "used_memory_lua_human": Human(0),
        "used_memory_scripts_eval": script_bytes,
        "number_of_cached_scripts": scripts,
        "number_of_functions": shelf.function_count(),
        "number_of_libraries": shelf.libraries().len(),
        "used_memory_vm_functions": 0,
        "used_memory_vm_total": 0,
        "used_memory_vm_total_human": Human(0),
        "used_memory_functions": shelf.bytes(),
        "used_memory_scripts": all_bytes,
        "used_memory_scripts_human": Human(all_bytes as u64),
    );
    lines!(out,
        "maxmemory": maxmemory,
        "maxmemory_human": Human(maxmemory),
        "maxmemory_policy": instance.settings.maxmemory_policy_name(),
        "allocator_frag_ratio": format_args!("{:.2}", ratio(a.active, a.allocated)),
        "allocator_frag_bytes": difference(a.active, a.allocated),
        "allocator_rss_ratio": format_args!("{:.2}", ratio(a.resident, a.active)),
        "allocator_rss_bytes": difference(a.resident, a.active),
        "rss_overhead_ratio": format_args!("{:.2}", ratio(f.rss, a.resident)),
        "rss_overhead_bytes": difference(f.rss, a.resident),
        "mem_fragmentation_ratio": format_args!("{:.2}", ratio(f.rss, f.used)),
        "mem_fragmentation_bytes": difference(f.rss, f.used),
        "mem_not_counted_for_evict": f.overhead,
        "mem_replication_backlog": 0,
        "mem_total_replication_buffers": 0,
        "mem_clients_slaves": 0,
        "mem_clients_normal": 0,
        "mem_cluster_links": 0,
        "mem_aof_buffer": 0,
        "mem_allocator": "jemalloc",
        "active_defrag_running": 0,
        "lazyfree_pending_objects": 0,
        "lazyfreed_objects": 0,
        "torc_store_bytes": f.dataset,
        "torc_limbo_bytes": f.limbo,
    );
}

/// A Redis that keeps nothing on disk.
fn persistence(out: &mut String, instance: &Instance, _: About) {
    lines!(out,
        "loading": 0,
        "async_loading": 0,
        "current_cow_peak": 0,
        "current_cow_size": 0,
        "current_cow_size_age": 0,
        "current_fork_perc": "0.00",
        "current_save_keys_processed": 0,
        "current_save_keys_total": 0,
        "rdb_changes_since_last_save": 0,
        "rdb_bgsave_in_progress": 0,
        "rdb_last_save_time": instance.started_ms / 1000,
        "rdb_last_bgsave_status": "ok",
        "rdb_last_bgsave_time_sec": -1,
        "rdb_current_bgsave_time_sec": -1,
        "rdb_saves": 0,
        "rdb_last_cow_size": 0,
        "rdb_last_load_keys_expired": 0,
        "rdb_last_load_keys_loaded": 0,
        "aof_enabled": 0,
        "aof_rewrite_in_progress": 0,
        "aof_rewrite_scheduled": 0,
        "aof_last_rewrite_time_sec": -1,
        "aof_current_rewrite_time_sec": -1,
        "aof_last_bgrewrite_status": "ok",
        "aof_rewrites": 0,
        "aof_rewrites_consecutive_failures": 0,
        "aof_last_write_status": "ok",
        "aof_last_cow_size": 0,
        "module_fork_in_progress": 0,
        "module_fork_last_cow_size": 0,
    );
}

fn stats(out: &mut String, instance: &Instance, _: About) {
    let (totals, rates) = (instance.stats.totals(), instance.stats.rates());
    let store = instance.store.stats();
    let [accepted, rejected, output_closed, query_closed] = instance.stats.connections();
    let kbps = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    lines!(out,
        "total_connections_received": accepted,
        "total_commands_processed": totals.commands,
        "instantaneous_ops_per_sec": rates.commands,
        "total_net_input_bytes": totals.input_bytes,
        "total_net_output_bytes": totals.output_bytes,
        "total_net_repl_input_bytes": 0,
        "total_net_repl_output_bytes": 0,
        "instantaneous_input_kbps": kbps(rates.input_bytes),
        "instantaneous_output_kbps": kbps(rates.output_bytes),
        "instantaneous_input_repl_kbps": "0.00",
        "instantaneous_output_repl_kbps": "0.00",
        "rejected_connections": rejected,
        "sync_full": 0,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "expired_keys": store.expired,
        "expired_stale_perc": "0.00",
        "expired_time_cap_reached_count": 0,
        "expire_cycle_cpu_milliseconds": 0,
        "evicted_keys": store.evicted,
        "evicted_clients": 0,
        "total_eviction_exceeded_time": 0,
        "current_eviction_exceeded_time": 0,
        "keyspace_hits": store.hits,
        "keyspace_misses": store.misses,
        "pubsub_channels": instance.pubsub.count(Kind::Channel),
        "pubsub_patterns": instance.pubsub.count(Kind::Pattern),
        "pubsubshard_channels": instance.pubsub.count(Kind::Shard),
        "torc_pubsub_messages_dropped": instance.pubsub.dropped(),
        "latest_fork_usec": 0,
        "total_forks": 0,
        "migrate_cached_sockets": 0,
        "slave_expires_tracked_keys": 0,
    );
    lines!(out,
        "active_defrag_hits": 0,
        "active_defrag_misses": 0,
        "active_defrag_key_hits": 0,
        "active_defrag_key_misses": 0,
        "total_active_defrag_time": 0,
        "current_active_defrag_time": 0,
        "tracking_total_keys": instance.tracking.keys(),
        "tracking_total_items": instance.tracking.items(),
        "tracking_total_prefixes": instance.tracking.prefixes(),
        "unexpected_error_replies": 0,
        "total_error_replies": totals.errors,
        "dump_payload_sanitizations": 0,
        "total_reads_processed": totals.reads,
        "total_writes_processed": totals.writes,
        "io_threaded_reads_processed": 0,
        "io_threaded_writes_processed": 0,
        "reply_buffer_shrinks": 0,
        "reply_buffer_expands": 0,
        "acl_access_denied_auth": instance.acl.log.count(Reason::Auth),
        "acl_access_denied_cmd": instance.acl.log.count(Reason::Command),
        "acl_access_denied_key": instance.acl.log.count(Reason::Key),
        "acl_access_denied_channel": instance.acl.log.count(Reason::Channel),
        "client_query_buffer_limit_disconnections": query_closed,
        "client_output_buffer_limit_disconnections": output_closed,
        "torc_tls_handshakes_failed": instance.stats.handshakes_failed(),
    );
}

fn replication(out: &mut String, instance: &Instance, _: About) {
    lines!(out,
        "role": "master",
        "connected_slaves": 0,
        "master_failover_state": "no-failover",
        "master_replid": instance.replication_id(),
        "master_replid2": "0000000000000000000000000000000000000000",
        "master_repl_offset": 0,
        "second_repl_offset": -1,
        "repl_backlog_active": 0,
        "repl_backlog_size": 1_048_576,
        "repl_backlog_first_byte_offset": 0,
        "repl_backlog_histlen": 0,
    );
}

fn cpu(out: &mut String, _instance: &Instance, _: About) {
    let (system, user) = cpu_seconds();
    lines!(out,
        "used_cpu_sys": format_args!("{system:.6}"),
        "used_cpu_user": format_args!("{user:.6}"),
        "used_cpu_sys_children": "0.000000",
        "used_cpu_user_children": "0.000000",
    );
}

fn commandstats(out: &mut String, instance: &Instance, _: About) {
    for spec in COMMANDS {
        let command = instance.stats.command(spec.id);
        if command.calls + command.rejected + command.failed == 0 {
            continue;
        }
        let _ = write!(
            out,
            "cmdstat_{}:calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}\r\n",
            spec.full_name,
            command.calls,
            command.usec,
            ratio(command.usec, command.calls),
            command.rejected,
            command.failed
        );
    }
}

fn errorstats(out: &mut String, instance: &Instance, _: About) {
    for (code, count) in instance.stats.errors() {
        // A code can hold a client's bytes (DEBUG ERROR): nothing that could look like another field or line.
        let code: String = String::from_utf8_lossy(&code)
            .chars()
            .map(|c| if c.is_control() || c == ':' { '_' } else { c })
            .collect();
        let _ = write!(out, "errorstat_{code}:count={count}\r\n");
    }
}

fn latencystats(out: &mut String, instance: &Instance, _: About) {
    let percentiles = instance.settings.latency_tracking_info_percentiles();
    for spec in COMMANDS {
        let Some(distribution) = instance.stats.distribution(spec.id) else { continue };
        let _ = write!(out, "latency_percentiles_usec_{}:", spec.full_name);
        for (index, percent) in percentiles.split_whitespace().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let usec = distribution.percentile(percent.parse().unwrap_or(0.0));
            let _ = write!(out, "{comma}p{percent}={usec:.3}");
        }
        out.push_str("\r\n");
    }
}

fn cluster(out: &mut String, instance: &Instance, about: About) {
    lines!(out, "cluster_enabled": u8::from(about.port == Port::Cluster));
    if instance.cluster.is_enabled() {
        let figures = instance.cluster.figures();
        lines!(out,
            "torc_clock_offset_ms": figures.clock_offset_ms.get(),
            "torc_clock_warnings": figures.clock_warnings.get(),
            "torc_clock_barred": figures.clock_barred.get(),
            "torc_digest_mismatches": figures.digest_mismatches.get(),
            "torc_tags_pruned": figures.tags_pruned.get(),
        );
    }
}

fn keyspace(out: &mut String, instance: &Instance, _: About) {
    let store = instance.store.stats();
    for (db, (keys, expires)) in store.keys.iter().zip(store.expires).enumerate() {
        if *keys > 0 {
            // The mean time to live would take a walk over all keys; Redis shows 0 until it has sampled some.
            let _ = write!(out, "db{db}:keys={keys},expires={expires},avg_ttl=0\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::config::Settings;

    #[test]
    fn bytes_are_written_for_people() {
        let check = |bytes, text: &str| assert_eq!(Human(bytes).to_string(), text);
        check(0, "0B");
        check(1023, "1023B");
        check(1024, "1.00K");
        check(940_920, "918.87K");
        check(25_276_510_208, "23.54G");
        check(u64::MAX, "16384.00P");
    }

    #[test]
    fn every_line_is_a_field_or_a_title() {
        let instance = Instance::new(Settings::default(), Clock::manual(1_000_000), 1);
        let text =
            text(&instance, [true; SECTIONS.len()], About { now: 1_000_000, port: Port::Plain });
        assert!(text.starts_with("# Server\r\nredis_version:7.2.4\r\n"));
        assert!(text.ends_with("# Keyspace\r\n"));
        for line in text.split("\r\n").filter(|line| !line.is_empty()) {
            assert!(line.starts_with("# ") || line.contains(':'), "{line}");
        }
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
    }
}
