//! The life of links: dialled or accepted, replaced, lost, removed.
//!
//! ```text
//!   match_members ─▶ insert ─▶ tick ─▶ (dials) ─▶ lost ─▶ tick … ─▶ no member any more ─▶ remove
//!   welcome ───────▶ insert ─▶ (reads) ─────────▶ lost ─▶ remove
//! ```
//!
//! A link that this worker dials outlives its connections, as long as its peer is a living member. One that was accepted is gone with its connection.

use super::telling::{Heard, Untold};
use super::{DataLink, DataLinks, Desk, PLACE_BITS, TOKENS, replication};
use crate::cluster::NodeId;
use crate::cluster::member::MemberState;
use crate::cluster::view::MemberIndex;
use crate::net::ring::conn::{Conn, Lost};
use crate::net::ring::shared::Arrival;
use crate::node::link::{Link, Now};
use crate::node::tracks::End;
use mio::Token;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::hello::Role;

impl DataLinks {
    /// A peer's link, accepted by the control thread. It takes the place of an earlier one of the same worker of that node.
    pub(super) fn welcome(&mut self, arrival: Arrival, desk: &mut Desk<'_>) {
        let Arrival { conn, peer } = arrival;
        let Role::Data { worker } = peer.role else { return };
        let node = NodeId(peer.node);
        let is_same = |link: &Option<Box<DataLink>>| {
            link.as_ref().is_some_and(|it| it.node == node && it.of_worker == Some(worker))
        };
        if let Some(before) = self.links.iter().position(is_same) {
            self.lost(before, &Lost::Replaced, desk);
        }
        let at = self.insert(conn, node, None);
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        link.of_worker = Some(worker);
        link.is_up = true;
        match link.conn.register(desk.registry, Token(TOKENS + at)) {
            Ok(()) => self.read(at, desk),
            Err(lost) => self.lost(at, &lost, desk),
        }
    }

    /// Sees to it that there is a link to each living member and to nobody else.
    pub(super) fn match_members(&mut self, desk: &mut Desk<'_>) {
        let Some(view) = desk.instance.cluster.view() else { return };
        let identity = self.shared.identity();
        let wanted = |node: NodeId, index: MemberIndex| {
            view.member(index).is_some_and(|member| {
                let is_there = member.alive && member.state != MemberState::Left;
                member.id == node && is_there && index != view.me()
            })
        };
        let gone: Vec<usize> = self
            .links
            .iter()
            .enumerate()
            .filter_map(|(at, link)| {
                let link = link.as_ref()?;
                let index = link.index?;
                let is_ours = link.incarnation == identity.incarnation;
                (!wanted(link.node, index) || !is_ours).then_some(at)
            })
            .collect();
        for at in gone {
            self.lost(at, &Lost::NotAMember, desk);
            self.fail_waiting(at, desk);
            self.remove(at);
        }
        for (index, member) in view.members() {
            if !wanted(member.id, index)
                || self.own.contains_key(&member.id)
                || self.shared.address_of(member.id).is_none()
            {
                continue;
            }
            let link = Link::dialler(
                Arc::clone(&self.shared.config),
                Arc::clone(&identity),
                Role::Data { worker: self.worker },
                Some(member.id.0),
                self.rng.fork(),
            );
            let at = self.insert(Conn::dialler(link), member.id, Some(index));
            self.own.insert(member.id, at);
            self.tick(at, self.shared.now(), desk);
        }
    }

    /// Does what the link wants done by `now`, dialling above all.
    pub(super) fn tick(&mut self, at: usize, now: Now, desk: &mut Desk<'_>) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let mut ticked = link.conn.tick(now, &mut self.failed);
        if matches!(ticked, Ok(true)) {
            let token = Token(TOKENS + at);
            ticked = match self.shared.address_of(link.node) {
                Some(address) => link.conn.dial(address, desk.registry, token).map(|()| false),
                None => Err(Lost::Nowhere),
            };
        }
        self.report_failures(at, desk);
        match ticked {
            Ok(_) => {
                self.mark(at);
                self.settle(at);
            }
            Err(lost) => self.lost(at, &lost, desk),
        }
    }

    /// A connection is gone, and with it what the peer was told and what it told; an accepted link goes too.
    pub(super) fn lost(&mut self, at: usize, lost: &Lost, desk: &mut Desk<'_>) {
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        if link.is_up {
            tracing::debug!(node = %link.node, own = link.index.is_some(), %lost, "a data link is lost");
        }
        link.conn.lose(now, &mut self.failed);
        link.untold.lose(desk.instance);
        desk.instance.pubsub.lose_source(link.source, link.node);
        let tells = self.worker == 0 && link.index.is_some();
        if std::mem::take(&mut link.is_up)
            && let (Some(peer), Some((local, replicator))) = (link.index, replication(desk.state))
        {
            replicator.link_down(local, peer);
        }
        let (is_own, key) = (link.index.is_some(), link.key);
        desk.state.on_link_lost(desk.instance, key);
        if tells {
            self.confirm(&Heard::ALL, desk);
        }
        self.report_failures(at, desk);
        if is_own {
            self.settle(at);
        } else {
            self.remove(at);
        }
    }

    /// Gives a link its place and its key. `index`: where views have the node, if this worker dials.
    fn insert(&mut self, conn: Conn, node: NodeId, index: Option<MemberIndex>) -> usize {
        let free = self.links.iter().position(Option::is_none);
        let at = free.unwrap_or(self.links.len());
        self.links_made += 1;
        let source = self.shared.instance.pubsub.new_source();
        let end = End { node, source, is_own: index.is_some(), tells: self.worker == 0 };
        let link = Box::new(DataLink {
            conn,
            node,
            index,
            of_worker: None,
            key: self.links_made << PLACE_BITS | at as u64,
            incarnation: self.shared.identity().incarnation,
            tickets: HashMap::new(),
            told_heard: Duration::ZERO,
            lag: 0,
            wake: None,
            is_dirty: false,
            is_up: false,
            owes_room: false,
            untold: Untold::new(end),
            source,
        });
        match free {
            Some(at) => self.links[at] = Some(link),
            None => self.links.push(Some(link)),
        }
        at
    }

    /// Frees a link's place.
    fn remove(&mut self, at: usize) {
        let Some(link) = self.links.get_mut(at).and_then(Option::take) else { return };
        if let Some(wake) = link.wake {
            self.wakes.remove(&(wake, at));
        }
        if let Some(peer) = link.index {
            self.own.remove(&link.node);
            self.shared.instance.cluster.count_lag(peer, link.lag, 0);
        }
    }
}
