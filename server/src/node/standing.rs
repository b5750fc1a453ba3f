//! Where the other copies of a slot stand: asked of their nodes, for reads of a majority (R=quorum) and for writes whose acknowledgements do not come.
//!
//! ```text
//!   this turn's questions ─▶ ASK (round, slots) ─▶ peer ─▶ STANDING (round, of each slot: sound?, vector)
//!        ▲                                                        │
//!        │ again after 50 ms                                      ▼
//!   a read     waits until a majority has answered a round that began after it, and this node covers what they cover
//!   a write    waits until enough of them cover it
//!
//!   ask:      | version 1 | slot 2 | …
//!   standing: | version 1 | slot 2, sound 1, vector | …
//! ```
//!
//! **Vectors travel, keys do not.** If this node's vector covers a peer's, then its keys are the merge of both. If not, the slot is pulled from that peer as after a partition,
//! and the read waits for the end of it. To fetch and merge the one key that is read would be shorter, and unsound: an element without a vector that covers
//! it, once removed here, comes back with the effect that brings it in its turn.
//!
//! A copy that is not sound (its node is catching up) has no voice. Who turns out to be behind in something older than what may be on its way is told to pull.
//!
//! **Invariant.** What waits is told once that it need not any more, or is given up by whoever has its ticket. **Does not know** links, clients, or deadlines.

use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use crate::replication::vector::Vector;
use std::collections::{BTreeMap, BTreeSet};
use torc_protocol::peer::wire::{Malformed, Reader, put_u16};
use torc_protocol::slot::Slot;

const VERSION: u8 = 1;

/// A question without enough answers is asked again after so long: a link may have been lost, or a copy may have become sound.
const AGAIN_MS: u64 = 50;

/// Pulls and repairs of one slot and node are asked for no oftener than this.
const NUDGE_MS: u64 = 500;

/// What a peer lacks for longer than this is not on its way to it any more. Twenty times what effects take on a machine that has no time to spare, and little enough for a
/// write to find its copies within its second.
const IN_FLIGHT_MS: u64 = 400;

/// Nudges that are remembered; beyond it all are forgotten, which costs a repeated one each.
const NUDGES_MAX: usize = 4_096;

/// Reads and writes that wait here at most.
const WAITING_MAX: usize = 100_000;

/// A question for a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// For whom.
    pub peer: MemberIndex,
    /// The round: the id of its frame, and of the answer's.
    pub round: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

/// That two copies of a slot differ in what will not come by itself. For the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The slot.
    pub slot: Slot,
    /// The other node.
    pub peer: MemberIndex,
    /// Whether it is this node's copy that lacks something.
    pub is_here: bool,
}

/// A peer's answer.
#[derive(Debug)]
struct Told {
    peer: MemberIndex,
    round: u32,
    sound: bool,
    vector: Vector,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Answers to that round or a later one, all covered here.
    Majority { from_round: u32 },
    /// Copies that cover this.
    Copies(Version),
}

#[derive(Debug)]
struct Matter {
    ticket: u64,
    wanted: Wanted,
    /// Peers that are needed.
    needed: u32,
}

/// What is asked about one slot.
#[derive(Debug, Default)]
struct Topic {
    matters: Vec<Matter>,
    told: Vec<Told>,
    /// When it is asked about next.
    ask_at: UnixMs,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Standings {
    topics: BTreeMap<Slot, Topic>,
    /// Slots asked about for the sake of someone who only wants to hear the answers.
    curious: BTreeSet<Slot>,
    waiting: usize,
    round: u32,
    nudged: BTreeMap<(Slot, MemberIndex, bool), UnixMs>,
    gaps: Vec<Gap>,
}

impl Standings {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.curious.is_empty()
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.waiting >= WAITING_MAX
    }

    /// A read of `slot` waits until `needed` peers have answered, and all that they cover is covered here.
    pub fn read(&mut self, slot: Slot, needed: u32, ticket: u64) {
        let wanted = Wanted::Majority { from_round: self.round.wrapping_add(1) };
        // It has to be a round that begins now: answers to an earlier one may be older than the read.
        self.wait(slot, Matter { ticket, wanted, needed }).ask_at = 0;
    }

