//! The node's figures as OpenMetrics, which Prometheus reads.
//!
//! What redis_exporter tells of a Redis has the name that it has there, so that dashboards and alerts made for it show a Torc; what a Redis
//! does not have begins with `torc_`. Everything is read when it is asked for: a node that nobody watches pays nothing.
//!
//! Source: the OpenMetrics specification 1.0; redis_exporter's list of metrics.

use super::Instance;
use super::memory::{Figures, cpu_seconds};
use super::pubsub::Kind;
use crate::base::release::{REDIS_VERSION, TORC_VERSION};
use crate::cluster::View;
use crate::cluster::health::Health;
use crate::cluster::member::{Member, MemberState};
use crate::security::acl::Reason;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use torc_protocol::command::{COMMANDS, CommandSpec};

/// What the text is, for HTTP's `Content-Type`.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes the figures of one node.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// Those of `instance`.
    pub fn of(instance: Arc<Instance>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source(instance)));
        Metrics(registry)
    }

    /// All figures of this moment, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(32 * 1024);
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.0);
        text
    }
}

/// Reads the node when the registry asks.
#[derive(Debug)]
struct Source(Arc<Instance>);

impl Collector for Source {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let instance = &*self.0;
        process(&mut page, instance)?;
        clients(&mut page, instance)?;
        memory(&mut page, instance)?;
        traffic(&mut page, instance)?;
        keys(&mut page, instance)?;
        pubsub(&mut page, instance)?;
        commands(&mut page, instance)?;
        errors(&mut page, instance)?;
        page.gauge(
            "redis_cluster_enabled",
            "Whether the node is part of a ring",
            u64::from(instance.cluster.is_enabled()),
        )?;
        match instance.cluster.view() {
            Some(view) => ring(&mut page, instance, &view),
            None => Ok(()),
        }
    }
}

/// The text as it grows, a metric at a time.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    /// A counter; the format adds `_total` to its name.
    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        metric.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A counter for each set of labels.
    fn counters<L: EncodeLabelSet, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// A gauge for each set of labels.
    fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn process(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let about = [
        ("redis_version", REDIS_VERSION),
        ("torc_version", TORC_VERSION),
        ("role", "master"),
        ("run_id", &instance.run_id),
        ("maxmemory_policy", &instance.settings.maxmemory_policy_name()),
    ];
    let (system, user) = cpu_seconds();
    page.gauge("redis_up", "Whether the node answers", 1u64)?;
    page.gauges("redis_instance_info", "What the node is", [(about, 1u64)])?;
    page.gauge("redis_uptime_in_seconds", "Seconds since the start", instance.uptime().as_secs())?;
    page.gauge(
        "redis_start_time_seconds",
        "When the node started, in seconds since the Unix epoch",
        instance.started_ms / 1000,
    )?;
    page.gauge("torc_workers", "Worker threads", instance.settings.worker_count())?;
    page.counter("redis_cpu_sys_seconds", "CPU seconds in the kernel", system)?;
    page.counter("redis_cpu_user_seconds", "CPU seconds outside of the kernel", user)
}

fn clients(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let [accepted, rejected, output_closed, query_closed] = instance.stats.connections();
    page.gauge(
        "redis_connected_clients",
        "Connections of clients",
        instance.clients.connected() as u64,
    )?;
    page.gauge(
        "redis_blocked_clients",
        "Clients that wait in a blocking command",
        instance.clients.blocked() as u64,
    )?;
    page.gauge("redis_max_clients", "Setting maxclients", instance.settings.maxclients())?;
    page.gauge(
        "redis_tracking_clients",
        "Clients that are told of keys that change",
        instance.tracking.clients() as u64,
    )?;
    page.counter("redis_connections_received", "Connections accepted", accepted)?;
    page.counter(
        "redis_rejected_connections",
        "Connections refused for want of room or of protection",
        rejected,
    )?;
    page.counter(
        "redis_client_query_buffer_limit_disconnections",
        "Clients closed for too long a request",
        query_closed,
    )?;
    page.counter(
        "redis_client_output_buffer_limit_disconnections",
        "Clients closed for replies that they left unread",
        output_closed,
    )?;
    page.counter(
        "torc_tls_handshakes_failed",
        "Clients that came by TLS and were gone before both sides knew each other",
        instance.stats.handshakes_failed(),
    )?;
    for (name, help, reason) in [
        ("redis_acl_access_denied_auth", "Logins refused", Reason::Auth),
        ("redis_acl_access_denied_cmd", "Commands refused to their user", Reason::Command),
        ("redis_acl_access_denied_key", "Commands refused for a key", Reason::Key),
        ("redis_acl_access_denied_channel", "Commands refused for a channel", Reason::Channel),
    ] {
        page.counter(name, help, instance.acl.log.count(reason))?;
    }
    Ok(())
}

