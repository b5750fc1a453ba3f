//! Links: they are dialled, carry frames and break.

use super::net::{DEAD_US, Line, Link, Message};
use super::node::node_id;
use super::sabotage::{Fate, Sabotage};
use super::world::{Event, WINDOW, World};
use std::time::Duration;
use torc_protocol::peer::frame::{self, Decoded};
use torc_protocol::peer::request::response_flags;
use torc_protocol::peer::{Head, Kind, Limits};
use torc_server::node::core::Input;
use torc_server::node::plane::Failure;

impl World {
    pub fn link(&mut self, line: Line) -> &mut Link {
        self.net.links.get_mut(&line).unwrap()
    }

    /// Sends a frame from `from` over a link; it is lost where the link is not open.
    pub fn post(&mut self, line: Line, from: usize, head: Head, payload: &[u8]) {
        let side = line.side_of(from);
        if !self.link(line).open[side] {
            return;
        }
        let mut bytes = Vec::new();
        frame::encode(head, &mut bytes, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
        .unwrap();
        let at = self.now + self.latency();
        let link = self.link(line);
        let queue = &mut link.queues[1 - side];
        let due = queue.back().map_or(at, |last| at.max(last.due));
        queue.push_back(Message { due, bytes });
        let life = link.life;
        self.at(due, Event::Deliver(line, 1 - side, life));
    }

    pub fn deliver(&mut self, line: Line, side: usize, life: u64) {
        let (from, to) = (line.end(1 - side), line.end(side));
        let link = &self.net.links[&line];
        if link.life != life || link.queues[side].front().is_none_or(|it| it.due > self.now) {
            return;
        }
        if self.net.is_cut(from, to) || self.seats[to].paused {
            // TCP sends again; nothing is lost while the link lives.
            self.at(self.now + 20_000, Event::Deliver(line, side, life));
            return;
        }
        let lags_until = self.net.lags_until(line);
        if lags_until > self.now {
            self.at(lags_until, Event::Deliver(line, side, life));
            return;
        }
        let now = self.now;
        let link = self.link(line);
        let Some(message) = link.queues[side].pop_front() else { return };
        if !link.open[side] {
            // The machine has started anew and knows nothing of the connection, which its kernel says.
            if self.is_running(to) && !self.net.is_cut(to, from) {
                let at = self.now + self.latency();
                self.at(at, Event::Closed(line, 1 - side, life));
            }
            return;
        }
        link.heard[side] = now;
        self.arrive(line, side, &message.bytes);
        // Effects that waited for room.
        if self.net.links[&line].queues[side].len() == WINDOW - 1 {
            self.tell_effects(line);
        }
    }

    pub fn arrive(&mut self, line: Line, side: usize, bytes: &[u8]) {
        let (from, to) = (line.end(1 - side), line.end(side));
        let limits = Limits::established(512 << 20);
        let Ok(Decoded::Frame(frame)) = frame::decode(bytes, &mut 0, &limits) else {
            panic!("not a frame: {}", bytes.escape_ascii());
        };
        let (header, payload) = (frame.header, frame.payload);
        let Some(kind) = header.kind else { return };
        if self.trace
            && let Some(slot) = self.traced
        {
            super::trace::frame(self.now, (from, to), &frame, slot);
        }
        self.sum = self.sum.wrapping_mul(31).wrapping_add(self.now ^ bytes.len() as u64);
        if line.control {
            let input = Input::Frame { from: node_id(from), kind, slot: header.slot, payload };
            return self.core(to, input);
        }
        match kind {
            Kind::Request => {
                if let Some(node) = self.node(to) {
                    let (id, slot) = (header.id, header.slot);
                    node.worker.on_request(&node.instance, from as u64, id, slot, payload);
                    self.drain(to);
                }
            }
            Kind::Response if header.flags & response_flags::MORE != 0 => {
                if let Some(&ticket) = self.link(line).asked[side].get(&header.id)
                    && let Some(node) = self.node(to)
                {
                    node.worker.on_response_part(&node.instance, ticket, payload);
                }
            }
            Kind::Response => {
                if let Some(ticket) = self.link(line).asked[side].remove(&header.id)
                    && let Some(node) = self.node(to)
                {
                    node.worker.on_response(&node.instance, ticket, header.flags, payload);
                    self.drain(to);
                }
            }
            Kind::Taken => {
                if let Some(node) = self.node(to) {
                    let (link, id) = (from as u64, header.id);
                    assert!(node.worker.on_taken(&node.instance, link, id, payload));
                    self.drain(to);
                }
            }
            Kind::Question | Kind::Standing => self.standing(line, (from, to), header, payload),
            Kind::Effects => self.effects(line, payload, true),
            Kind::Ack => {
                if let Some(node) = self.node(to)
                    && let Some(peer) = node.index_of(node_id(from))
                {
                    let waiters = node.replicator().receive_acks(peer, payload).unwrap();
                    node.acked(waiters);
                    self.drain(to);
                }
            }
            _ => {}
        }
    }

    /// Effects that came over a data link are applied by the other end, which acknowledges them.
    pub fn effects(&mut self, line: Line, payload: &[u8], fresh: bool) {
        let to = line.other;
        let mut payload = payload.to_vec();
        if fresh && let Some(sabotage) = self.setup.sabotage {
            match sabotage.effects(self, line, &mut payload) {
                Fate::Apply => {}
                Fate::Acked(acks) => {
                    return self.post(line, to, Head::of(Kind::Ack), &acks);
                }
            }
        }
        let Some(node) = self.node(to) else { return };
        let acks = node.receive_effects(&payload);
        if !acks.is_empty() {
            self.post(line, to, Head::of(Kind::Ack), &acks);
        }
        self.drain(to);
    }

    pub fn dial(&mut self, line: Line) {
        let wait = 100_000 + self.rng.below(100_000);
        self.at(self.now + wait, Event::Dial(line));
        let (a, b) = (line.dialler, line.other);
        let reachable = !self.net.is_cut(a, b) && !self.net.is_cut(b, a);
        let knows = |world: &World, a: usize, b: usize| {
            world.seats[a]
                .node
                .as_ref()
                .is_some_and(|node| node.view().find(node_id(b)).is_some() && !node.left)
        };
        let wanted = knows(self, a, b) || (line.control && knows(self, b, a));
        if !self.net.links[&line].is_down()
            || self.net.links[&line].barred_until > self.now
            || !reachable
            || !self.is_running(a)
            || !self.is_running(b)
            || !wanted
        {
            return;
        }
        let life = {
            let link = self.link(line);
            link.life += 1;
            link.life
        };
        let at = self.now + 500 + self.rng.below(2_000);
        self.at(at, Event::Opened(line, life));
    }

    pub fn opened(&mut self, line: Line, life: u64) {
        let now = self.now;
        let (a, b) = (line.dialler, line.other);
        let reachable = !self.net.is_cut(a, b) && !self.net.is_cut(b, a);
        if self.net.links[&line].life != life
            || !reachable
            || !self.is_running(a)
            || !self.is_running(b)
        {
            return;
        }
        let link = self.link(line);
        link.open = [true, true];
        link.queues = Default::default();
        link.news = Default::default();
        link.asked = Default::default();
        link.heard = [now, now];
        self.note(|| format!("{line:?} opens"));
        if line.control {
            self.core(a, Input::LinkUp(node_id(b)));
            self.core(b, Input::LinkUp(node_id(a)));
        } else if let Some(node) = self.node(a)
            && let Some(peer) = node.index_of(node_id(b))
        {
            node.link_up(peer);
            self.core(a, Input::DataLinkUp(node_id(b)));
        }
        if !line.control {
            for side in [0, 1] {
                self.turn_end(line, side, true);
                self.tell_news(line.end(side));
            }
        }
    }

    /// One side closes a link, and the other hears of it if it can.
    pub fn close(&mut self, line: Line, side: usize) {
        let now = self.now;
        let link = self.link(line);
        if !std::mem::take(&mut link.open[side]) {
            return;
        }
        link.queues[side].clear();
        link.news[side].clear();
        link.down_since = now;
        let tickets: Vec<u64> = std::mem::take(&mut link.asked[side]).into_values().collect();
        let (life, other_open) = (link.life, link.open[1 - side]);
        let (me, other) = (line.end(side), line.end(1 - side));
        self.note(|| format!("{line:?} closes at {me}"));
        if !line.control {
            self.turn_end(line, side, false);
        }
        if other_open && !self.net.is_cut(me, other) && !self.seats[other].paused {
            let at = self.now + self.latency();
            self.at(at, Event::Closed(line, 1 - side, life));
        }
        if self.seats[me].node.is_none() {
            return;
        }
        if line.control {
            return self.core(me, Input::LinkDown(node_id(other)));
        }
        let retried = self.setup.sabotage == Some(Sabotage::SendTwice);
        if let Some(node) = self.node(me) {
            if side == 0
                && let Some(peer) = node.index_of(node_id(other))
            {
                node.link_down(peer);
            }
            for ticket in tickets {
                let failure = if retried { Failure::Unsent } else { Failure::Lost };
                node.worker.on_failure(&node.instance, ticket, failure);
            }
            self.drain(me);
        }
    }

    /// Keepalives.
    pub fn check_link(&mut self, line: Line) {
        self.at(self.now + 250_000, Event::Check(line));
        for side in [0, 1] {
            let (me, other) = (line.end(side), line.end(1 - side));
            let link = &self.net.links[&line];
            let heard =
                link.open[1 - side] && !self.net.is_cut(other, me) && self.is_running(other);
            let (open, last, now) = (link.open[side], link.heard[side], self.now);
            if !open || !self.is_running(me) {
                continue;
            }
            if heard {
                self.link(line).heard[side] = now;
                if !line.control && self.rng.below(4) == 0 {
                    self.core(me, Input::Heard(node_id(other)));
                }
                if line.control {
                    let offset_us = self.seats[other].ahead_us - self.seats[me].ahead_us;
                    let round_trip = Duration::from_micros(2 * self.net.latency_us);
                    self.core(me, Input::Clock { node: node_id(other), round_trip, offset_us });
                }
            } else if now - last > DEAD_US {
                self.close(line, side);
            }
        }
    }
}
