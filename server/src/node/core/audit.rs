//! Audit: copies that say they are the same are looked at, slot by slot, whether they are.
//!
//! Vectors decide what is sent; they are believed until two copies with equal vectors hold different keys, which takes a bug, or two nodes that wrote under one tag. Whoever
//! serves a slot takes a digest of its copy now and then and tells the others who keep it; who finds that its own differs counts it, forgets
//! that its copy was good, and pulls it anew. The copy that clients see is the one that counts.
//!
//! ```text
//! server:   vector ── grace ── digest ── vector still the same? ──▶ AUDIT (slot, hash of the vector, digest) ──▶ the others
//! replica:  vector of that hash? ── digest ── vector still the same? ── digests differ? ──▶ doubt
//! ```
//!
//! A digest is of what is alive at a time, so what expires in between does not matter; but a letter that comes late is of no use, for a replica that hears nothing of its
//! server removes expired keys on its own.
//!
//! A copy that is being pulled holds more than its vector says until that is over, and is left for the next round too.
//!
//! It is cheap because it is slow: [`SLOTS`] slots a second, [`KEYS`] keys a step. A slot that is written to meanwhile is left for the next round.

use super::message::Audit;
use super::{Core, Output};
use crate::base::clock::UnixMs;
use crate::cluster::NodeId;
use crate::cluster::membership::Now;
use crate::replication::digest::key_hash;
use crate::replication::scan::Scan;
use crate::replication::vector::Vector;
use crate::store::{Grace, REPLICA_PATIENCE_MS};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use torc_protocol::peer::Kind;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// A server looks at its next slots this often.
const EVERY: Duration = Duration::from_secs(1);

/// Slots that a server looks at in that time: all of a third of the ring in a minute and a half.
const SLOTS: usize = 64;

/// Keys that are looked at in one step, for half a millisecond or so.
const KEYS: usize = 4_096;

/// Others' digests that may wait to be checked; more are dropped, and come again in a later round.
const QUESTIONS_MAX: usize = 1_024;

/// A slot that is being looked at.
#[derive(Debug)]
struct Look {
    vector: Vector,
    scan: Scan,
    /// What another node found, if it is its question.
    theirs: Option<u64>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    due: Duration,
    /// The slot that is next to be told of.
    next: usize,
    /// Slots of this node's own whose writes are being waited for.
    waiting: Option<(Grace, Vec<(Slot, Vector)>)>,
    looks: VecDeque<Look>,
}

impl Auditor {
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_none() && self.looks.is_empty()
    }
}

impl Core {
    /// Goes on with what is under way, and begins anew when it is time.
    pub(super) fn audit(&mut self, now: Now, out: &mut Vec<Output>) {
        if now.monotonic >= self.auditor.due && self.auditor.is_idle() {
            self.auditor.due = now.monotonic + EVERY;
            self.audit_next();
        }
        if let Some((grace, _)) = &self.auditor.waiting
            && grace.has_passed()
        {
            for (slot, vector) in self.auditor.waiting.take().into_iter().flat_map(|it| it.1) {
                let scan = Scan::new(slot, now.unix_ms);
                self.auditor.looks.push_back(Look { vector, scan, theirs: None });
            }
        }
        if !self.auditor.looks.is_empty() {
            self.look(now.unix_ms, out);
        }
    }

    /// Takes down the vectors of the next slots that this node serves.
    fn audit_next(&mut self) {
        let mut slots = Vec::new();
        for _ in 0..SLOT_COUNT {
            let slot = Slot::new((self.auditor.next % SLOT_COUNT) as u16).expect("below the count");
            self.auditor.next = slot.index() + 1;
            let vector = self.slots.vector(&self.instance.store, slot);
            if self.can_audit(slot, &vector) && self.duties.serves(slot) {
                slots.push((slot, vector));
            }
            if slots.len() == SLOTS || self.auditor.next == SLOT_COUNT {
                break;
            }
        }
        if !slots.is_empty() {
            self.auditor.waiting = Some((self.local.grace(), slots));
        }
    }

    fn can_audit(&self, slot: Slot, vector: &Vector) -> bool {
        let is_whole = self.duties.is_synced(slot) && !self.puller.wants(slot);
        !vector.is_empty() && self.view.is_mine(slot) && is_whole
    }

    /// What others found of slots that this node keeps too.
    pub(super) fn audited(&mut self, audit: Audit) {
        for (slot, hash, theirs) in audit.slots {
            let vector = self.slots.vector(&self.instance.store, slot);
            let is_same = self.can_audit(slot, &vector) && vector_hash(&vector) == hash;
            if is_same && !self.duties.serves(slot) && self.auditor.looks.len() < QUESTIONS_MAX {
                let scan = Scan::new(slot, audit.as_of);
                self.auditor.looks.push_back(Look { vector, scan, theirs: Some(theirs) });
            }
        }
    }

    /// Looks at some keys.
    fn look(&mut self, now: UnixMs, out: &mut Vec<Output>) {
        let mut keys = KEYS;
        let mut found: BTreeMap<NodeId, Audit> = BTreeMap::new();
        while keys > 0
            && let Some(look) = self.auditor.looks.front_mut()
        {
            let guard = self.local.pin();
            let store = &self.instance.store;
            let Some(digest) = look.scan.step((store, &mut self.local, &guard), &mut keys) else {
                break;
            };
            drop(guard);
            let Some(look) = self.auditor.looks.pop_front() else { break };
            let slot = look.scan.slot();
            let vector = self.slots.vector(store, slot);
            if vector != look.vector || !self.can_audit(slot, &vector) {
                continue;
            }
            match look.theirs {
                // A replica that is cut off drops what has expired by itself, after a while: what was there at that time may be gone since.
                Some(_) if now >= look.scan.as_of() + REPLICA_PATIENCE_MS => {}
                Some(theirs) if theirs != digest => self.doubt(slot),
                Some(_) => {}
                None => {
                    let as_of = look.scan.as_of();
                    for target in self.view.effect_targets(slot) {
                        let Some(member) = self.view.member(target) else { continue };
                        let audit = found.entry(member.id);
                        let audit = audit.or_insert_with(|| Audit { as_of, slots: Vec::new() });
                        // What was begun at another time is for another letter: deadlines may lie between.
                        if audit.as_of == as_of {
                            audit.slots.push((slot, vector_hash(&vector), digest));
                        }
                    }
                }
            }
        }
        tracing::trace!(now, left = self.auditor.looks.len(), "audit");
        for (to, audit) in found {
            let mut payload = Vec::new();
            audit.encode(&mut payload);
            out.push(Output::Frame { to, kind: Kind::Digest, slot: None, payload });
        }
    }

    /// The copy of `slot` is not what its vector says.
    fn doubt(&mut self, slot: Slot) {
        self.instance.cluster.figures().digest_mismatches.add(1);
        tracing::error!(
            slot = slot.index(),
            "a copy differs from the one that is served, though their versions are the same: it is pulled anew"
        );
        self.slots.wipe(slot);
        self.duties.lost_track(slot);
    }
}

/// A hash of what a vector covers: equal for equal histories, whatever is stored for them. Entries below the floor say nothing more than it does, and one side may have pruned
/// them already.
fn vector_hash(vector: &Vector) -> u64 {
    let mut bytes = Vec::new();
    vector.above(vector.floor()).encode(&mut bytes);
    key_hash(0, &bytes)
}
