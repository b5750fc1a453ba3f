//! One worker's side of replication: its effects go out, others' come in, and its writes wait for copies.
//!
//! Effects go over the worker's own link to each peer and are acknowledged on it. A slot's effects may be spread over the links of several workers, and the peer
//! acknowledges on the link over which the last missing one came; therefore acknowledgements are noted for all workers, in [`Slots`], and a worker whose writes wait
//! looks there once in a while.
//!
//! Acknowledgements tell of effects alone. A peer that came to a write in another way (it was restarted and pulled the slot, or its acknowledgement was lost), and writes that
//! another node gave their versions, are asked about: see [`super::standing`].

use super::plane::{Held, Replication, Short, Waiter};
use super::standing::{
    Gap, Question, Standings, begin_answer, decode_answer, decode_question, put_standing,
};
use crate::admin::Instance;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::cluster::route::Route;
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use crate::replication::acks::{Acks, Full};
use crate::replication::apply::Applier;
use crate::replication::effect::DecodeError;
use crate::replication::journal::WorkerJournal;
use crate::replication::log::Read;
use crate::replication::slots::Slots;
use crate::store::{By, Local};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Malformed;
use torc_protocol::peer::message::{Ack, decode_acks, encode_acks};
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Writes that wait for copies at one worker, at most.
const OPEN_MAX: usize = 100_000;

/// The plane gives waiting writes up at their deadline; they are forgotten here so much later.
const FORGET_LATER_MS: UnixMs = 1_000;

/// A write whose acknowledgements have not come for so long is asked about, then after twice as long and so on.
const ASK_AFTER_MS: u64 = 50;

/// And at least so often: a write's second has to hold that something was lost, that this was found, and that the copies have it.
const ASK_AFTER_MS_MAX: u64 = 200;

/// What waits for other copies together: writes, or a read.
#[derive(Debug)]
struct Group {
    writes: Vec<(Slot, Version)>,
    /// The slot of a read; nothing for writes.
    read: Option<Slot>,
    /// Of the writes, how many still lack copies.
    open: usize,
}

/// When acknowledgements of a slot are asked about.
#[derive(Debug, Clone, Copy)]
struct Patience {
    ask_at: UnixMs,
    wait_ms: u64,
}

impl Patience {
    fn new(now: UnixMs) -> Patience {
        Patience { ask_at: now + ASK_AFTER_MS, wait_ms: ASK_AFTER_MS }
    }
}

/// See the module's description.
#[derive(Debug)]
pub struct Replicator {
    instance: Arc<Instance>,
    slots: Arc<Slots>,
    acks: Acks,
    groups: BTreeMap<u64, Group>,
    /// Slots in which a write of this node waits for acknowledgements.
    waiting: BTreeMap<Slot, Patience>,
    standings: Standings,
    /// Who had which place when this was looked at last.
    members: Vec<(NodeId, u64)>,
    view: Option<Arc<View>>,
    /// What need not wait any more, and nobody was told yet.
    done: Vec<Waiter>,
    /// What is acknowledged of the effects that are applied; kept for its memory.
    applied: Vec<Ack>,
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
            waiting: BTreeMap::new(),
            standings: Standings::default(),
            members: Vec::new(),
            view: None,
            done: Vec::new(),
            applied: Vec::new(),
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

    /// Appends effects that `peer` has not been told of, up to about `bytes_max`. That effects for it fell off the log is said once, when it has been told the rest: a link
    /// that is too slow for what is written is not to bear comparisons as well.
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
                let is_told = read.fell_off && read.count == 0;
                let fell_off = is_told && !journal.log().take_lost(peer.0.into(), keeps).is_empty();
                Read { fell_off, ..read }
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
        let before = local.change_count();
        let applied = Applier {
            store: &self.instance.store,
            local,
            guard: &guard,
            slots: &self.slots,
            now: self.instance.clock.unix_ms(),
        }
        .batch(payload, &mut self.applied);
        local.changed_by(before, By::Copy);
        if !self.applied.is_empty() {
            encode_acks(self.applied.drain(..), acks);
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

    /// Whether anything waits for other copies: then [`Replicator::look`] is to be called every few milliseconds, and
    /// [`Replicator::questions`] once a turn.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.done.is_empty() || !self.standings.is_empty()
    }

