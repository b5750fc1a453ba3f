//! The control thread's links: made, accepted, read, lost.

use super::super::conn::{Conn, Lost};
use super::super::shared::Arrival;
use super::{
    BACKLOG_BYTES_FULL, BACKLOG_BYTES_MAX, Control, ControlLink, LINKS, STRANGERS_MAX, TCP, handle,
    moment,
};
use crate::base::rng;
use crate::cluster::NodeId;
use crate::cluster::member::MemberState;
use crate::node::core::Input;
use crate::node::link::{ClockSample, Event, Failed, Link, NoEffects, Now};
use mio::Token;
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::hello::{Reason, Role};
use torc_protocol::peer::{Class, Frame, Head};

impl Control {
    pub(super) fn send_frame(&mut self, to: NodeId, head: Head, payload: Vec<u8>) {
        let Some(&at) = self.up.get(&to) else { return };
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        self.shared.instance.cluster.count_bus(1, 0);
        let is_sync = head.kind.class() == Class::Sync;
        if is_sync && (!link.backlog.is_empty() || !link.conn.link.has_room(Class::Sync)) {
            if link.backlog_bytes <= BACKLOG_BYTES_MAX {
                link.backlog_bytes += payload.len();
                link.backlog.push_back((head, payload));
            }
            return;
        }
        push(&mut link.conn.link, head, &payload);
    }

    /// Sends what links have to send.
    pub(super) fn flush(&mut self) {
        let now = self.shared.now();
        for at in 0..self.links.len() {
            let Some(link) = &mut self.links[at] else { continue };
            let flushed = loop {
                let flushed = link.conn.flush(now, &mut NoEffects);
                if flushed.is_err() || link.backlog.is_empty() || !feed(link) {
                    break flushed;
                }
            };
            match flushed {
                Ok(()) => self.settle(at),
                Err(lost) => self.lost(at, &lost),
            }
            self.say_clogged(at);
        }
    }

