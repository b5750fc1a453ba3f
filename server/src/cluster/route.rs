//! Where a request goes.
//!
//! The route table has one word a slot. The control thread writes it, workers read it; so a slot's service begins or stops at once for
//! all workers, and one grace period (each worker has finished the batch it was in) after it stopped, nobody runs a command on it.
//!
//! ```text
//!  15        14    13 12   11 … 0
//! ┌──────────┬─────┬──────┬──────────────┐
//! │ READABLE │  0  │ kind │ member index │
//! └──────────┴─────┴──────┴──────────────┘
//! ```
//!
//! [`decide`] turns a command's slots into a [`Verdict`]. It knows no connection: parking, forwarding and gathering are the
//! pipeline's.
//!
//! Source: `getNodeByQuery` of Redis 7.2 for the order of the cluster port's errors.

#[cfg(test)]
mod tests;

use super::member::Transport;
use super::view::{MEMBER_COUNT_MAX, MemberIndex, View};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use torc_protocol::command::{CommandSpec, Flags, key_positions};
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};
use torc_protocol::{Args, WireError};

/// Who runs the commands of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// This node: it holds the slot's baton.
    Serve,
    /// That member.
    Forward(MemberIndex),
    /// Nobody for the moment: the baton is on its way. Requests are parked.
    Wait,
    /// Nobody: no node that keeps the slot is alive and ready.
    Down,
}

const KIND_SHIFT: u32 = 12;
const INDEX_MASK: u16 = (1 << KIND_SHIFT) - 1;
const READABLE: u16 = 1 << 15;
const _: () = assert!(MEMBER_COUNT_MAX <= INDEX_MASK as usize + 1);

impl Route {
    fn to_word(self) -> u16 {
        match self {
            Route::Down => 0,
            Route::Serve => 1 << KIND_SHIFT,
            Route::Wait => 2 << KIND_SHIFT,
            Route::Forward(index) => {
                debug_assert!(usize::from(index.0) < MEMBER_COUNT_MAX);
                3 << KIND_SHIFT | (index.0 & INDEX_MASK)
            }
        }
    }

    fn from_word(word: u16) -> Self {
        match word >> KIND_SHIFT & 3 {
            0 => Route::Down,
            1 => Route::Serve,
            2 => Route::Wait,
            _ => Route::Forward(MemberIndex(word & INDEX_MASK)),
        }
    }
}

/// The route of every slot. All are down at first.
#[derive(Debug)]
pub struct Routes {
    words: Box<[AtomicU16]>,
    /// Counted behind each change of a word.
    moves: AtomicU64,
    own_moves: AtomicU64,
}

/// How often slots went from one route to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moves {
    /// Any.
    pub all: u64,
    /// To this node, or away from it.
    pub own: u64,
}

impl Default for Routes {
    fn default() -> Self {
        Routes {
            words: (0..SLOT_COUNT).map(|_| AtomicU16::new(0)).collect(),
            moves: AtomicU64::new(0),
            own_moves: AtomicU64::new(0),
        }
    }
}

impl Routes {
    /// Who runs the commands of `slot`.
    #[inline]
    pub fn get(&self, slot: Slot) -> Route {
        // Acquire pairs with the Release in `set`: who sees that this node serves, sees the state that was synced before.
        Route::from_word(self.words[slot.index()].load(Ordering::Acquire))
    }

    /// Whether this node has a copy of `slot` that readers may be given.
    #[inline]
    pub fn is_readable(&self, slot: Slot) -> bool {
        // Acquire pairs with the Release in `set_readable`, for the same reason.
        self.words[slot.index()].load(Ordering::Acquire) & READABLE != 0
    }

    /// Changes the route of `slot`. What was decided by the old one may run for a grace period more.
    pub fn set(&self, slot: Slot, route: Route) {
        let before = self.change(slot, |word| word & READABLE | route.to_word());
        if before != route {
            if before == Route::Serve || route == Route::Serve {
                self.own_moves.fetch_add(1, Ordering::Relaxed);
            }
            // Release pairs with the Acquire in `moves`: who sees the count sees the word.
            self.moves.fetch_add(1, Ordering::Release);
        }
    }

    /// How often slots have moved so far.
    pub fn moves(&self) -> Moves {
        let all = self.moves.load(Ordering::Acquire);
        Moves { all, own: self.own_moves.load(Ordering::Relaxed) }
    }

    /// Lets readers have this node's copy of `slot`, or not.
    pub fn set_readable(&self, slot: Slot, readable: bool) {
        let _ = self.change(slot, |word| word & !READABLE | if readable { READABLE } else { 0 });
    }

    /// A read-modify-write, so that the table is right even if two threads should write it. Returns the route before.
    fn change(&self, slot: Slot, new: impl Fn(u16) -> u16) -> Route {
        // Release pairs with the Acquire of readers: what was installed before is seen by those who see the new word.
        // The closure always gives a word, so this cannot fail.
        let (Ok(before) | Err(before)) =
            self.words[slot.index()]
                .fetch_update(Ordering::Release, Ordering::Relaxed, |word| Some(new(word)));
        Route::from_word(before)
    }
}

