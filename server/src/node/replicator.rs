//! One worker's side of replication: its effects go out, others' come in, and its writes wait for copies.
//!
//! Effects go over the worker's own link to each peer and are acknowledged on it. A slot's effects may be spread over the links of several workers, and the peer
//! acknowledges on the link over which the last missing one came; therefore acknowledgements are noted for all workers, in [`Slots`], and a worker whose writes wait
//! looks there once in a while.

use super::plane::{Held, Replication, Waiter};
use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use crate::replication::acks::Acks;
use crate::replication::apply::Applier;
use crate::replication::effect::DecodeError;
use crate::replication::journal::WorkerJournal;
use crate::replication::log::Read;
use crate::replication::slots::Slots;
use crate::store::Local;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use torc_protocol::peer::Malformed;
use torc_protocol::peer::message::{decode_acks, encode_acks};
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::Slot;

/// Writes that wait for copies at one worker, at most.
const OPEN_MAX: usize = 100_000;

/// The plane gives waiting writes up at their deadline; they are forgotten here so much later.
const FORGET_LATER_MS: UnixMs = 1_000;

/// Writes that wait together.
#[derive(Debug)]
struct Group {
    writes: Vec<(Slot, Version)>,
    /// Of these, how many still lack copies.
    open: usize,
}

/// See the module's description.
#[derive(Debug)]
pub struct Replicator {
    instance: Arc<Instance>,
    slots: Arc<Slots>,
    acks: Acks,
    groups: BTreeMap<u64, Group>,
    /// Slots in which a write waits.
    waiting: BTreeSet<Slot>,
    /// What need not wait any more, and nobody was told yet.
    done: Vec<Waiter>,
    next: u64,
}

impl Replicator {
    /// A worker's, to which no link leads yet.
    pub fn new(instance: Arc<Instance>, slots: Arc<Slots>) -> Replicator {
        Replicator {
            instance,
            slots,
            acks: Acks::new(OPEN_MAX),
            groups: BTreeMap::new(),
            waiting: BTreeSet::new(),
            done: Vec::new(),
            next: 0,
        }
    }

    /// This worker's link to `peer` works: it is told of every effect from now on. What came before it pulls.
    pub fn link_up(&mut self, local: &mut Local, peer: MemberIndex) {
        if let Some(journal) = journal(local) {
            journal.log().attach(peer.0.into());
        }
    }

    /// The link does not work any more.
    pub fn link_down(&mut self, local: &mut Local, peer: MemberIndex) {
        if let Some(journal) = journal(local) {
            journal.log().detach(peer.0.into());
        }
    }

    /// Appends effects that `peer` has not been told of, up to about `bytes_max`.
    pub fn read_effects(
        &mut self,
        local: &mut Local,
        view: &View,
        peer: MemberIndex,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Read {
        let keeps = |slot: Slot| view.effect_targets(slot).any(|target| target == peer);
        match journal(local) {
            Some(journal) => {
                let read = journal.log().read(peer.0.into(), keeps, bytes_max, out);
                if read.fell_off {
                    // The peer finds the holes by itself, in the chains or when vectors are compared.
                    journal.log().take_lost(peer.0.into(), keeps);
                }
                read
            }
            None => Read::default(),
        }
    }

    /// Applies effects of a peer; what is to be acknowledged, if anything, is appended to `acks` as a payload.
    ///
    /// # Errors
    /// Where the bytes are no effects. The link is to be closed.
    pub fn receive_effects(
        &mut self,
        local: &mut Local,
        payload: &[u8],
        acks: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        let guard = local.pin();
        let mut said = Vec::new();
        let applied = Applier {
            store: &self.instance.store,
            local,
            guard: &guard,
            slots: &self.slots,
            now: self.instance.clock.unix_ms(),
        }
        .batch(payload, &mut said);
        if !said.is_empty() {
            encode_acks(said, acks);
        }
        applied
    }

    /// Notes what a peer has applied. Returns what need not wait any more.
    ///
    /// # Errors
    /// Where the bytes are no acknowledgements. The link is to be closed.
    pub fn receive_acks(
        &mut self,
        peer: MemberIndex,
        payload: &[u8],
    ) -> Result<Vec<Waiter>, Malformed> {
        let mut done = std::mem::take(&mut self.done);
        for ack in decode_acks(payload)? {
            // Of an earlier incarnation, whose writes nobody waits for.
            if Tag::new(ack.tag) == self.slots.tag() {
                let version = Version::from_bits(ack.version);
                self.slots.note_ack(peer, ack.slot, version);
                self.acked(peer, ack.slot, version, &mut done);
            }
        }
        Ok(done)
    }

    /// Whether any write waits for copies: then [`Replicator::look`] is to be called every few milliseconds.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.done.is_empty()
    }