    /// Looks for acknowledgements that came to other workers, and for what else this node has come to know. Returns what need not wait any more.
    pub fn look(&mut self, view: &Arc<View>) -> Vec<Waiter> {
        self.meet(view);
        let mut done = std::mem::take(&mut self.done);
        let now = self.instance.clock.unix_ms();
        self.acks.expire(now, |_| {});
        let slots: Vec<Slot> = self.waiting.keys().copied().collect();
        for slot in slots {
            for peer in view.effect_targets(slot) {
                let version = self.slots.acked(peer, slot);
                self.acked(peer, slot, version, &mut done);
            }
        }
        let (acks, standings) = (&self.acks, &mut self.standings);
        self.waiting.retain(|&slot, patience| {
            if patience.ask_at <= now {
                patience.wait_ms = (patience.wait_ms * 2).min(ASK_AFTER_MS_MAX);
                patience.ask_at = now + patience.wait_ms;
                standings.wonder(slot);
            }
            acks.is_awaited(slot)
        });
        for slot in self.standings.slots() {
            self.settle(view, slot, &mut done);
        }
        done
    }

    /// Whoever has taken another's place among the members, or has started anew, has nothing of what was acknowledged.
    fn meet(&mut self, view: &Arc<View>) {
        if self.view.as_ref().is_some_and(|known| Arc::ptr_eq(known, view)) {
            return;
        }
        self.view = Some(Arc::clone(view));
        for (index, member) in view.members() {
            let place = usize::from(index.0);
            if place >= self.members.len() {
                self.members.resize(place + 1, (NodeId(0), 0));
            }
            let is = (member.id, member.incarnation);
            if std::mem::replace(&mut self.members[place], is) != is {
                self.acks.forget_peer(index.0.into());
                self.standings.forget(index);
            }
        }
    }

    // --- Where others' copies stand -------------------------------------------------------------------------------------

    /// What is to be asked of peers now. One that is lost is asked again.
    pub fn questions(&mut self, view: &View) -> Vec<Question> {
        self.standings.questions(view, self.instance.clock.unix_ms())
    }

    /// Answers a peer's question.
    ///
    /// # Errors
    /// Where the bytes are no question. The link is to be closed.
    pub fn answer(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        let routes = self.instance.cluster.routes();
        let slots = decode_question(payload)?;
        begin_answer(out);
        for slot in slots {
            let sound = routes.is_readable(slot) || routes.get(slot) == Route::Serve;
            let vector = self.slots.vector(&self.instance.store, slot);
            put_standing(slot, sound, &vector, out);
        }
        Ok(())
    }

    /// Takes a peer's answer. Returns what need not wait any more.
    ///
    /// # Errors
    /// Where the bytes are none. The link is to be closed.
    pub fn told(
        &mut self,
        view: &Arc<View>,
        peer: MemberIndex,
        round: u32,
        payload: &[u8],
    ) -> Result<Vec<Waiter>, Malformed> {
        self.meet(view);
        let mut done = std::mem::take(&mut self.done);
        let now = self.instance.clock.unix_ms();
        for (slot, sound, vector) in decode_answer(payload)? {
            let own = vector.get(self.slots.tag());
            if !own.is_zero() {
                self.slots.note_ack(peer, slot, own);
                self.acked(peer, slot, own, &mut done);
            }
            let mine = self.slots.vector(&self.instance.store, slot);
            if self.standings.told((slot, peer), round, (sound, vector), &mine, now)
                && let Some(patience) = self.waiting.get_mut(&slot)
            {
                // It pulls what it lacks now, and nothing says when it has.
                *patience = Patience::new(now);
            }
            self.settle(view, slot, &mut done);
        }
        Ok(done)
    }

    /// The differences between copies that were found, for the control plane to mend.
    pub fn take_gaps(&mut self) -> Vec<Gap> {
        self.standings.take_gaps()
    }

