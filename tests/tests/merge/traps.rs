//! Bugs that are put back, as far as they lie in what a node does with its state.

use torc_server::replication::effect::{Effect, Op};
use torc_server::replication::merge::{Element, KeyState, SlotState};
use torc_server::replication::vector::Vector;

/// A bug that is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trap {
    BothSeenLaterStays,
    LosersDropped,
    TornInstall,
    ScanCountsAsOfItsEnd,
    ScanCountsAsOfItsBeginning,
    NoContexts,
    BasePassedOver,
    ChainNotHeld,
    DepsNotHeld,
    TagKept,
    EvictedAlone,
    DeadlineLeavesDot,
    TagForgotten,
    FloorTakenOnTrust,
}

/// Keeps only what a reader sees.
pub fn drop_losers(trap: Option<Trap>, state: &mut SlotState) {
    if trap != Some(Trap::LosersDropped) {
        return;
    }
    let known = state.clone();
    for ((db, key), of_key) in known.iter().filter(|(_, of_key)| of_key.has_hidden()) {
        let shown = of_key.shown_ever().unwrap();
        let mut kept = KeyState::default();
        let winners = of_key.registers().iter().filter(|it| Some(it.dot()) == shown.base);
        winners.for_each(|it| kept.add_register(it.clone()));
        let counting = of_key.cells().iter();
        counting.filter(|it| it.epoch == shown.epoch).for_each(|it| kept.add_cell(it.clone()));
        state.set(db, key, kept);
    }
}

/// Where both sides hold other registers and have seen each other's, the later one stays.
pub fn later_stays(
    joined: &mut SlotState,
    mine: &SlotState,
    theirs: &SlotState,
    (own, other): (&Vector, &Vector),
) {
    for ((db, key), of_key) in mine.iter() {
        let Some(of_theirs) = theirs.get(db, key) else { continue };
        let latest = |state: &KeyState| state.registers().iter().last().cloned();
        let (Some(one), Some(two)) = (latest(of_key), latest(of_theirs)) else { continue };
        if one.dot() != two.dot() && own.covers(two.dot()) && other.covers(one.dot()) {
            let later = if one.version > two.version { one } else { two };
            let mut kept = joined.get(db, key).cloned().unwrap_or_default();
            kept.add_register(later);
            joined.set(db, key, kept);
        }
    }
}

/// Gives registers whose deadline `effect` changed the dot back that they had before.
pub fn leave_dots(state: &mut SlotState, before: &SlotState, effect: &Effect<'_>) {
    for op in effect.ops() {
        let Op::Deadline { db, key, base, .. } = op else { continue };
        let old = before.get(db, key).and_then(|of_key| {
            of_key.registers().iter().find(|it| it.dot() == base).map(|it| it.ttl.version)
        });
        let (Some(old), Some(of_key)) = (old, state.get(db, key)) else { continue };
        let mut kept = KeyState::default();
        of_key.cells().iter().for_each(|it| kept.add_cell(it.clone()));
        for register in of_key.registers().iter() {
            let mut register = register.clone();
            if register.ttl.version == effect.version {
                register.ttl.version = old;
            }
            kept.add_register(register);
        }
        state.set(db, key, kept);
    }
}
