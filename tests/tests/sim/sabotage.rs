//! Bugs that are put back on purpose, by tampering with what a node says or hears. Each must be caught.

use super::net::Line;
use super::node::node_id;
use super::world::{Event, SECOND, World};
use torc_protocol::peer::Kind as Frame;
use torc_protocol::peer::message::{Ack, encode_acks};
use torc_protocol::slot::Slot;
use torc_server::base::version::Version;
use torc_server::cluster::route::Route;
use torc_server::node::core::message::{Answer, Baton, Pull, Pulled, Said};
use torc_server::replication::effect::{self, Batch, Op};
use torc_server::replication::vector::Vector;
use torc_server::store::{Changes, ElementChange, Kind, put_change};

/// After so long nobody expects an effect any more.
const REVIVED_AFTER_US: u64 = 8 * SECOND;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A node drops the keys of a slot by itself, and says nothing.
    Shed,
    /// What may have been run already is sent again.
    SendTwice,
    /// Whoever is asked what he knows says: nothing new. So a node serves without having pulled.
    NothingNew,
    /// Who grants a baton goes on serving.
    KeepBaton,
    /// Whoever wants to serve is told that nobody does.
    DenyServing,
    /// Effects are acknowledged before they are applied, and then forgotten.
    AckUnapplied,
    /// Effects are acknowledged some time before they are applied.
    AckEarly,
    /// Effects do not say what they took the place of.
    DropDeps,
    /// Effects claim to follow what the receiver has, whatever was lost between.
    DropPrevious,
    /// Nodes do not compare what they know of their slots.
    NoCompare,
    /// What was written long ago, and removed since perhaps, comes to a copy once more, as if it were new.
    Revive,
    /// What was added to a hash, a set or a sorted set comes to the copies as what was removed.
    AddsRemove,
    /// Some of the names of changed keys do not reach the nodes whose clients track.
    LoseNames,
    /// A node says that it tells of changes, and does not.
    DeafToTracks,
    /// A node says that it tells of changes some time before it does.
    HearLater,
    /// The word that all keys may have changed is not sent to other nodes.
    NeverAll,
    /// What a client is told comes before the replies that it is owed.
    NewsOvertake,
}