    /// Tells the core when a link's backlog became full, and when it has room again.
    pub(super) fn say_clogged(&mut self, at: usize) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let is_full = link.backlog_bytes >= BACKLOG_BYTES_FULL;
        let Some(node) = link.node.filter(|_| link.is_up && is_full != link.is_clogged) else {
            return;
        };
        link.is_clogged = is_full;
        self.step(Input::Clogged(node, is_full));
    }

    pub(super) fn settle(&mut self, at: usize) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        link.wake = link.conn.link.next_wake();
        if link.conn.has_more() {
            self.want_more(LINKS + at);
        }
    }

    pub(super) fn on_link_event(&mut self, at: usize, event: &mio::event::Event) {
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        match link.conn.on_event(event, now) {
            Ok(()) => self.read(at),
            Err(lost) => self.lost(at, &lost),
        }
    }

    pub(super) fn tick(&mut self, at: usize, now: Now) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let mut failed: Vec<Failed> = Vec::new();
        let mut ticked = link.conn.tick(now, &mut failed);
        if matches!(ticked, Ok(true)) {
            let address = link.node.and_then(|node| self.shared.address_of(node));
            ticked = match address {
                Some(address) => {
                    let token = Token(LINKS + at);
                    link.conn.dial(address, self.poll.registry(), token).map(|()| false)
                }
                None => Err(Lost::Nowhere),
            };
        }
        match ticked {
            Ok(_) => self.settle(at),
            Err(lost) => self.lost(at, &lost),
        }
    }

    pub(super) fn read(&mut self, at: usize) {
        let now = self.shared.now();
        let mut buffer = std::mem::take(&mut self.buffer);
        let Control { links, core, shared, out, up, .. } = self;
        let Some(Some(link)) = links.get_mut(at) else {
            self.buffer = buffer;
            return;
        };
        let mut data = None;
        let mut replaced = None;
        let (node, is_up, since_ms) = (&mut link.node, &mut link.is_up, &mut link.since_ms);
        let received = link.conn.receive(&mut buffer, now, &**shared, &mut |link, event| {
            match event {
                Event::Open(peer) if matches!(peer.role, Role::Data { .. }) => {
                    data = Some(peer);
                    return ControlFlow::Break(());
                }
                Event::Open(peer) => {
                    let id = NodeId(peer.node);
                    (*node, *is_up) = (Some(id), true);
                    *since_ms = shared.instance.clock.unix_ms();
                    if let Some(before) = up.insert(id, at).filter(|&before| before != at) {
                        replaced = Some(before);
                        handle(core, Input::LinkDown(id), shared, out);
                    }
                    handle(core, Input::LinkUp(id), shared, out);
                }
                Event::Frame(Frame { header, payload }) => {
                    shared.instance.cluster.count_bus(0, 1);
                    if let (Some(from), Some(kind)) = (*node, header.kind) {
                        let slot = header.slot;
                        let input = Input::Frame { from, kind, slot, payload };
                        handle(core, input, shared, out);
                    }
                    if header.class == Class::Sync {
                        link.consumed(header.frame_bytes());
                    }
                }
                Event::Clock(ClockSample { round_trip, offset_us }) => {
                    if let Some(node) = *node {
                        let input = Input::Clock { node, round_trip, offset_us };
                        core.handle(input, moment(shared), out);
                    }
                }
                Event::Response(_) => {}
            }
            ControlFlow::Continue(())
        });
        self.buffer = buffer;
        if let Some(before) = replaced {
            // Its place in `up` is taken already, so nobody is told of its end.
            self.lost(before, &Lost::Replaced);
        }
        match (received, data) {
            (Ok(()), Some(peer)) => self.hand_over(at, peer),
            (Ok(()), None) => self.settle(at),
            (Err(lost), _) => self.lost(at, &lost),
        }
        self.carry_out();
    }

    /// Gives a peer's data link to a worker.
    pub(super) fn hand_over(&mut self, at: usize, peer: crate::node::link::Peer) {
        let Some(mut link) = self.links.get_mut(at).and_then(Option::take) else { return };
        if let Err(lost) = link.conn.deregister(self.poll.registry()) {
            tracing::debug!(%lost, "a data link is lost");
            return;
        }
        self.deliveries += 1;
        let arrival = Arrival { conn: link.conn, peer };
        if let Err(mut arrival) = self.shared.deliver(arrival, self.deliveries) {
            let _ = arrival.conn.link.refuse(Reason::Unavailable, "no worker has room");
            arrival.conn.lose(self.shared.now(), &mut Vec::new());
        }
    }

    /// A connection is gone.
    pub(super) fn lost(&mut self, at: usize, lost: &Lost) {
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let node = link.node;
        if lost.is_misfit() {
            let what = lost.to_string();
            if self.is_news(what) {
                let node = node.map(|node| node.text());
                tracing::warn!(node, reason = %lost, "no link to a node");
            }
        } else {
            let node = node.map(|node| node.text());
            tracing::debug!(node, %lost, up = link.is_up, "a control link is lost");
        }
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        // Requests go over data links, so none fails here.
        link.conn.lose(now, &mut Vec::new());
        link.backlog.clear();
        link.backlog_bytes = 0;
        link.is_clogged = false;
        let was_up = std::mem::take(&mut link.is_up);
        link.wake = link.conn.link.next_wake();
        if !link.is_own {
            self.links[at] = None;
        }
        if let Some(node) = node
            && was_up
            && self.up.get(&node) == Some(&at)
        {
            self.up.remove(&node);
            self.step(Input::LinkDown(node));
        }
    }

    pub(super) fn accept(&mut self, index: usize) {
        loop {
            let Some(listener) = self.sockets.tcp.get(index) else { return };
            match listener.accept() {
                Ok((stream, from)) => {
                    let strangers = self.links.iter().flatten().filter(|it| !it.is_up).count();
                    if strangers >= STRANGERS_MAX {
                        tracing::debug!(%from, "too many connections have not said who they are");
                        continue;
                    }
                    let link = Link::acceptor(
                        Arc::clone(&self.shared.config),
                        self.shared.identity(),
                        rng::challenge(),
                        self.rng.fork(),
                        self.shared.now(),
                    );
                    let at = self.insert(Conn::acceptor(link, stream), None);
                    self.register(at);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a peer");
                    return self.want_more(TCP + index);
                }
            }
        }
    }

    pub(super) fn register(&mut self, at: usize) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        match link.conn.register(self.poll.registry(), Token(LINKS + at)) {
            Ok(()) => self.settle(at),
            Err(lost) => self.lost(at, &lost),
        }
    }

    pub(super) fn insert(&mut self, conn: Conn, node: Option<NodeId>) -> usize {
        let link = Box::new(ControlLink {
            conn,
            node,
            is_own: node.is_some(),
            is_up: false,
            since_ms: 0,
            wake: Some(Duration::ZERO),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            is_clogged: false,
        });
        match self.links.iter().position(Option::is_none) {
            Some(at) => {
                self.links[at] = Some(link);
                at
            }
            None => {
                self.links.push(Some(link));
                self.links.len() - 1
            }
        }
    }

    // --- Members --------------------------------------------------------------------------------------------------------

    /// Sees to it that links lead to living members whom this node is to dial, and that all threads know where members are.
    pub(super) fn match_members(&mut self) {
        let Some(view) = self.shared.instance.cluster.view() else { return };
        self.renew_directory(&view);
        self.remember_peers(&view);
        let incarnation = self.shared.identity().incarnation;
        if let Some(me) = view.member(view.me())
            && me.incarnation != incarnation
        {
            self.shared.set_incarnation(me.incarnation);
        }
        let me = view.my_id();
        let wanted = |id: NodeId| {
            let found = view.find(id);
            id > me && found.is_some_and(|(_, it)| it.alive && it.state != MemberState::Left)
        };
        let gone: Vec<NodeId> = self.own.keys().copied().filter(|&id| !wanted(id)).collect();
        for id in gone {
            let Some(at) = self.own.remove(&id) else { continue };
            self.lost(at, &Lost::NotAMember);
            self.links[at] = None;
        }
        let missing: Vec<NodeId> = view
            .members()
            .map(|(_, member)| member.id)
            .filter(|&id| wanted(id) && !self.own.contains_key(&id))
            .collect();
        for id in missing {
            let link = Link::dialler(
                Arc::clone(&self.shared.config),
                self.shared.identity(),
                Role::Control,
                Some(id.0),
                self.rng.fork(),
            );
            let at = self.insert(Conn::dialler(link), Some(id));
            self.own.insert(id, at);
        }
    }
}

fn push(link: &mut Link, head: Head, payload: &[u8]) {
    let sent = link.send(head, |out| out.extend_from_slice(payload));
    if let Err(error) = sent {
        // Whatever is lost here is sent again by its own timer.
        tracing::debug!(kind = ?head.kind, ?error, "a frame is dropped");
    }
}

/// Gives the link of its backlog what it has room for. Returns whether that was anything.
fn feed(link: &mut ControlLink) -> bool {
    let mut any = false;
    while link.conn.link.has_room(Class::Sync)
        && let Some((head, payload)) = link.backlog.pop_front()
    {
        link.backlog_bytes -= payload.len();
        push(&mut link.conn.link, head, &payload);
        any = true;
    }
    any
}
