//! What control planes want done, and the datagrams of gossip.

use super::net::Line;
use super::node::{EPOCH_MS, address, number_of};
use super::world::{Event, World};
use std::net::SocketAddr;
use std::time::Duration;
use torc_protocol::peer::{Head, Kind};
use torc_protocol::slot::Slot;
use torc_server::cluster::membership::Event as News;
use torc_server::node::core::{Input, Output};

impl World {
    pub fn core(&mut self, number: usize, input: Input<'_>) {
        let Some(node) = self.node(number) else { return };
        let outputs = node.handle(input);
        let life = self.seats[number].life;
        let mut drain = false;
        for output in outputs {
            match output {
                Output::Packet { to, bytes } => self.send_datagram(number, to, bytes),
                Output::Frame { to, kind, slot, payload } => {
                    self.control_frame(number, number_of(to), kind, slot, payload);
                }
                Output::WakeAt(at) => {
                    let at =
                        (at - Duration::from_millis(EPOCH_MS)).as_nanos().div_ceil(1_000) as u64;
                    if let Some(node) = self.node(number) {
                        node.core_wake = at;
                    }
                    self.at(at, Event::Core(number, life));
                }
                Output::Resolve(seed) => {
                    self.at(self.now + 1_000, Event::Resolve { node: number, life, seed });
                }
                Output::ViewChanged => {}
                Output::RoutesChanged => drain = true,
                Output::Placed(placed) => self.seats[number].placed = placed,
                Output::Left => {
                    self.note(|| format!("{number} has left"));
                    self.look_at_leaver(number);
                    self.seats[number].gone = true;
                    if let Some(node) = self.node(number) {
                        node.left = true;
                    }
                    self.at(self.now + 500_000, Event::Stop(number, life));
                }
                Output::Notice(event) => {
                    self.note(|| format!("{number} notices {event:?}"));
                    if let News::TagTaken(_) = event {
                        self.at(self.now + 1_000, Event::Stop(number, life));
                        self.at(self.now + 100_000, Event::Restart(number, life));
                    }
                }
            }
        }
        if drain {
            if let Some(node) = self.node(number) {
                node.worker.on_time(&node.instance);
            }
            self.drain(number);
        }
    }

    pub fn control_frame(
        &mut self,
        from: usize,
        to: usize,
        kind: Kind,
        slot: Option<Slot>,
        mut payload: Vec<u8>,
    ) {
        if let Some(sabotage) = self.setup.sabotage
            && !sabotage.control(self, (from, to), (kind, slot), &mut payload)
        {
            return;
        }
        let line = Line { dialler: from.min(to), other: from.max(to), control: true };
        self.post(line, from, Head { slot, ..Head::of(kind) }, &payload);
    }

    pub fn latency(&mut self) -> u64 {
        let usual = 100 + self.rng.below(self.net.latency_us);
        // Now and then something is much later than the rest.
        if self.rng.below(200) == 0 { usual + self.rng.below(30_000) } else { usual }
    }

    pub fn send_datagram(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        if self.rng.below(1_000) < self.net.loss {
            return;
        }
        let copies = 1 + u64::from(self.rng.below(1_000) < self.net.doubled);
        for _ in 0..copies {
            let at = self.now + self.latency();
            self.at(at, Event::Datagram { from, to, bytes: bytes.clone() });
        }
    }

    pub fn datagram(&mut self, from: usize, to: SocketAddr, bytes: Vec<u8>) {
        let Some(number) = (0..self.seats.len()).find(|&n| address(n) == to) else { return };
        if self.net.is_cut(from, number) {
            return;
        }
        let seat = &mut self.seats[number];
        if seat.paused && seat.held.len() < 300 {
            seat.held.push((address(from), bytes));
        } else {
            self.core(number, Input::Packet { from: address(from), bytes: &bytes });
        }
    }
}
