//! The state of one value: a string's, or that of one field of a collection.
//!
//! Registers and cells meet here. A register is born when its value is written, a counter with its epoch, so that a register always hides cells that do not
//! add to it.

use super::counter::{Cell, total};
use super::deadline::Ttl;
use super::string::{Register, Value, splice, winner};
use super::{Context, Dots, Element, Merge};
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::replication::effect::{AmountRef, ElementChange};
use crate::replication::merge::{Amount, BaseMissing};
use crate::replication::vector::Vector;
use std::borrow::Cow;

/// See the module's description. Empty if there is no value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Field {
    registers: Dots<Register>,
    cells: Dots<Cell>,
}

/// What a reader sees of a value.
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

impl Field {
    /// What holds one value.
    pub fn with_register(register: Register) -> Self {
        let mut state = Field::default();
        state.registers.insert(register);
        state
    }

    /// Adds a register as it is.
    pub fn add_register(&mut self, register: Register) {
        self.registers.insert(register);
    }

    /// Adds a cell as it is.
    pub fn add_cell(&mut self, cell: Cell) {
        self.cells.insert(cell);
    }

    /// Whether it is one value and nothing else.
    pub fn is_plain(&self) -> bool {
        self.registers.iter().len() == 1 && self.cells.is_empty()
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

    /// What becomes of an element of a collection, which has no deadline of its own.
    pub fn change(&mut self, change: &ElementChange<'_>, context: &Context<'_>) {
        let version = context.version;
        let ttl = Ttl { deadline: None, version };
        match change {
            ElementChange::Put { value, .. } => {
                self.write(Register { version, ttl, value: Value::from(*value) }, context);
            }
            ElementChange::Count { epoch, sum, .. } => self.count(*epoch, *sum, ttl, context),
            ElementChange::Remove { .. } => self.forget(&|dot| context.has_seen(dot)),
        }
    }

    /// A value is written: all that was seen goes.
    pub fn write(&mut self, register: Register, context: &Context<'_>) {
        self.forget(&|dot| context.has_seen(dot));
        self.registers.insert(register);
    }

    /// The value of `base` gets another deadline.
    ///
    /// # Errors
    /// If that value is not here; nothing has changed then.
    pub fn expire(
        &mut self,
        base: Version,
        deadline: Option<UnixMs>,
        context: &Context<'_>,
    ) -> Result<(), BaseMissing> {
        let mut register = self.registers.take(base).ok_or(BaseMissing)?;
        register.ttl = Ttl { deadline, version: context.version };
        self.forget_overruled(register.version, context);
        self.registers.retain(|other| !context.has_seen(other.dot()));
        self.registers.insert(register);
        Ok(())
    }

    /// Some bytes of the value of `base` change.
    ///
    /// # Errors
    /// If that value is not here; nothing has changed then.
    pub fn splice(
        &mut self,
        base: Version,
        (len, offset, bytes): (u64, u64, &[u8]),
        context: &Context<'_>,
    ) -> Result<(), BaseMissing> {
        let register = self.registers.take(base).ok_or(BaseMissing)?;
        let value = splice(&register.value, len, offset, bytes);
        self.write(Register { version: context.version, value, ttl: register.ttl }, context);
        Ok(())
    }

    /// The origin's share of what is added to the value of `epoch` is `sum` now, unless a transfer, which may overtake effects, brought a later one.
    pub fn count(&mut self, epoch: Version, sum: AmountRef<'_>, ttl: Ttl, context: &Context<'_>) {
        let version = context.version;
        self.forget_overruled(epoch, context);
        self.cells.insert(Cell { version, epoch, sum: Amount::from(sum), ttl });
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

impl Merge for Field {
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
