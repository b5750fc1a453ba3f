//! CLUSTER, READONLY, READWRITE and ASKING: the ring as cluster clients see it.
//!
//! All answers come from one view; see [`crate::cluster::render`] for their formats. Without a view the node is no part of a ring, and every
//! one of these commands says so, as a Redis does that runs without `cluster-enabled`.
//!
//! Source: the command pages of redis.io and the replies of Redis 7.0.

use super::value::help_lines;
use super::value::integer;
use super::{Ctx, Flow, Outcome};
use crate::cluster::handle::ControlRequest;
use crate::cluster::member::{Member, MemberState};
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View, render};
use std::ops::ControlFlow;
use std::sync::Arc;
use torc_protocol::command::Refusal;
use torc_protocol::slot::{Slot, slot_of};
use torc_protocol::{Args, Reply, WireError};

/// The ring as it is now.
fn view(ctx: &Ctx<'_>) -> Result<Arc<View>, WireError> {
    let disabled = WireError::fixed("ERR This instance has cluster support disabled");
    ctx.instance.cluster.view().ok_or(disabled)
}

/// The member whose name is the third word.
fn named<'v>(view: &'v View, args: &Args<'_>) -> Result<(MemberIndex, &'v Member), WireError> {
    let found = NodeId::parse(&args[2]).and_then(|id| view.find(id));
    found.ok_or_else(|| WireError::Bytes([b"ERR Unknown node ", &args[2]].concat()))
}

/// The slot that an argument names; `None` where there is none of that number.
fn slot(argument: &[u8]) -> Result<Option<Slot>, WireError> {
    Ok(u16::try_from(integer(argument)?).ok().and_then(Slot::new))
}

/// `CLUSTER SLOTS`
pub fn slots(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.raw(view(ctx)?.slots_reply(reply.protocol(), ctx.session.transport));
    Ok(Flow::Next)
}

/// `CLUSTER SHARDS`
pub fn shards(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.raw(view(ctx)?.shards_reply(reply.protocol()));
    Ok(Flow::Next)
}

/// `CLUSTER NODES`
pub fn nodes(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.verbatim(*b"txt", view(ctx)?.nodes_text(ctx.session.transport).as_bytes());
    Ok(Flow::Next)
}

/// `CLUSTER INFO`
pub fn info(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let text = render::info(&*view(ctx)?, ctx.instance.cluster.bus_counts());
    reply.verbatim(*b"txt", text.as_bytes());
    Ok(Flow::Next)
}

/// `CLUSTER LINKS`
pub fn links(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    render::links(&ctx.instance.cluster.links(), reply);
    Ok(Flow::Next)
}

/// `CLUSTER MYID`
pub fn myid(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(view(ctx)?.my_id().text().as_bytes());
    Ok(Flow::Next)
}

/// `CLUSTER MYSHARDID`
pub fn myshardid(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(view(ctx)?.my_id().shard_text().as_bytes());
    Ok(Flow::Next)
}

/// `CLUSTER KEYSLOT key`
pub fn keyslot(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    reply.integer(slot_of(&args[2]).index() as i64);
    Ok(Flow::Next)
}

/// `CLUSTER COUNTKEYSINSLOT slot`
pub fn countkeysinslot(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    let slot = slot(&args[2])?.ok_or(WireError::fixed("ERR Invalid slot"))?;
    let mut count = 0;
    ctx.keyspace().walk_slot(slot, |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    reply.integer(count);
    Ok(Flow::Next)
}

/// `CLUSTER GETKEYSINSLOT slot count`
pub fn getkeysinslot(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    let (slot, count) = (slot(&args[2])?, integer(&args[3])?);
    let invalid = WireError::fixed("ERR Invalid slot or number of keys");
    let (Some(slot), Ok(count)) = (slot, usize::try_from(count)) else { return Err(invalid) };
    let mut found = Vec::new();
    if count > 0 {
        ctx.keyspace().walk_slot(slot, |entry| {
            found.push(entry);
            if found.len() < count { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    reply.array(found.len());
    found.into_iter().for_each(|entry| reply.bulk(entry.key()));
    Ok(Flow::Next)
}

/// `CLUSTER COUNT-FAILURE-REPORTS node-id`
///
/// Redis counts the nodes that report another as failing. Here a node is dead once the ring agrees on it, so there is one report or none.
pub fn count_failure_reports(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let view = view(ctx)?;
    let (_, member) = named(&view, &args)?;
    reply.integer(i64::from(!member.alive));
    Ok(Flow::Next)
}

/// `CLUSTER REPLICAS node-id`, and SLAVES
pub fn replicas(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    named(&*view(ctx)?, &args)?;
    reply.array(0);
    Ok(Flow::Next)
}

/// `CLUSTER FORGET node-id`
///
/// Answers when the control thread has the order, which it carries out and tells the other nodes. A living node cannot be forgotten: it
/// would be back with its next packet.
pub fn forget(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let view = view(ctx)?;
    let (index, member) = named(&view, &args)?;
    if index == view.me() {
        return Err(WireError::fixed("ERR I tried hard but I can't forget myself..."));
    }
    if member.alive && member.state != MemberState::Left {
        return Err(WireError::fixed(
            "ERR The node is alive: make it leave instead, with SHUTDOWN or 'torc leave'",
        ));
    }
    let order = ControlRequest::Forget(member.id);
    ctx.instance.cluster.request(order).map_err(|busy| WireError::err(&busy.to_string()))?;
    reply.ok();
    Ok(Flow::Next)
}

/// The subcommands by which Redis's operators move slots and appoint replicas.
pub fn refused(ctx: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    Err(Refusal::Slots.error())
}

/// `READONLY`
pub fn readonly(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_reads_copies(ctx, true, reply)
}

/// `READWRITE`
pub fn readwrite(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_reads_copies(ctx, false, reply)
}

fn set_reads_copies(ctx: &mut Ctx<'_>, on: bool, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    ctx.session.reads_copies = on;
    reply.ok();
    Ok(Flow::Next)
}

/// `ASKING`
///
/// No node answers ASK: while a slot moves, the node that gives it away forwards. Clients may send this all the same.
pub fn asking(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    reply.ok();
    Ok(Flow::Next)
}

/// `CLUSTER HELP`
pub fn help(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    view(ctx)?;
    help_lines(
        reply,
        &[
            "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "COUNT-FAILURE-REPORTS <node-id>",
            "    1 for a node that this node takes for dead, else 0.",
            "COUNTKEYSINSLOT <slot>",
            "    Number of keys that this node has in a slot.",
            "FORGET <node-id>",
            "    Leave a dead node out of the ring for good.",
            "GETKEYSINSLOT <slot> <count>",
            "    Keys that this node has in a slot.",
            "INFO",
            "    State of the ring.",
            "KEYSLOT <key>",
            "    Slot of a key.",
            "LINKS",
            "    Links to the other nodes.",
            "MYID",
            "    Name of this node.",
            "MYSHARDID",
            "    Name of the shard that this node leads.",
            "NODES",
            "    A line for each node:",
            "    <id> <ip:port@peer-port> <flags> - <ping> <pong> <epoch> <link> <slot> ...",
            "REPLICAS <node-id>",
            "    Replicas of a node: none, for each node leads some slots and copies others.",
            "SHARDS",
            "    Nodes with the slots that each serves.",
            "SLOTS",
            "    Ranges of slots with the nodes that keep each, the one that serves it first.",
            "HELP",
            "    These lines.",
        ],
    )
}

#[cfg(test)]
mod tests;
