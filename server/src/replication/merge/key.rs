//! The state of one key: the elements of every type, what operations do to them, and what a reader sees.
//!
//! Types meet here. The later birth wins the whole key: a register is born when its value is written, a counter with its epoch, so that a register always
//! hides cells that do not add to it. Other collections will be born with their first element.

use super::counter::{Amount, Cell, total};
use super::deadline::Ttl;
use super::string::{Register, Value, splice, winner};
use super::{Context, Dots, Element, Merge};
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::replication::effect::Op;
use crate::replication::vector::Vector;
use std::borrow::Cow;

/// The operation changes a part of a value that is not here: a concurrent write took its place, or this replica dropped it by itself. The
/// effect must not be applied nor its version covered; the state has to come from a node that covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value that an operation changes is not here")]
pub struct BaseMissing;

/// See the module's description. Empty if the key is absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyState {
    registers: Dots<Register>,
    cells: Dots<Cell>,
}

/// What a reader sees of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown<'k> {
    /// The value.
    pub value: Cow<'k, Value>,
    /// When the value was written: the epoch of additions; zero for a counter that began from nothing.
    pub epoch: Version,
    /// The deadline.
    pub ttl: Ttl,
    /// The dot of the register that is seen, on which `Deadline` and `Splice` build; none if there are only cells.
    pub base: Option<Version>,
}

impl KeyState {
    /// A key that holds one value.
    pub fn with_register(register: Register) -> Self {
        let mut state = KeyState::default();
        state.registers.insert(register);
        state
    }

    /// Adds a register as it is: for states that are read from elsewhere.
    pub fn add_register(&mut self, register: Register) {
        self.registers.insert(register);
    }

    /// Adds a cell as it is: for states that are read from elsewhere.
    pub fn add_cell(&mut self, cell: Cell) {
        self.cells.insert(cell);
    }

    /// Adds a register.
    pub fn put_register(&mut self, register: Register) {
        self.registers.insert(register);
    }

    /// Adds a cell.
    pub fn put_cell(&mut self, cell: Cell) {
        self.cells.insert(cell);
    }

    /// Its registers: one, unless sides of a partition wrote it.
    pub fn registers(&self) -> &Dots<Register> {
        &self.registers
    }

    /// What was added to it.
    pub fn cells(&self) -> &Dots<Cell> {
        &self.cells
    }

    /// The share of `tag`, if it counts.
    pub fn cell(&self, tag: Tag) -> Option<&Cell> {
        let epoch = winner(&self.registers).map(|register| register.version);
        self.cells.iter().find(|cell| cell.version.tag() == tag && counts(cell, epoch))
    }

    /// What a reader sees at `now`; nothing once the deadline has passed, on every node at once.
    pub fn shown(&self, now: UnixMs) -> Option<Shown<'_>> {
        self.shown_ever().filter(|shown| !shown.ttl.is_over(now))
    }

    /// What a reader would see before the deadline.
    pub fn shown_ever(&self) -> Option<Shown<'_>> {
        if self.is_empty() {
            return None;
        }
        let register = winner(&self.registers);
        let epoch = register.map(|register| register.version);
        let counting = || self.cells.iter().filter(move |cell| counts(cell, epoch));
        let of_registers = self.registers.iter().filter(|other| Some(other.version) == epoch);
        let ttls = of_registers.map(|other| other.ttl).chain(counting().map(|cell| cell.ttl));
        let value = match register {
            Some(register) if counting().next().is_none() => Cow::Borrowed(&register.value),
            _ => Cow::Owned(total(register.map(|register| &register.value), counting())),
        };
        Some(Shown {
            value,
            epoch: epoch.unwrap_or_default(),
            ttl: ttls.fold(Ttl::default(), Ttl::later),
            base: register.map(Element::dot),
        })
    }

    /// Whether it holds elements that no reader sees. The acting primary may write what is seen once more, which removes them everywhere; it need
    /// not, as the key's next write does the same.
    pub fn has_hidden(&self) -> bool {
        let epoch = winner(&self.registers).map(|register| register.version);
        self.registers.iter().count() > 1 || self.cells.iter().any(|cell| !counts(cell, epoch))
    }

    /// Applies an operation on this key. Nothing has changed if it fails.
    pub fn apply(&mut self, op: &Op<'_>, context: &Context<'_>) -> Result<(), BaseMissing> {
        let version = context.version;
        let seen = |dot: Version| context.has_seen(dot);
        match op {
            Op::Put { value, value_version, deadline, deadline_version, .. } => {
                self.forget(&seen);
                let set = deadline_version.unwrap_or(version);
                self.registers.insert(Register {
                    version: value_version.unwrap_or(version),
                    ttl: Ttl { deadline: *deadline, version: set },
                    value: Value::from(*value),
                });
            }
            Op::Delete { .. } => self.forget(&seen),
            // What the same transaction wrote before it goes as well.
            Op::Flush { seen, .. } => self.forget(&|dot| seen.covers(dot) || dot == version),
            Op::Deadline { base, deadline, .. } => {
                let mut register = self.registers.take(*base).ok_or(BaseMissing)?;
                register.ttl = Ttl { deadline: *deadline, version };
                self.forget_overruled(register.version, context);
                self.registers.retain(|other| !seen(other.dot()));
                self.registers.insert(register);
            }
            Op::Splice { base, len, offset, bytes, .. } => {
                let register = self.registers.take(*base).ok_or(BaseMissing)?;
                self.forget(&seen);
                let value = splice(&register.value, *len, *offset, bytes);
                self.registers.insert(Register { version, value, ttl: register.ttl });
            }
            Op::Count { epoch, sum, deadline, deadline_version, .. } => {
                self.forget_overruled(*epoch, context);
                self.cells.retain(|cell| cell.version.tag() != version.tag());
                let set = deadline_version.unwrap_or(version);
                self.cells.insert(Cell {
                    version,
                    epoch: *epoch,
                    sum: Amount::from(*sum),
                    ttl: Ttl { deadline: *deadline, version: set },
                });
            }
        }
        Ok(())
    }

    /// Removes what the origin had seen and `epoch` has overruled. Without an epoch there was no register at the origin, and every cell counted.
    fn forget_overruled(&mut self, epoch: Version, context: &Context<'_>) {
        if epoch.is_zero() {
            return;
        }
        let stays = |version: Version, dot: Version| version == epoch || !context.has_seen(dot);
        self.registers.retain(|register| stays(register.version, register.dot()));
        self.cells.retain(|cell| stays(cell.epoch, cell.version));
    }
}

/// Whether a cell adds to what a reader sees: to the register of its epoch, or, where there is no register, to nothing.
fn counts(cell: &Cell, epoch: Option<Version>) -> bool {
    epoch.is_none_or(|epoch| cell.epoch == epoch)
}

impl Merge for KeyState {
    fn join(&mut self, own: &Vector, other: Self, theirs: &Vector) {
        self.registers.join(own, other.registers, theirs);
        self.cells.join(own, other.cells, theirs);
    }

    fn forget(&mut self, removed: &dyn Fn(Version) -> bool) {
        self.registers.forget(removed);
        self.cells.forget(removed);
    }

    fn drop_expired(&mut self, before: UnixMs) {
        self.registers.drop_expired(before);
        self.cells.drop_expired(before);
    }

    fn dots(&self, visit: &mut dyn FnMut(Version)) {
        self.registers.dots(visit);
        self.cells.dots(visit);
    }

    fn is_empty(&self) -> bool {
        self.registers.is_empty() && self.cells.is_empty()
    }
}