    /// A write that another node gave its version waits until `needed` peers cover it.
    pub fn copies(&mut self, slot: Slot, version: Version, needed: u32, ticket: u64) {
        self.wait(slot, Matter { ticket, wanted: Wanted::Copies(version), needed });
    }

    fn wait(&mut self, slot: Slot, matter: Matter) -> &mut Topic {
        self.waiting += 1;
        let topic = self.topics.entry(slot).or_default();
        topic.matters.push(matter);
        topic
    }

    /// Asks about `slot` once; whoever wants to know hears it from [`Standings::told`].
    pub fn wonder(&mut self, slot: Slot) {
        self.curious.insert(slot);
    }

    /// The questions that are due.
    pub fn questions(&mut self, view: &View, now: UnixMs) -> Vec<Question> {
        let mut due = std::mem::take(&mut self.curious);
        for (&slot, topic) in &mut self.topics {
            if topic.ask_at <= now {
                topic.ask_at = now + AGAIN_MS;
                due.insert(slot);
            }
        }
        if due.is_empty() {
            return Vec::new();
        }
        self.round = self.round.wrapping_add(1);
        let mut payloads: BTreeMap<MemberIndex, Vec<u8>> = BTreeMap::new();
        for slot in due {
            for peer in view.effect_targets(slot) {
                let payload = payloads.entry(peer).or_insert_with(|| vec![VERSION]);
                put_u16(payload, slot.index() as u16);
            }
        }
        let round = self.round;
        let question = |(peer, payload)| Question { peer, round, payload };
        payloads.into_iter().map(question).collect()
    }

    /// Notes an answer of `peer` about `slot`. Returns whether that is the first to hear that it has to be told something.
    pub fn told(
        &mut self,
        (slot, peer): (Slot, MemberIndex),
        round: u32,
        (sound, vector): (bool, Vector),
        mine: &Vector,
        now: UnixMs,
    ) -> bool {
        let is_nudged = !vector.covers_all(mine)
            && is_overdue(mine, &vector, now)
            && self.nudge(Gap { slot, peer, is_here: false }, now);
        let Some(topic) = self.topics.get_mut(&slot) else { return is_nudged };
        match topic.told.iter_mut().find(|told| told.peer == peer) {
            Some(told) => *told = Told { peer, round, sound, vector },
            None => topic.told.push(Told { peer, round, sound, vector }),
        }
        is_nudged
    }

    /// `peer` is another run of itself, or gone: what it said does not hold any more.
    pub fn forget(&mut self, peer: MemberIndex) {
        self.topics.values_mut().for_each(|topic| topic.told.retain(|told| told.peer != peer));
    }

    /// Slots about which anything waits.
    pub fn slots(&self) -> Vec<Slot> {
        self.topics.keys().copied().collect()
    }

    /// Moves what waits for nothing any more into `done`; `mine` is what this node covers of `slot`.
    pub fn settle(
        &mut self,
        view: &View,
        slot: Slot,
        mine: &Vector,
        now: UnixMs,
        done: &mut Vec<u64>,
    ) {
        let Some(topic) = self.topics.get_mut(&slot) else { return };
        let mut behind = Vec::new();
        let before = topic.matters.len();
        topic.matters.retain(|matter| {
            let is_met = holders(&topic.told, matter.wanted, view, slot, mine) >= matter.needed;
            if is_met {
                done.push(matter.ticket);
            } else if let Wanted::Majority { from_round } = matter.wanted {
                let ahead = voices(&topic.told, from_round, view, slot);
                let ahead = ahead.filter(|told| !mine.covers_all(&told.vector));
                behind.extend(ahead.map(|told| told.peer));
            }
            !is_met
        });
        self.waiting -= before - topic.matters.len();
        if topic.matters.is_empty() {
            self.topics.remove(&slot);
        }
        for peer in behind {
            self.nudge(Gap { slot, peer, is_here: true }, now);
        }
    }

