//! TORC: what Redis has no command for.
//!
//! STATUS answers lines of words, `name:value` each, after a word that says what the line is about: for `torc status`, and plain enough for people.

use super::value::help_lines;
use super::{Ctx, Flow, Outcome};
use crate::cluster::View;
use crate::cluster::handle::ControlRequest;
use crate::cluster::health::Health;
use std::fmt::Write as _;
use torc_protocol::{Args, Reply, WireError};

const NO_RING: WireError = WireError::fixed("ERR This node is not part of a ring");

/// `TORC STATUS`
pub fn status(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let view = ctx.instance.cluster.view().ok_or(NO_RING)?;
    let lag = |index| ctx.instance.cluster.lag(index);
    reply.verbatim(*b"txt", text(&view, lag).as_bytes());
    Ok(Flow::Next)
}

fn text(view: &View, lag: impl Fn(crate::cluster::view::MemberIndex) -> u64) -> String {
    let mut out = String::new();
    let health = Health::of(view);
    let moving = view.transition().and_then(|(subject, _)| view.member(subject));
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "ring me:{} view:{} copies:{} moving:{}",
        view.my_id(),
        view.version(),
        view.copies(),
        moving.map_or_else(String::new, |member| member.id.text()),
    );
    let Health { full, short, none, .. } = health;
    let _ = writeln!(out, "slots full:{full} short:{short} none:{none}");
    for (index, member) in view.members() {
        let _ = writeln!(
            out,
            "node id:{} host:{} port:{} cluster_port:{} peer_port:{} tls_port:{} tls_cluster_port:{} zone:{} weight:{} state:{} alive:{} ready:{} serves:{} keeps:{} lag:{}",
            member.id,
            member.host,
            member.port,
            member.cluster_port,
            member.peer_port,
            member.tls_port,
            member.tls_cluster_port,
            // A space would end the word.
            member.zone.replace(char::is_whitespace, "_"),
            member.weight,
            member.state.name(),
            if member.alive { "yes" } else { "no" },
            if member.ready { "yes" } else { "no" },
            health.serves(index),
            health.keeps(index),
            lag(index),
        );
    }
    out
}

/// `TORC LEAVE`
///
/// Answers once the control thread has the order. The node goes on serving until its keys are handed over.
pub fn leave(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let cluster = &ctx.instance.cluster;
    if !cluster.is_enabled() {
        return Err(NO_RING);
    }
    let order = cluster.request(ControlRequest::Leave);
    order.map_err(|busy| WireError::err(&busy.to_string()))?;
    reply.ok();
    Ok(Flow::Next)
}

/// `TORC HELP`
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(
        reply,
        &[
            "TORC <subcommand>. Subcommands are:",
            "LEAVE",
            "    Have this node hand its keys over to others and stop.",
            "STATUS",
            "    How the ring stands, one line for each node.",
            "HELP",
            "    These lines.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;
    use crate::cluster::member::Member;

    fn member(id: u64, alive: bool) -> Member {
        let member = Member::on_loopback(NodeId(id), id as u16);
        Member { zone: "a b".into(), alive, ..member }
    }

    #[test]
    fn every_line_is_words() {
        let view =
            View::build(vec![member(1, true), member(2, true), member(3, false)], NodeId(1), 3);
        let text = text(&view, |index| u64::from(index.0));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[1], "slots full:0 short:16384 none:0");
        assert!(lines[4].contains(" zone:a_b ") && lines[4].contains(" alive:no "), "{text}");
        assert!(lines[4].contains(" serves:0 keeps:16384 "), "{text}");
        let is_pair = |word: &str| word.contains(':');
        assert!(lines.iter().all(|line| line.split(' ').skip(1).all(is_pair)), "{text}");
    }
}