    /// Looks for acknowledgements that came to other workers. Returns what need not wait any more.
    pub fn look(&mut self, view: &View) -> Vec<Waiter> {
        let mut done = std::mem::take(&mut self.done);
        let now = self.instance.clock.unix_ms();
        self.acks.expire(now, |_| {});
        for slot in self.waiting.clone() {
            for peer in view.effect_targets(slot) {
                let version = self.slots.acked(peer, slot);
                self.acked(peer, slot, version, &mut done);
            }
        }
        let groups = &self.groups;
        let open: BTreeSet<Slot> =
            groups.values().flat_map(|it| it.writes.iter().map(|w| w.0)).collect();
        self.waiting.retain(|slot| open.contains(slot));
        done
    }

    fn acked(&mut self, peer: MemberIndex, slot: Slot, version: Version, done: &mut Vec<Waiter>) {
        let groups = &mut self.groups;
        self.acks.ack(peer.0.into(), slot, version, |outcome| {
            let Some(group) = groups.get_mut(&outcome.ticket) else { return };
            group.open -= 1;
            if group.open == 0 {
                groups.remove(&outcome.ticket);
                done.push(Waiter(outcome.ticket));
            }
        });
    }
}

/// The journal of this thread.
fn journal(local: &mut Local) -> Option<&mut WorkerJournal> {
    local.journal()?.as_any().downcast_mut()
}

/// Copies that `level` asks for where `copies` are kept.
fn wanted(level: WriteLevel, copies: usize) -> u32 {
    match level {
        WriteLevel::Copies(count) => count.into(),
        WriteLevel::Quorum => copies as u32 / 2 + 1,
        WriteLevel::All => copies as u32,
        WriteLevel::Setting => 1,
    }
}

impl Replication for Replicator {
    fn take_written(&mut self, local: &mut Local, writes: &mut Vec<(Slot, Version)>) {
        let Some(journal) = journal(local) else { return };
        for &(slot, version) in journal.written() {
            match writes.iter_mut().find(|(of, _)| *of == slot) {
                Some((_, highest)) => *highest = version.max(*highest),
                None => writes.push((slot, version)),
            }
        }
        journal.clear_written();
    }

    fn hold(&mut self, writes: &[(Slot, Version)], level: WriteLevel) -> Held {
        let Some(view) = self.instance.cluster.view() else {
            return super::plane::replication::hold_alone(level);
        };
        let most = writes.iter().map(|(slot, _)| wanted(level, view.list(*slot).len())).max();
        let most = most.unwrap_or(1);
        let ticket = self.next;
        let mut open = 0;
        let patience = self.instance.settings.write_timeout() as UnixMs + FORGET_LATER_MS;
        let deadline = self.instance.clock.unix_ms() + patience;
        for &(slot, version) in writes {
            let copies = wanted(level, view.list(slot).len());
            let needed = copies.saturating_sub(1);
            if needed == 0 {
                continue;
            }
            let reachable = view.effect_targets(slot).count() as u32;
            if reachable < needed {
                return Held::Never { applied: 1, wanted: copies };
            }
            for peer in view.effect_targets(slot) {
                let acked = self.slots.acked(peer, slot);
                let mut done = std::mem::take(&mut self.done);
                self.acked(peer, slot, acked, &mut done);
                self.done = done;
            }
            match self.acks.wait((slot, version), needed, deadline, ticket) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    self.waiting.insert(slot);
                    open += 1;
                }
                Err(_) => return Held::Never { applied: 1, wanted: copies },
            }
        }
        if open == 0 {
            return Held::Enough;
        }
        self.next += 1;
        self.groups.insert(ticket, Group { writes: writes.to_vec(), open });
        Held::Later { waiter: Waiter(ticket), wanted: most }
    }

    fn refresh(&mut self, _: Slot, _: u8, _: &[&[u8]]) -> Held {
        // A majority's merge needs a round trip of its own, which is not built: say so rather than answer from one copy.
        Held::Never { applied: 1, wanted: 2 }
    }

    fn covers(&self, slot: Slot, version: Version) -> bool {
        self.slots.vector(&self.instance.store, slot).covers(version)
    }

    fn give_up(&mut self, waiter: Waiter) -> u32 {
        let Some(group) = self.groups.remove(&waiter.0) else { return 1 };
        1 + self.acks.holders(group.writes.iter().copied()).unwrap_or(0)
    }
}