    fn settle(&mut self, view: &View, slot: Slot, done: &mut Vec<Waiter>) {
        let mine = self.slots.vector(&self.instance.store, slot);
        let mut met = Vec::new();
        let now = self.instance.clock.unix_ms();
        self.standings.settle(view, slot, &mine, now, &mut met);
        for ticket in met {
            count_down(&mut self.groups, ticket, done);
        }
    }

    fn acked(&mut self, peer: MemberIndex, slot: Slot, version: Version, done: &mut Vec<Waiter>) {
        let groups = &mut self.groups;
        self.acks.ack(peer.0.into(), slot, version, |outcome| {
            count_down(groups, outcome.ticket, done);
        });
    }

    /// Lets a group of writes wait until each has `needed` other copies.
    fn wait(
        &mut self,
        view: &View,
        writes: &[(Slot, Version)],
        needed: impl Fn(Slot) -> u32,
        timeout: Duration,
    ) -> Result<Option<Waiter>, Full> {
        let ticket = self.next;
        self.next += 1;
        let now = self.instance.clock.unix_ms();
        let deadline =
            now.saturating_add(timeout.as_millis() as UnixMs).saturating_add(FORGET_LATER_MS);
        let mut open = 0;
        for &(slot, version) in writes {
            let needed = needed(slot);
            if needed == 0 {
                continue;
            }
            if version.tag() != self.slots.tag() {
                if self.standings.is_full() {
                    return Err(Full);
                }
                self.standings.copies(slot, version, needed, ticket);
                open += 1;
                continue;
            }
            for peer in view.effect_targets(slot) {
                let acked = self.slots.acked(peer, slot);
                let mut done = std::mem::take(&mut self.done);
                self.acked(peer, slot, acked, &mut done);
                self.done = done;
            }
            if self.acks.wait((slot, version), needed, deadline, ticket)?.is_none() {
                self.waiting.entry(slot).or_insert(Patience::new(now));
                open += 1;
            }
        }
        if open == 0 {
            return Ok(None);
        }
        self.groups.insert(ticket, Group { writes: writes.to_vec(), read: None, open });
        Ok(Some(Waiter(ticket)))
    }

    /// How many peers hold all of `writes`, as far as is known.
    fn holders(&self, writes: &[(Slot, Version)]) -> u32 {
        let own = writes.iter().filter(|(_, version)| version.tag() == self.slots.tag());
        self.acks.holders(own.copied()).unwrap_or(u32::MAX)
    }
}