fn memory(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let figures = Figures::now(instance);
    page.gauge("redis_memory_used_bytes", "Bytes that the allocator has given out", figures.used)?;
    page.gauge("redis_memory_used_peak_bytes", "The most of them at any sample", figures.peak)?;
    page.gauge(
        "redis_memory_used_rss_bytes",
        "Bytes of the process in the machine's memory",
        figures.rss,
    )?;
    page.gauge(
        "redis_memory_used_dataset_bytes",
        "Bytes of keys, values and the index: what maxmemory limits",
        figures.dataset,
    )?;
    page.gauge("redis_memory_used_overhead_bytes", "Bytes of all the rest", figures.overhead)?;
    page.gauge(
        "redis_memory_used_startup_bytes",
        "Bytes before there was any data",
        figures.startup,
    )?;
    page.gauge(
        "redis_memory_max_bytes",
        "Setting maxmemory; 0 is no limit",
        instance.settings.maxmemory(),
    )?;
    page.gauge(
        "redis_allocator_active_bytes",
        "Bytes of the allocator's pages in use",
        figures.allocator.active,
    )?;
    page.gauge(
        "redis_allocator_resident_bytes",
        "Bytes of the allocator's pages, those kept for reuse included",
        figures.allocator.resident,
    )?;
    page.gauge(
        "torc_memory_limbo_bytes",
        "Bytes of what was removed and is not yet freed",
        figures.limbo,
    )
}

fn traffic(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let totals = instance.stats.totals();
    page.counter("redis_commands_processed", "Commands that ran", totals.commands)?;
    page.counter("redis_net_input_bytes", "Bytes read from clients", totals.input_bytes)?;
    page.counter("redis_net_output_bytes", "Bytes written to clients", totals.output_bytes)?;
    page.counter("torc_reads_processed", "Reads from clients' sockets", totals.reads)?;
    page.counter("torc_writes_processed", "Writes to clients' sockets", totals.writes)?;
    page.gauge("redis_slowlog_length", "Entries of the slow log", instance.slowlog.len() as u64)
}

fn keys(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let store = instance.store.stats();
    let by_db = |counts: &[u64]| {
        let labelled = |(db, &count): (usize, &u64)| ([("db", format!("db{db}"))], count);
        counts.iter().enumerate().map(labelled).collect::<Vec<_>>()
    };
    page.gauges("redis_db_keys", "Keys of a database", by_db(&store.keys))?;
    page.gauges(
        "redis_db_keys_expiring",
        "Keys of a database that have a deadline",
        by_db(&store.expires),
    )?;
    page.counter("redis_keyspace_hits", "Look-ups that found their key", store.hits)?;
    page.counter("redis_keyspace_misses", "Look-ups that did not", store.misses)?;
    page.counter("redis_expired_keys", "Keys removed because their time was over", store.expired)?;
    page.counter("redis_evicted_keys", "Keys removed because of maxmemory", store.evicted)
}

fn pubsub(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let count = |kind| instance.pubsub.count(kind) as u64;
    page.gauge("redis_pubsub_channels", "Channels with subscribers", count(Kind::Channel))?;
    page.gauge("redis_pubsub_patterns", "Patterns with subscribers", count(Kind::Pattern))?;
    page.gauge(
        "redis_pubsubshard_channels",
        "Shard channels with subscribers",
        count(Kind::Shard),
    )?;
    page.counter(
        "torc_pubsub_messages_dropped",
        "Messages that found a subscriber's queue full",
        instance.pubsub.dropped(),
    )
}

