//! What can be done to machines.

use super::net::Line;
use super::node::node_id;
use super::world::{Event, World};
use torc_server::node::core::Input;

impl World {
    /// A process ends. Its kernel says so to the peers where `clean`; else its machine is gone too.
    pub fn kill(&mut self, number: usize, clean: bool) {
        self.note(|| format!("{number} dies{}", if clean { "" } else { " with its machine" }));
        let seat = &mut self.seats[number];
        seat.node = None;
        seat.paused = false;
        seat.held.clear();
        let lines: Vec<Line> = self.net.links.keys().copied().collect();
        for line in lines {
            if line.dialler == number || line.other == number {
                let side = line.side_of(number);
                let link = self.link(line);
                if !clean {
                    link.open[side] = false;
                    link.queues[side].clear();
                }
                self.close(line, side);
            }
        }
        self.guests_lost(number);
    }

    pub fn restart(&mut self, number: usize) {
        if self.seats[number].node.is_none() {
            let start = self.start_of(number);
            self.boot(start);
        }
    }

    pub fn pause(&mut self, number: usize) {
        self.note(|| format!("{number} freezes"));
        self.seats[number].paused = true;
    }

    pub fn resume(&mut self, number: usize) {
        let seat = &mut self.seats[number];
        if !std::mem::take(&mut seat.paused) || seat.node.is_none() {
            return;
        }
        seat.paused_until = self.now;
        let life = seat.life;
        let held = std::mem::take(&mut seat.held);
        self.note(|| format!("{number} thaws"));
        self.core(number, Input::Timer);
        for (from, bytes) in held {
            self.core(number, Input::Packet { from, bytes: &bytes });
        }
        if let Some(node) = self.node(number) {
            node.worker.tick(&node.instance);
            node.worker.on_time(&node.instance);
            node.worker_wake = u64::MAX;
        }
        self.at(self.now, Event::Core(number, life));
        self.drain(number);
        for guest in 0..self.guests.len() {
            if self.guests[guest].home == number {
                self.guest_run(guest);
            }
        }
        self.drain(number);
    }

    /// A node takes another one for dead, though the links between them stay open.
    pub fn give_up(&mut self, number: usize, other: usize) {
        self.judge(number, other, false);
    }

    /// It takes it for alive again.
    pub fn take_back(&mut self, number: usize, other: usize) {
        self.judge(number, other, true);
    }

    fn judge(&mut self, number: usize, other: usize, alive: bool) {
        self.note(|| {
            format!("{number} takes {other} for {}", if alive { "alive" } else { "dead" })
        });
        if let Some(node) = self.node(number) {
            node.judge(node_id(other), alive);
            self.core(number, Input::Heard(node_id(other)));
        }
    }

    /// Sets a node's wall clock.
    pub fn set_clock(&mut self, number: usize, ahead_us: i64) {
        self.note(|| format!("the clock of {number} is {ahead_us} us ahead"));
        let seat = &mut self.seats[number];
        seat.ahead_us = ahead_us;
        if let Some(node) = &seat.node {
            node.instance.clock.set_ahead(ahead_us);
        }
        self.note_clocks();
    }

    /// Takes down how far clocks are apart.
    pub fn note_clocks(&mut self) {
        let ahead = || self.seats.iter().map(|seat| seat.ahead_us);
        let apart = ahead().max().unwrap_or(0) - ahead().min().unwrap_or(0);
        self.clocks_apart_us = self.clocks_apart_us.max(apart.unsigned_abs());
    }
}
