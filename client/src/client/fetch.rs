//! Asks servers who serves what, at the beginning and from then on.

use super::inner::{Inner, Routes, View};
use crate::base::{clock, lock, rng};
use crate::config::{Address, Mode};
use crate::connection::Submission;
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::metrics::Event;
use crate::node::{Node, Role};
use crate::reply::Value;
use crate::topology::{Table, parse_slots, parse_zones};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use torc_protocol::request::encode_request;

/// Asks the seeds one after the other until one answers; again, while none does. Why none did is left in `last`.
///
/// # Errors
/// The servers are not what the configuration says, or refuse the password.
pub(super) async fn first(inner: &Arc<Inner>, last: &mut Option<Error>) -> Result<()> {
    let seeds = inner.view.load().nodes.clone();
    loop {
        for (at, seed) in seeds.iter().enumerate() {
            match inspect(inner, seed).await {
                Ok(Some((table, zones, is_torc))) => {
                    install(inner, table, zones, is_torc);
                    return Ok(());
                }
                Ok(None) => {
                    inner.set_preferred(at);
                    return Ok(());
                }
                Err(error) => match error.kind() {
                    ErrorKind::Connection => *last = Some(error),
                    // Left alone for what was noted before.
                    ErrorKind::CircuitOpen => {}
                    // Waiting does not change it.
                    _ => return Err(error),
                },
            }
        }
        tokio::time::sleep(inner.config.retry.backoff_max.mul_f64(0.1 + 0.2 * rng::unit())).await;
    }
}

/// What a seed says; `None` if it stands alone, or is to be taken so.
async fn inspect(
    inner: &Arc<Inner>,
    node: &Arc<Node>,
) -> Result<Option<(Table, HashMap<String, String>, bool)>> {
    let config = &inner.config;
    let is_alone = config.mode == Mode::Standalone || config.database != 0;
    // A password that is refused here says nothing about clusters.
    node.acquire(Role::Serving).await?;
    if is_alone || matches!(node.address(), Address::Unix(_)) {
        return Ok(None);
    }
    match ask_table(inner, node).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::Connection => Err(error),
        Err(error) if config.mode == Mode::Cluster => {
            Err(Error::config(format!("{} is no node of a cluster: {error}", node.name())))
        }
        // A server that is no cluster's, or may not be asked.
        Err(error) if error.kind() == ErrorKind::Server && !error.is_retryable() => Ok(None),
        Err(error) if error.kind() == ErrorKind::Protocol => Ok(None),
        Err(error) => {
            Err(Error::caused(ErrorKind::Connection, Applied::No, error.to_string(), error))
        }
    }
}

/// Keeps the view fresh for as long as the client is there.
pub(super) async fn keep_fresh(inner: Weak<Inner>) {
    loop {
        let Some(strong) = inner.upgrade() else { return };
        if strong.is_closed() {
            return;
        }
        let due = lock(strong.refresh()).due();
        if due > clock::now() {
            // Nothing of the client is held while waiting, and its end wakes us.
            let wanted = strong.refresh_wanted();
            drop(strong);
            let _ = tokio::time::timeout_at(due.into(), wanted.notified()).await;
            continue;
        }
        let succeeded = again(&strong).await;
        lock(strong.refresh()).done(succeeded, clock::now(), rng::unit());
    }
}

/// Asks nodes in random order until one has a table.
async fn again(inner: &Arc<Inner>) -> bool {
    let view = inner.view.load_full();
    let mut nodes: Vec<Arc<Node>> = view.nodes.clone();
    let seeds = inner.config.seeds.iter().map(|seed| inner.node_at(seed.clone()));
    let turn = rng::below(nodes.len().max(1));
    if !nodes.is_empty() {
        nodes.rotate_left(turn);
    }
    // Those that are well first, the seeds last: their names may lead to new addresses.
    nodes.sort_by_key(|node| !node.is_well());
    for node in nodes.into_iter().chain(seeds) {
        if inner.is_closed() {
            return false;
        }
        if let Ok((table, zones, is_torc)) = ask_table(inner, &node).await {
            install(inner, table, zones, is_torc);
            return true;
        }
    }
    false
}

