//! What happens to a world: kinds of trouble, and when they strike.

use super::guest::Iteration;
use super::history::{Ask, Outcome};
use super::net::Line;
use super::sabotage::Sabotage;
use super::world::{Event, SECOND, Setup, World};
use torc_server::base::limits::TAG_RETENTION;
use torc_server::base::rng::Rng;
use torc_server::node::core::Input;

/// What may strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Datagrams are lost, doubled and late, links break now and then; every node runs.
    Calm,
    /// Nodes join and leave.
    Moves,
    /// One node at a time dies and comes back with nothing.
    Crash,
    /// Nodes are cut off, freeze, and have their clocks set.
    Split,
    /// All of it at once.
    Storm,
}

impl Trouble {
    pub const ALL: [Trouble; 5] =
        [Trouble::Calm, Trouble::Moves, Trouble::Crash, Trouble::Split, Trouble::Storm];

    pub fn of(seed: u64) -> Trouble {
        Trouble::ALL[(seed % 5) as usize]
    }

    /// Whether each slot has one server at any time, and operations on a key have one order.
    pub fn is_stable(self) -> bool {
        matches!(self, Trouble::Calm | Trouble::Moves)
    }

    /// Whether a node may lose what it alone has.
    pub fn forgets(self) -> bool {
        matches!(self, Trouble::Crash | Trouble::Storm)
    }
}

/// Worlds of seeds from this on, and below [`LAGGING`], have clients that track; all others are what they would be if there were no such thing. A seed and that seed behind this
/// meet the same trouble.
pub const TRACKED: u64 = 10_000_000_000;

/// From this seed on links lag too, each for itself.
pub const LAGGING: u64 = 20_000_000_000;

/// The longest that a link lags. Its ends hear of each other by others meanwhile, and keep it open.
const LAG_US: u64 = 1_200_000;

pub fn tracks(seed: u64) -> bool {
    (TRACKED..LAGGING).contains(&seed)
}

/// Keys that are there all the time.
pub const LASTING: u64 = 20;

/// For so long trouble strikes.
const TROUBLE_US: u64 = 10 * SECOND;

/// And so long everything is quiet afterwards.
const QUIET_US: u64 = 30 * SECOND;

/// The world of a seed, lived to its end. Returns it with what is wrong about it.
pub fn live(seed: u64, trouble: Trouble, sabotage: Option<Sabotage>) -> World {
    let mut dice = Rng::seeded(seed ^ 0x7061_6e69);
    let large = dice.below(40) == 0;
    let nodes = if large { 8 + dice.below(18) } else { 3 + dice.below(5) } as usize;
    let skew_us = if dice.below(2) == 0 { 0 } else { SECOND / 2 };
    let mut world = World::new(Setup {
        seed,
        nodes,
        copies: 3,
        log_bytes: if dice.below(4) == 0 { 8 * 1024 } else { 1 << 20 },
        skew_us,
        sabotage,
        formed: dice.below(8) != 0,
        trouble,
        one_tag: false,
        tag_retention: TAG_RETENTION,
        tracks: tracks(seed),
    });
    world.net.loss = [0, 10, 50][dice.below(3) as usize];
    world.net.doubled = dice.below(20);
    world.net.latency_us = [300, 1_000, 20_000][dice.below(3) as usize];
    let limit = if world.setup.formed { 20 } else { 30 + 30 * nodes as u64 };
    for _ in 0..2 * limit {
        world.run_for(SECOND / 2);
        if world.is_settled() {
            break;
        }
    }
    if !world.is_settled() {
        world.wrong("the ring was never formed".into());
        return world;
    }
    prepare(&mut world);
    if world.setup.tracks {
        world.add_trackers();
    }
    world.work.on = true;
    world.one_server = trouble.is_stable();
    let end = world.now + TROUBLE_US;
    let first = world.now + dice.below(SECOND);
    world.at(first, Event::Call(end));
    world.run_until(end);
    world.work.on = false;
    mend(&mut world);
    world.run_for(QUIET_US / 2);
    world.work.scans = false;
    world.run_for(QUIET_US / 2);
    if trouble == Trouble::Moves {
        // Who leaves a large ring takes a while.
        for _ in 0..30 {
            if world.is_settled() {
                break;
            }
            world.run_for(SECOND);
        }
    }
    world.one_server = false;
    super::check::all(&mut world);
    world
}

/// Writes the keys that last, and lets the clients come.
pub fn prepare(world: &mut World) {
    let writer = world.add_guest(3, false);
    world.guests[writer].checks = true;
    let asks: Vec<Ask> = (0..LASTING).map(|n| Ask::Set(format!("lasting:{n}"), n)).collect();
    world.work.lasting = (0..LASTING).map(|n| format!("lasting:{n}")).collect();
    let outcomes = world.ask_now(writer, 0, asks);
    if !outcomes.iter().all(|outcome| matches!(outcome, Outcome::Done(_))) {
        world.wrong(format!("the first writes fail: {outcomes:?}"));
    }
    world.work.iterations = Vec::<Iteration>::new();
    let scanner = world.add_guest(1, true);
    world.guests[scanner].copies = 1;
    for guest in 0..4 {
        world.add_guest(1 + (guest % 2) as u8, false);
    }
    for guest in 0..3 {
        let guest = world.add_guest(1 + (guest % 2) as u8, false);
        world.guests[guest].collects = true;
    }
}