fn commands(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let totals = |spec: &CommandSpec| instance.stats.command(spec.id);
    let known = COMMANDS.iter().map(|spec| ([("cmd", spec.full_name)], totals(spec)));
    let seen: Vec<_> = known.filter(|(_, t)| t.calls + t.rejected + t.failed > 0).collect();
    page.counters(
        "redis_commands",
        "Times that a command ran",
        seen.iter().map(|(cmd, t)| (*cmd, t.calls)),
    )?;
    page.counters(
        "redis_commands_duration_seconds",
        "Seconds that it ran, together",
        seen.iter().map(|(cmd, t)| (*cmd, t.usec as f64 / 1e6)),
    )?;
    page.counters(
        "redis_commands_rejected_calls",
        "Times that it was refused before it ran",
        seen.iter().map(|(cmd, t)| (*cmd, t.rejected)),
    )?;
    page.counters(
        "redis_commands_failed_calls",
        "Times that it ran and answered an error",
        seen.iter().map(|(cmd, t)| (*cmd, t.failed)),
    )?;
    let help = "How long it ran, in microseconds (setting latency-tracking)";
    let mut family = page.0.encode_descriptor(
        "redis_commands_latencies_usec",
        help,
        None,
        MetricType::Histogram,
    )?;
    for spec in COMMANDS {
        let Some(distribution) = instance.stats.distribution(spec.id) else { continue };
        // Cumulative there, and each for itself here.
        let (mut buckets, mut before) = (Vec::new(), 0);
        for (limit, cumulative) in distribution.powers() {
            buckets.push((limit as f64, cumulative - before));
            before = cumulative;
        }
        buckets.push((f64::INFINITY, 0));
        let sum = totals(&spec).usec as f64;
        family
            .encode_family(&[("cmd", spec.full_name)])?
            .encode_histogram::<NoLabelSet>(sum, before, &buckets, None)?;
    }
    Ok(())
}

fn errors(page: &mut Page<'_>, instance: &Instance) -> fmt::Result {
    let counts = instance.stats.errors();
    // A code can hold a client's bytes; the encoder escapes what would end a label.
    let labelled = |(code, count): &(Box<[u8]>, u64)| {
        ([("err", String::from_utf8_lossy(code).into_owned())], *count)
    };
    page.counters(
        "redis_errors",
        "Errors answered, by their first word",
        counts.iter().map(labelled),
    )
}

fn ring(page: &mut Page<'_>, instance: &Instance, view: &View) -> fmt::Result {
    let cluster = &instance.cluster;
    let (health, figures, bus) = (Health::of(view), cluster.figures(), cluster.bus_counts());
    let slots = [("full", health.full), ("short", health.short), ("none", health.none)];
    page.gauges(
        "torc_ring_slots",
        "Slots with all their copies alive, with fewer, and without any",
        slots.map(|(copies, count)| ([("copies", copies)], count as u64)),
    )?;
    page.gauge(
        "torc_ring_slots_served",
        "Slots that this node serves",
        health.serves(view.me()) as u64,
    )?;
    page.gauge(
        "torc_ring_slots_kept",
        "Slots that this node keeps a copy of",
        health.keeps(view.me()) as u64,
    )?;
    page.gauge(
        "torc_ring_ready",
        "Whether this node keeps and serves what it is to",
        u64::from(is_ready(instance)),
    )?;
    let name = |member: &Member| {
        [
            ("node", member.id.to_string()),
            ("host", member.host.to_string()),
            ("state", member.state.name().to_owned()),
        ]
    };
    page.gauges(
        "torc_ring_node_alive",
        "Whether this node takes another for running",
        view.members().map(|(_, member)| (name(member), u64::from(member.alive))),
    )?;
    page.gauges(
        "torc_ring_node_lag",
        "Effects of writes that this node has not yet sent to another",
        view.members().map(|(index, member)| (name(member), cluster.lag(index))),
    )?;
    page.counter(
        "redis_cluster_messages_sent",
        "Packets and frames sent to other nodes",
        bus.sent,
    )?;
    page.counter(
        "redis_cluster_messages_received",
        "Packets and frames that came from other nodes",
        bus.received,
    )?;
    page.gauge(
        "torc_clock_offset_seconds",
        "How far a living node's clock is off, at most",
        figures.clock_offset_ms.get() as f64 / 1e3,
    )?;
    page.gauge(
        "torc_clock_barred",
        "Whether this node serves nothing because its clock is wrong",
        figures.clock_barred.get(),
    )?;
    page.counter(
        "torc_digest_mismatches",
        "Copies found to differ that should have been the same",
        figures.digest_mismatches.get(),
    )
}