/// What becomes of effects that came.
pub enum Fate {
    /// They are applied.
    Apply,
    /// They are not, yet this is said of them.
    Acked(Vec<u8>),
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Sabotage; 17] = [
        Sabotage::Shed,
        Sabotage::SendTwice,
        Sabotage::NothingNew,
        Sabotage::KeepBaton,
        Sabotage::DenyServing,
        Sabotage::AckUnapplied,
        Sabotage::AckEarly,
        Sabotage::DropDeps,
        Sabotage::DropPrevious,
        Sabotage::NoCompare,
        Sabotage::Revive,
        Sabotage::AddsRemove,
        Sabotage::LoseNames,
        Sabotage::DeafToTracks,
        Sabotage::HearLater,
        Sabotage::NeverAll,
        Sabotage::NewsOvertake,
    ];

    /// What the checker says that must notice it; whichever, if nothing.
    pub fn checker(self) -> &'static str {
        match self {
            Sabotage::AddsRemove => "collections:",
            Sabotage::Revive => "removed:",
            _ if self.concerns_tracking() => "tracking:",
            _ => "",
        }
    }

    /// Whether it takes clients that track to notice it.
    pub fn concerns_tracking(self) -> bool {
        use Sabotage::{DeafToTracks, HearLater, LoseNames, NeverAll, NewsOvertake};
        matches!(self, LoseNames | DeafToTracks | HearLater | NeverAll | NewsOvertake)
    }

    /// Changes what a node tells for clients that track; whether it is sent.
    pub fn news(self, world: &mut World, kind: Frame, payload: &mut [u8]) -> bool {
        match (self, kind) {
            (Sabotage::LoseNames, Frame::Changed) => world.tracking.rng.below(8) != 0,
            (Sabotage::NeverAll, Frame::Changed) => {
                // The flags.
                payload[1] = 0;
                true
            }
            _ => true,
        }
    }

    /// Changes a control frame; whether it is sent.
    pub fn control(
        self,
        world: &mut World,
        (from, to): (usize, usize),
        (kind, slot): (Frame, Option<Slot>),
        payload: &mut [u8],
    ) -> bool {
        match (self, kind) {
            (Sabotage::NothingNew, Frame::Fence) => {
                for (slot, knows) in Pull::decode(payload).unwrap().slots {
                    let mut bytes = Vec::new();
                    let serves = world.servers(slot).contains(&to);
                    let answer = Answer::Same;
                    Pulled { answer, serves, busy: false, vector: knows }.encode(&mut bytes);
                    world.core_frame(to, from, Frame::SyncBegin, Some(slot), bytes);
                }
                false
            }
            (Sabotage::DenyServing, Frame::Baton) => {
                let Baton::Ask(slots) = Baton::decode(payload).unwrap() else { return true };
                let deny =
                    |(slot, stamp)| Said { slot, stamp, others: [None; 2], vector: Vector::new() };
                let said = slots.into_iter().map(deny).collect();
                let mut bytes = Vec::new();
                Baton::Word { served: false, said }.encode(&mut bytes);
                world.core_frame(to, from, Frame::Baton, None, bytes);
                false
            }
            (Sabotage::KeepBaton, Frame::Baton) => {
                if let Ok(Baton::Word { served: true, said }) = Baton::decode(payload)
                    && let Some(node) = world.node(from)
                {
                    for it in said {
                        node.instance.cluster.routes().set(it.slot, Route::Serve);
                    }
                }
                true
            }
            (Sabotage::NoCompare, Frame::Digest) => false,
            _ => {
                let _ = slot;
                true
            }
        }
    }

    /// Changes effects that came in.
    pub fn effects(self, world: &mut World, line: Line, payload: &mut Vec<u8>) -> Fate {
        match self {
            Sabotage::AckUnapplied => Fate::Acked(acks_of(payload)),
            Sabotage::Shed => {
                let slot = Batch::new(payload).flatten().next().map(|(effect, _)| effect.slot);
                let strikes = world.rng.below(20) == 0;
                if let Some(slot) = slot.filter(|_| strikes)
                    && let Some(node) = world.node(line.other)
                {
                    let now = node.instance.clock.unix_ms();
                    let guard = node.worker.local.pin();
                    let store = &node.instance.store;
                    let mut keyspace = store.keyspace(&mut node.worker.local, &guard, 0, now);
                    keyspace.forget_slot(slot, 0, usize::MAX);
                }
                Fate::Apply
            }
            Sabotage::AckEarly => {
                let life = world.net.links[&line].life;
                let bytes = payload.clone();
                world.at(world.now + 400_000, Event::Effects { line, life, bytes });
                Fate::Acked(acks_of(payload))
            }
            Sabotage::Revive => {
                let life = world.net.links[&line].life;
                for (effect, _) in Batch::new(payload).flatten() {
                    let ops: Vec<_> = effect.ops().collect();
                    let is_of_removed = |op: &Op<'_>| match op {
                        Op::Put { key, .. } => key.starts_with(b"del"),
                        _ => false,
                    };
                    if ops.iter().any(is_of_removed) && world.rng.below(4) == 0 {
                        let mut bytes = Vec::new();
                        let versions = (effect.previous, effect.version);
                        effect::encode(&mut bytes, effect.slot, versions, &Vector::new(), &ops);
                        let due = world.now + REVIVED_AFTER_US;
                        world.at(due, Event::Revived { line, life, bytes });
                    }
                }
                Fate::Apply
            }
            Sabotage::AddsRemove => {
                let mut changed = Vec::new();
                for (effect, _) in Batch::new(payload).flatten() {
                    let changed_ops: Vec<Vec<u8>> = effect.ops().map(|op| removals(&op)).collect();
                    let ops: Vec<Op<'_>> = effect
                        .ops()
                        .zip(&changed_ops)
                        .map(|(op, changes)| match op {
                            Op::Elements { db, key, kind, .. } => {
                                let changes = Changes::new(changes).unwrap();
                                Op::Elements { db, key, kind, changes }
                            }
                            other => other,
                        })
                        .collect();
                    let versions = (effect.previous, effect.version);
                    effect::encode(&mut changed, effect.slot, versions, &effect.deps, &ops);
                }
                *payload = changed;
                Fate::Apply
            }
            Sabotage::DropDeps | Sabotage::DropPrevious => {
                let mut changed = Vec::new();
                for (effect, _) in Batch::new(payload).flatten() {
                    let ops: Vec<_> = effect.ops().collect();
                    let mut previous = effect.previous;
                    let deps = match self {
                        Sabotage::DropDeps => Vector::new(),
                        _ => effect.deps.clone(),
                    };
                    if self == Sabotage::DropPrevious
                        && let Some(node) = world.node(line.other)
                    {
                        let known = node.slots.vector(&node.instance.store, effect.slot);
                        previous = known.get(effect.tag()).min(effect.previous);
                    }
                    effect::encode(
                        &mut changed,
                        effect.slot,
                        (previous, effect.version),
                        &deps,
                        &ops,
                    );
                }
                *payload = changed;
                Fate::Apply
            }
            _ => Fate::Apply,
        }
    }
}

/// The changes of elements that `op` tells of, those that put one by its name turned into those that remove it.
fn removals(op: &Op<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Op::Elements { kind, changes, .. } = op {
        let is_named = matches!(kind, Kind::Hash | Kind::Set | Kind::Zset);
        for change in changes.iter() {
            let change = match change {
                ElementChange::Put { id, .. } if is_named => ElementChange::Remove { id },
                other => other,
            };
            put_change(&mut bytes, &change);
        }
    }
    bytes
}

/// What would be acknowledged of effects, had they been applied.
fn acks_of(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let acks = Batch::new(payload).flatten().map(|(effect, _)| Ack {
        slot: effect.slot,
        tag: effect.tag().get(),
        version: effect.version.get(),
    });
    encode_acks(acks, &mut out);
    out
}

impl World {
    /// Sends a control frame as it is.
    fn core_frame(
        &mut self,
        from: usize,
        to: usize,
        kind: Frame,
        slot: Option<Slot>,
        payload: Vec<u8>,
    ) {
        debug_assert_ne!(node_id(from), node_id(to));
        let line = Line { dialler: from.min(to), other: from.max(to), control: true };
        let head = torc_protocol::peer::Head { slot, ..torc_protocol::peer::Head::of(kind) };
        self.post(line, from, head, &payload);
    }
}

/// An effect that was applied long ago, as if its node had written it behind all that the receiver knows of it.
pub fn renewed(world: &mut World, line: Line, bytes: &[u8]) -> Option<Vec<u8>> {
    let (effect, _) = Batch::new(bytes).flatten().next()?;
    let node = world.node(line.other)?;
    let known = node.slots.lock(effect.slot).vector().get(effect.tag());
    let version = Version::next(node.instance.clock.unix_ms(), known, effect.tag());
    let ops: Vec<_> = effect.ops().collect();
    let mut bytes = Vec::new();
    effect::encode(&mut bytes, effect.slot, (known, version), &Vector::new(), &ops);
    Some(bytes)
}
