//! What workers want done: requests, responses, answers and effects.

use super::net::Line;
use super::node::{EPOCH_MS, node_id, number_of};
use super::world::{Event, WINDOW, World};
use std::time::Duration;
use torc_protocol::peer::request::response_flags;
use torc_protocol::peer::{Head, Kind};
use torc_server::node::core::Input;
use torc_server::node::plane::{Failure, Taking};

impl World {
    /// Carries out what a node's worker wants done.
    pub fn drain(&mut self, number: usize) {
        loop {
            let Some(node) = self.node(number) else { return };
            if let Some(answer) = node.worker.next_answer() {
                self.guest_answer(number, answer);
            } else if let Some(send) = node.worker.next_send() {
                let to = number_of(send.to);
                let line = Line { dialler: number, other: to, control: false };
                let link = self.link(line);
                if link.open[0] {
                    link.next_id += 1;
                    let id = link.next_id;
                    link.asked[0].insert(id, send.ticket);
                    let head = Head { slot: send.slot, id, ..Head::of(Kind::Request) };
                    self.post(line, number, head, &send.payload);
                } else {
                    // A breaker opens after a while; until then requests wait for the connection.
                    let life = self.seats[number].life;
                    let long = self.now - self.net.links[&line].down_since > 500_000;
                    let failure = if long { Failure::Unreachable } else { Failure::Unsent };
                    let at = self.now + 1_000 + self.rng.below(50_000);
                    self.at(at, Event::Failed { node: number, life, ticket: send.ticket, failure });
                }
            } else if let Some(response) = node.worker.next_response() {
                let to = response.link as usize;
                let line = Line { dialler: to, other: number, control: false };
                let head = Head {
                    slot: response.slot,
                    id: response.id,
                    flags: response.flags,
                    ..Head::of(Kind::Response)
                };
                if head.flags & response_flags::MORE != 0 {
                    node.worker.on_room(response.link);
                }
                self.post(line, number, head, &response.payload);
            } else if let Some(Taking { to, ticket, taken }) = node.worker.next_taking() {
                let line = Line { dialler: number, other: number_of(to), control: false };
                let asked = &mut self.link(line).asked[0];
                let id = asked.iter().find(|(_, of)| **of == ticket).map(|(&id, _)| id);
                let Some(id) = id else { continue };
                if taken.unwanted {
                    asked.remove(&id);
                }
                let mut payload = Vec::new();
                taken.encode(&mut payload).unwrap();
                self.post(line, number, Head { id, ..Head::of(Kind::Taken) }, &payload);
            } else {
                break;
            }
        }
        for other in (0..self.seats.len()).filter(|&other| other != number) {
            self.tell_effects(Line { dialler: number, other, control: false });
        }
        self.ask_standings(number);
        self.tell_news(number);
        self.schedule_worker(number);
    }

    pub fn schedule_worker(&mut self, number: usize) {
        let life = self.seats[number].life;
        let Some(node) = self.node(number) else { return };
        let Some(wake) = node.worker.next_wake() else { return };
        let wake = wake.saturating_sub(Duration::from_millis(EPOCH_MS));
        let wake = wake.as_nanos().div_ceil(1_000) as u64;
        if wake < node.worker_wake {
            node.worker_wake = wake;
            // A turn takes some time, or a worker that yields would go round in one moment for ever.
            let at = wake.max(self.now + 10);
            self.at(at, Event::Worker(number, life));
        }
    }

    pub fn tell_effects(&mut self, line: Line) {
        if line.control || !self.net.links[&line].open[0] {
            return;
        }
        while self.net.links[&line].queues[1].len() < WINDOW {
            let Some(node) = self.node(line.dialler) else { return };
            let Some(peer) = node.index_of(node_id(line.other)) else { return };
            let (bytes, fell_off) = node.read_effects(peer, 16 * 1024);
            if fell_off {
                self.core(line.dialler, Input::FellOff(node_id(line.other)));
            }
            if bytes.is_empty() {
                return;
            }
            self.post(line, line.dialler, Head::of(Kind::Effects), &bytes);
        }
    }
}