/// Whether the node should be sent clients: it is not stopping, and in a ring it is neither on its way in nor out.
pub fn is_ready(instance: &Instance) -> bool {
    if instance.is_shutdown_requested() || instance.cluster.figures().clock_barred.get() != 0 {
        return false;
    }
    match instance.cluster.view() {
        Some(view) => {
            view.member(view.me()).is_some_and(|me| me.ready && me.state == MemberState::Active)
        }
        None => !instance.settings.is_in_ring(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::cluster::NodeId;
    use crate::config::Settings;
    use torc_protocol::command::find;

    fn node() -> Arc<Instance> {
        Arc::new(Instance::new(Settings::default(), Clock::manual(1_000_000), 1))
    }

    /// The lines of `text` that are no comments: each metric with its labels, and its value.
    fn values(text: &str) -> Vec<(&str, f64)> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name, value.parse().unwrap()))
            .collect()
    }

    fn value(text: &str, name: &str) -> Option<f64> {
        values(text).iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    #[test]
    fn no_metric_is_told_twice_and_each_is_explained() {
        let instance = node();
        instance.cluster.publish(Arc::new(View::build(
            vec![Member::on_loopback(NodeId(1), 1)],
            NodeId(1),
            3,
        )));
        let text = Metrics::of(instance).text();
        let mut names: Vec<_> = values(&text).into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{text}");
        for name in names {
            let family = name.split('{').next().unwrap();
            let family = family.strip_suffix("_total").unwrap_or(family);
            assert!(text.contains(&format!("# HELP {family} ")), "{name}");
        }
    }

    #[test]
    fn what_commands_did_is_told_by_their_names() {
        let instance = node();
        let get = find(b"get").unwrap();
        instance.stats.worker(0).calls(get.id, 3, 6);
        instance.stats.worker(0).failed(get.id);
        let text = Metrics::of(instance).text();
        let check = |name: &str, expected| {
            assert_eq!(value(&text, name), Some(expected), "{name} in {text}")
        };
        check("redis_commands_processed_total", 3.0);
        check("redis_commands_total{cmd=\"get\"}", 3.0);
        check("redis_commands_duration_seconds_total{cmd=\"get\"}", 6e-6);
        check("redis_commands_failed_calls_total{cmd=\"get\"}", 1.0);
        check("redis_commands_rejected_calls_total{cmd=\"get\"}", 0.0);
        check("redis_commands_latencies_usec_count{cmd=\"get\"}", 3.0);
        check("redis_commands_latencies_usec_sum{cmd=\"get\"}", 6.0);
        check("redis_commands_latencies_usec_bucket{le=\"2.0\",cmd=\"get\"}", 3.0);
        check("redis_commands_latencies_usec_bucket{le=\"+Inf\",cmd=\"get\"}", 3.0);
        assert_eq!(value(&text, "redis_commands_total{cmd=\"set\"}"), None, "it never ran");
    }

    #[test]
    fn an_error_of_a_clients_making_stays_within_its_label() {
        let instance = node();
        instance.stats.worker(0).error(b"A\"} 1\nredis_up");
        let text = Metrics::of(instance).text();
        assert!(text.contains("redis_errors_total{err=\"A\\\"} 1\\nredis_up\"} 1\n"), "{text}");
        assert_eq!(value(&text, "redis_up"), Some(1.0));
    }

    #[test]
    fn a_ring_is_told_of_with_its_nodes() {
        let instance = node();
        let down = Member { alive: false, ..Member::on_loopback(NodeId(2), 2) };
        let members = vec![Member::on_loopback(NodeId(1), 1), down];
        assert!(is_ready(&instance), "alone");
        instance.cluster.publish(Arc::new(View::build(members, NodeId(1), 2)));
        assert!(is_ready(&instance));
        let text = Metrics::of(Arc::clone(&instance)).text();
        let check = |name: &str, expected| {
            assert_eq!(value(&text, name), Some(expected), "{name} in {text}")
        };
        check("redis_cluster_enabled", 1.0);
        check("torc_ring_slots{copies=\"full\"}", 0.0);
        check("torc_ring_slots{copies=\"short\"}", 16384.0);
        check("torc_ring_slots_served", 16384.0);
        let node = |id: u64| {
            format!(
                "torc_ring_node_alive{{node=\"{}\",host=\"127.0.0.1\",state=\"active\"}}",
                NodeId(id)
            )
        };
        check(&node(1), 1.0);
        check(&node(2), 0.0);
        let leaving = Member { state: MemberState::Leaving, ..Member::on_loopback(NodeId(1), 1) };
        instance.cluster.publish(Arc::new(View::build(vec![leaving], NodeId(1), 2)));
        assert!(!is_ready(&instance), "it goes");
    }
}