/// Ends all trouble.
pub fn mend(world: &mut World) {
    world.note(|| "all trouble ends".to_owned());
    world.net.heal();
    (world.net.loss, world.net.doubled) = (0, 0);
    for number in 0..world.seats.len() {
        world.resume(number);
        if !world.seats[number].gone {
            world.restart(number);
        }
        world.set_clock(number, 0);
    }
}

impl World {
    /// Something happens, and something else later.
    pub fn strike(&mut self, end: u64) {
        if self.now >= end {
            return;
        }
        let pause = 200_000 + self.rng.below(1_500_000);
        self.at(self.now + pause, Event::Call(end));
        if self.setup.seed >= LAGGING {
            self.lag();
        }
        match self.setup.trouble {
            Trouble::Calm => self.break_a_link(),
            Trouble::Moves => match self.rng.below(4) {
                0 => self.break_a_link(),
                1 | 2 if self.seats.len() < self.setup.nodes + 3 => {
                    self.join();
                }
                _ => self.leave(),
            },
            Trouble::Crash => {
                if self.is_settled() && self.seats.iter().all(|it| it.node.is_some() || it.gone) {
                    self.crash();
                }
            }
            Trouble::Split => self.split(),
            Trouble::Storm => match self.rng.below(6) {
                0 => self.crash(),
                1 if self.seats.len() < self.setup.nodes + 2 => {
                    self.join();
                }
                2 if self.rng.below(3) == 0 => self.leave(),
                _ => self.split(),
            },
        }
    }

    fn any(&mut self) -> usize {
        self.rng.below(self.seats.len() as u64) as usize
    }

    fn any_line(&mut self) -> Line {
        let lines: Vec<_> = self.net.links.keys().copied().collect();
        lines[self.rng.below(lines.len() as u64) as usize]
    }

    /// Some links are late for a while, and others are not.
    fn lag(&mut self) {
        for _ in 0..1 + self.rng.below(2 * self.seats.len() as u64) {
            let (line, until) = (self.any_line(), self.now + self.rng.below(LAG_US));
            self.note(|| format!("{line:?} lags until {until}"));
            self.net.lagging.insert(line, until);
        }
    }

    fn break_a_link(&mut self) {
        let line = self.any_line();
        let side = self.rng.below(2) as usize;
        if self.setup.tracks {
            // What is changed meanwhile is to be made good for, no less than what was on its way.
            let down = self.tracking.rng.below(2 * SECOND);
            self.link(line).barred_until = self.now + down;
        }
        self.close(line, side);
    }

    fn crash(&mut self) {
        let number = self.any();
        if self.seats[number].node.is_none() {
            return;
        }
        let clean = self.rng.below(2) == 0;
        self.kill(number, clean);
        let life = self.seats[number].life;
        let down = if self.rng.below(2) == 0 { 50_000 } else { 6 * SECOND };
        let at = self.now + 20_000 + self.rng.below(down);
        self.at(at, Event::Restart(number, life));
    }

    fn leave(&mut self) {
        let number = self.any();
        let stay = self.seats.iter().filter(|it| it.node.is_some() && !it.leaves).count();
        if stay > 2 && self.is_running(number) && !self.seats[number].leaves {
            self.note(|| format!("{number} is told to leave"));
            self.seats[number].leaves = true;
            self.core(number, Input::Leave);
        }
    }

    fn split(&mut self) {
        match self.rng.below(8) {
            0 => self.net.heal(),
            1 => {
                let (a, b) = (self.any(), self.any());
                self.note(|| format!("{a} cannot reach {b}"));
                self.first_cut.get_or_insert(self.now);
                self.net.cut_way(a, b);
            }
            2 | 3 => {
                // Two sides.
                self.net.heal();
                let side = self.rng.bits();
                self.note(|| format!("two sides: {side:b}"));
                self.first_cut.get_or_insert(self.now);
                let count = self.seats.len();
                for a in 0..count {
                    for b in (0..count).filter(|b| side >> a & 1 != side >> b & 1) {
                        self.net.cut_way(a, b);
                    }
                }
            }
            4 => {
                let number = self.any();
                // Others serve for it, and it does too, for a moment, when it thaws.
                self.first_cut.get_or_insert(self.now);
                self.pause(number);
            }
            5 => (0..self.seats.len()).for_each(|number| self.resume(number)),
            6 => {
                let number = self.any();
                let ahead = self.rng.below(2 * SECOND) as i64 - SECOND as i64;
                self.set_clock(number, ahead);
            }
            _ => self.break_a_link(),
        }
    }
}