/// Which rules hold for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Any key at any node.
    Plain,
    /// Those of Redis Cluster: other nodes' keys are redirected.
    Cluster,
}

/// The slots of a command's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySlots {
    /// It has no keys.
    None,
    /// All are in this one.
    One(Slot),
    /// They are in several; the first key is in this one.
    Many(Slot),
}

impl KeySlots {
    /// The slots of `args`, which call `spec`.
    ///
    /// # Errors
    /// Where the arguments contradict the key specs.
    pub fn of(spec: &CommandSpec, args: &Args<'_>) -> Result<Self, WireError> {
        if spec.keys.is_empty() && spec.keys_by.is_none() {
            return Ok(KeySlots::None);
        }
        let positions = key_positions(spec, args)?;
        Ok(KeySlots::of_keys(positions.iter().map(|key| &args[key.index])))
    }

    /// The slots of `keys`.
    pub fn of_keys<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Self {
        let mut slots = keys.map(slot_of);
        let Some(first) = slots.next() else { return KeySlots::None };
        if slots.all(|slot| slot == first) { KeySlots::One(first) } else { KeySlots::Many(first) }
    }
}

/// What the decision about a command rests on, besides the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// The port it came in by.
    pub port: Port,
    /// Where its keys are.
    pub slots: KeySlots,
    /// Whether it may be answered from a copy: it writes nothing, and the client agreed (READONLY, or a read consistency
    /// below `primary`).
    pub copy_will_do: bool,
    /// Whether the plain port takes it apart by slot where its keys are in several.
    pub scatters: bool,
}

impl Ask {
    /// As [`Ask`]'s fields say, for a command that the table knows. `wants_copy`: the client agreed to copies.
    pub fn new(
        port: Port,
        spec: &CommandSpec,
        slots: KeySlots,
        wants_copy: bool,
        scatters: bool,
    ) -> Self {
        let copy_will_do = wants_copy && !spec.flags.contains(Flags::WRITE);
        Ask { port, slots, copy_will_do, scatters }
    }
}

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs here.
    Local,
    /// It is sent to this member, and its reply comes back.
    Forward(MemberIndex),
    /// It is taken apart by slot.
    Scatter,
    /// It is parked until this slot's route changes.
    Wait(Slot),
    /// The client is told to ask that member.
    Moved(Slot, MemberIndex),
    /// Its keys are in several slots and must not be.
    CrossSlot,
    /// Nobody serves this slot.
    Down(Slot),
}

/// Where a command goes.
pub fn decide(view: &View, routes: &Routes, ask: Ask) -> Verdict {
    let (slot, several) = match ask.slots {
        KeySlots::None => return Verdict::Local,
        KeySlots::One(slot) => (slot, false),
        KeySlots::Many(first) => (first, true),
    };
    if several && ask.port == Port::Plain {
        return if ask.scatters { Verdict::Scatter } else { Verdict::CrossSlot };
    }
    let route = routes.get(slot);
    if several {
        // Redis looks at the first key's slot before it looks at the second key.
        return if route == Route::Down { Verdict::Down(slot) } else { Verdict::CrossSlot };
    }
    if ask.copy_will_do && routes.is_readable(slot) {
        return Verdict::Local;
    }
    match route {
        Route::Serve => Verdict::Local,
        Route::Wait => Verdict::Wait(slot),
        Route::Down => Verdict::Down(slot),
        // The word is newer or older than the view: a moment later they agree again.
        Route::Forward(index) if index == view.me() || view.member(index).is_none() => {
            Verdict::Wait(slot)
        }
        Route::Forward(index) if ask.port == Port::Cluster && redirects(view, slot, index) => {
            Verdict::Moved(slot, index)
        }
        Route::Forward(index) => Verdict::Forward(index),
    }
}

/// Whether a client of the cluster port is sent on to `index`, whom this node has serve `slot`: only if the view says so too. While a baton is on its way to a node, that
/// node would send the client back to the one by the view, and so on until the client gives up; until the view changes, requests go through the one that gave the baton.
pub fn redirects(view: &View, slot: Slot, index: MemberIndex) -> bool {
    view.acting(slot) == Some(index)
}

impl Verdict {
    /// The error that answers the command of a client that came by `transport`; `None` if something else answers it.
    pub fn error(self, view: &View, transport: Transport) -> Option<WireError> {
        match self {
            Verdict::Local | Verdict::Forward(_) | Verdict::Scatter | Verdict::Wait(_) => None,
            Verdict::CrossSlot => Some(WireError::CrossSlot),
            Verdict::Down(_) => Some(WireError::SlotDown),
            Verdict::Moved(slot, index) => {
                Some(view.member(index).map_or(WireError::SlotDown, |member| WireError::Moved {
                    slot,
                    host: member.host.clone(),
                    port: member.port_for(transport),
                }))
            }
        }
    }
}