/// One of what a group waits for is there.
fn count_down(groups: &mut BTreeMap<u64, Group>, ticket: u64, done: &mut Vec<Waiter>) {
    let Some(group) = groups.get_mut(&ticket) else { return };
    group.open -= 1;
    if group.open == 0 {
        groups.remove(&ticket);
        done.push(Waiter(ticket));
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
        let begin = writes.len();
        for &(slot, version) in journal.written() {
            match writes[begin..].iter_mut().find(|(of, _)| *of == slot) {
                Some((_, highest)) => *highest = version.max(*highest),
                None => writes.push((slot, version)),
            }
        }
        journal.clear_written();
    }

    fn reach(
        &self,
        view: &View,
        writes: &[(Slot, Version)],
        level: WriteLevel,
    ) -> Result<u32, Short> {
        let mut most = 1;
        for &(slot, _) in writes {
            let wanted = wanted(level, view.list(slot).len());
            let reachable = view.effect_targets(slot).count() as u32;
            if reachable + 1 < wanted {
                return Err(Short { applied: 1, wanted });
            }
            most = most.max(wanted);
        }
        Ok(most)
    }

    fn copies(&self, writes: &[(Slot, Version)]) -> u32 {
        1 + Some(self.holders(writes)).filter(|&holders| holders != u32::MAX).unwrap_or(0)
    }

    fn hold(&mut self, writes: &[(Slot, Version)], level: WriteLevel, timeout: Duration) -> Held {
        let Some(view) = self.instance.cluster.view() else {
            return super::plane::replication::hold_alone(level);
        };
        self.meet(&view);
        let most = match self.reach(&view, writes, level) {
            Ok(most) => most,
            Err(Short { applied, wanted }) => return Held::Never { applied, wanted },
        };
        let needed = |slot: Slot| wanted(level, view.list(slot).len()).saturating_sub(1);
        match self.wait(&view, writes, needed, timeout) {
            Ok(None) => Held::Enough,
            Ok(Some(waiter)) => Held::Later { waiter, wanted: most },
            Err(Full) => Held::Never { applied: 1, wanted: most },
        }
    }

    fn count(&mut self, writes: &[(Slot, Version)], copies: u32, timeout: Duration) -> Held {
        let Some(view) = self.instance.cluster.view() else {
            return Held::Never { applied: 1, wanted: copies };
        };
        self.meet(&view);
        // Redis waits for replicas that there are not, too: they may come.
        match self.wait(&view, writes, |_| copies.saturating_sub(1), timeout) {
            Ok(None) => Held::Enough,
            Ok(Some(waiter)) => Held::Later { waiter, wanted: copies },
            Err(Full) => Held::Never { applied: 1, wanted: copies },
        }
    }

    fn written_before(&self, bound: Version) -> Vec<(Slot, Version)> {
        let routes = self.instance.cluster.routes();
        let served = (0..SLOT_COUNT as u16)
            .filter_map(Slot::new)
            .filter(|&slot| routes.get(slot) == Route::Serve);
        let mut writes = Vec::new();
        for slot in served {
            let vector = self.slots.vector(&self.instance.store, slot);
            // This node's own chain may have gone on; then the later write stands for the earlier one, which cannot be told from here.
            let is_own = |version: &Version| version.tag() == self.slots.tag();
            let meant = |version: &&Version| is_own(version) || **version <= bound;
            writes.extend(vector.entries().iter().filter(meant).map(|&version| (slot, version)));
        }
        writes
    }

    fn refresh(&mut self, slot: Slot) -> Held {
        let Some(view) = self.instance.cluster.view() else { return Held::Enough };
        self.meet(&view);
        let list = view.list(slot);
        let copies = wanted(WriteLevel::Quorum, list.len());
        let needed = copies.saturating_sub(1);
        if needed == 0 {
            return Held::Enough;
        }
        let others = list.iter().filter(|&&index| index != view.me() && view.is_alive(index));
        if (others.count() as u32) < needed || self.standings.is_full() {
            return Held::Never { applied: 1, wanted: copies };
        }
        let ticket = self.next;
        self.next += 1;
        self.standings.read(slot, needed, ticket);
        self.groups.insert(ticket, Group { writes: Vec::new(), read: Some(slot), open: 1 });
        Held::Later { waiter: Waiter(ticket), wanted: copies }
    }

    fn covers(&self, slot: Slot, version: Version) -> bool {
        self.slots.vector(&self.instance.store, slot).covers(version)
    }

    fn standing(&self, slot: Slot) -> Vec<Version> {
        self.slots.vector(&self.instance.store, slot).entries().to_vec()
    }

    fn give_up(&mut self, waiter: Waiter) -> u32 {
        let Some(group) = self.groups.remove(&waiter.0) else { return 1 };
        let Some(view) = self.instance.cluster.view() else { return 1 };
        let mine = |slot| self.slots.vector(&self.instance.store, slot);
        if let Some(slot) = group.read {
            let mine = mine(slot);
            return 1 + self.standings.give_up(&view, slot, waiter.0, &mine).unwrap_or(0);
        }
        let mut fewest = self.holders(&group.writes);
        for &(slot, version) in &group.writes {
            if version.tag() != self.slots.tag() {
                let mine = mine(slot);
                let holders = self.standings.give_up(&view, slot, waiter.0, &mine);
                fewest = holders.map_or(fewest, |holders| fewest.min(holders));
            }
        }
        1 + if fewest == u32::MAX { 0 } else { fewest }
    }
}