    /// Ends the wait of `ticket` for `slot`. Returns how many peers there are of those that it needs, if it waited.
    pub fn give_up(&mut self, view: &View, slot: Slot, ticket: u64, mine: &Vector) -> Option<u32> {
        let topic = self.topics.get_mut(&slot)?;
        let at = topic.matters.iter().position(|matter| matter.ticket == ticket)?;
        let matter = topic.matters.swap_remove(at);
        self.waiting -= 1;
        let count = holders(&topic.told, matter.wanted, view, slot, mine);
        if topic.matters.is_empty() {
            self.topics.remove(&slot);
        }
        Some(count)
    }

    fn nudge(&mut self, gap: Gap, now: UnixMs) -> bool {
        if self.nudged.len() >= NUDGES_MAX {
            self.nudged.clear();
        }
        let last = self.nudged.entry((gap.slot, gap.peer, gap.is_here)).or_default();
        let is_due = *last + NUDGE_MS <= now;
        if is_due {
            *last = now;
            self.gaps.push(gap);
        }
        is_due
    }

    /// The gaps that were found.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        std::mem::take(&mut self.gaps)
    }
}

/// Answers that count for a read which wants `from_round` or a later one.
fn voices<'t>(
    told: &'t [Told],
    from_round: u32,
    view: &'t View,
    slot: Slot,
) -> impl Iterator<Item = &'t Told> {
    // Rounds may wrap around; those of one wait lie close together.
    let is_fresh = move |told: &Told| told.round.wrapping_sub(from_round) < u32::MAX / 2;
    told.iter()
        .filter(move |told| told.sound && is_fresh(told) && view.list(slot).contains(&told.peer))
}

fn holders(told: &[Told], wanted: Wanted, view: &View, slot: Slot, mine: &Vector) -> u32 {
    let count = match wanted {
        Wanted::Majority { from_round } => voices(told, from_round, view, slot)
            .filter(|told| mine.covers_all(&told.vector))
            .count(),
        Wanted::Copies(version) => told.iter().filter(|told| told.vector.covers(version)).count(),
    };
    count as u32
}

/// Whether `theirs` lacks something of `mine` that was written too long ago to be on its way.
fn is_overdue(mine: &Vector, theirs: &Vector, now: UnixMs) -> bool {
    let old = |version: &&Version| version.unix_ms() + IN_FLIGHT_MS < now;
    mine.entries().iter().filter(old).any(|version| !theirs.covers(*version))
}

/// Reads the slots that a question is about.
///
/// # Errors
/// Where the bytes are no question.
pub fn decode_question(payload: &[u8]) -> Result<Vec<Slot>, Malformed> {
    let mut reader = versioned(payload)?;
    let mut slots = Vec::new();
    while !reader.is_empty() {
        slots.push(slot(&mut reader)?);
    }
    Ok(slots)
}

/// Begins an answer.
pub fn begin_answer(out: &mut Vec<u8>) {
    out.push(VERSION);
}

/// Appends how this node's copy of `slot` stands.
pub fn put_standing(slot: Slot, sound: bool, vector: &Vector, out: &mut Vec<u8>) {
    put_u16(out, slot.index() as u16);
    out.push(sound.into());
    vector.encode(out);
}

/// Reads an answer.
///
/// # Errors
/// Where the bytes are none.
pub fn decode_answer(payload: &[u8]) -> Result<Vec<(Slot, bool, Vector)>, Malformed> {
    let mut reader = versioned(payload)?;
    let mut standings = Vec::new();
    while !reader.is_empty() {
        let slot = slot(&mut reader)?;
        let sound = match reader.u8()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed::Value("standing")),
        };
        standings.push((slot, sound, Vector::decode(&mut reader)?));
    }
    Ok(standings)
}

fn versioned(payload: &[u8]) -> Result<Reader<'_>, Malformed> {
    let mut reader = Reader::new(payload);
    match reader.u8()? {
        VERSION => Ok(reader),
        other => Err(Malformed::Version(other)),
    }
}

fn slot(reader: &mut Reader<'_>) -> Result<Slot, Malformed> {
    Slot::new(reader.u16()?).ok_or(Malformed::Value("slot"))
}