/// CLUSTER SLOTS, and what Torc says beyond it.
async fn ask_table(
    inner: &Arc<Inner>,
    node: &Arc<Node>,
) -> Result<(Table, HashMap<String, String>, bool)> {
    let slots = ask(inner, node, &[b"CLUSTER", b"SLOTS"]).await?;
    let host = match node.address() {
        Address::Tcp(host, _) => host.as_str(),
        Address::Unix(_) => "",
    };
    let table = parse_slots(slots, host).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, Applied::No, "CLUSTER SLOTS names no node")
    })?;
    // Zones are said together with the rest, by servers that have them.
    let status = ask(inner, node, &[b"TORC", b"STATUS"]).await;
    let is_torc = status.is_ok();
    let zones = status.map(|status| parse_zones(&status)).unwrap_or_default();
    Ok((table, zones, is_torc))
}

/// Whether `node` keeps the versions of sessions (CLIENT TOKEN). A cluster has said so with its table. Without one it is asked when the first session needs it, and
/// until it has answered.
///
/// # Errors
/// It does not answer. Nothing else was asked of it.
pub(super) async fn keeps_tokens(inner: &Arc<Inner>, node: &Arc<Node>) -> Result<bool> {
    let (is_cluster, is_torc) = {
        let view = inner.view.load();
        (view.is_cluster(), view.is_torc)
    };
    if is_cluster {
        return Ok(is_torc);
    }
    if let Some(known) = inner.lone_keeps_tokens.get() {
        return Ok(*known);
    }
    let answer = match ask(inner, node, &[b"TORC", b"STATUS"]).await {
        Ok(_) => true,
        // Another server, a node that is in no ring, or a user who may not ask.
        Err(error) if error.kind() == ErrorKind::Server && !error.is_retryable() => false,
        Err(error) => return Err(error.with_applied(Applied::No)),
    };
    Ok(*inner.lone_keeps_tokens.get_or_init(|| answer))
}

async fn ask(inner: &Arc<Inner>, node: &Arc<Node>, args: &[&[u8]]) -> Result<Value> {
    let connection = node.acquire(Role::Serving).await?;
    let mut bytes = Vec::new();
    encode_request(&mut bytes, args);
    let deadline = clock::after(clock::now(), inner.config.attempt_timeout);
    let request = Submission { parts: [&bytes, &[], &[]], replies: 1, deadline };
    let ticket = poll_fn(|cx| Poll::Ready(connection.submit(&request, cx))).await?;
    let outcome = ticket.await;
    match &outcome {
        Ok(_) => node.succeed(),
        Err(_) => node.fail(),
    }
    let value = outcome.map_err(|error| match error.kind() {
        ErrorKind::Timeout => Error::new(ErrorKind::Connection, Applied::No, error.to_string()),
        _ => error,
    })?;
    value.into_value()
}

/// Makes a table the view. Nodes that it names keep their connections; others lose them once nobody uses them.
fn install(inner: &Arc<Inner>, table: Table, zones: HashMap<String, String>, is_torc: bool) {
    let old = inner.view.load_full();
    let changed =
        old.routes.as_ref().is_none_or(|routes| routes.table != table || routes.zones != zones);
    inner.observe(&Event::TopologyRefreshed { nodes: table.nodes.len(), changed });
    if !changed {
        return;
    }
    let nodes: Vec<Arc<Node>> = table
        .nodes
        .iter()
        .map(|node| inner.node_at(Address::Tcp(node.host.clone(), node.port)))
        .collect();
    let shard = |members: &Vec<u16>| {
        members.iter().map(|&at| Arc::clone(&nodes[usize::from(at)])).collect()
    };
    let shards = table.shards.iter().map(shard).collect();
    let routes = Some(Routes { table, zones, shards });
    inner.view.store(Arc::new(View { nodes, routes, is_torc }));
}
