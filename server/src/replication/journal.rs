//! One worker's journal: what the store writes becomes effects in the worker's log.
//!
//! An effect's *deps* are the elements of other origins that it took the place of, no more: a receiver must have them before it can know that they went. They
//! are exact because the store tells what a write replaced in the very step that replaced it. Everything earlier of the same origins is implied: whoever applied a
//! dot has applied all that came before it in its chain.

use super::effect::{self, AmountRef};
use super::log::Log;
use super::merge::{Amount, Context, KeyState, Merge, Ttl};
use super::stored::{collection_tops, decode, decode_field, field_of, of_state};
use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use crate::store::{
    self, ElementState, Journal, Link, Mixed, MixedElement, MixedTold, Replaced, State, Step,
};
use torc_protocol::slot::Slot;

/// See the module's description.
#[derive(Debug)]
pub struct WorkerJournal {
    tag: Tag,
    log: Log,
    written: Vec<(Slot, Version)>,
    deps: Vector,
    /// What commands that run as one step did so far.
    step: Option<Vec<Part>>,
}

/// What a step did in one slot.
#[derive(Debug)]
struct Part {
    slot: Slot,
    link: Link,
    deps: Vector,
    /// Encoded.
    ops: Vec<u8>,
}

impl WorkerJournal {
    /// The journal of a worker of the incarnation that `tag` stands for, with a log of `budget_bytes`.
    pub fn new(tag: Tag, budget_bytes: usize) -> Self {
        let log = Log::new(budget_bytes);
        WorkerJournal { tag, log, written: Vec::new(), deps: Vector::new(), step: None }
    }

    /// The log.
    pub fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// What was written since [`WorkerJournal::clear_written`], in order.
    pub fn written(&self) -> &[(Slot, Version)] {
        &self.written
    }

    /// Forgets what was written. To be called at the end of each batch.
    pub fn clear_written(&mut self) {
        self.written.clear();
    }

    /// The new state and its total after `op`, which knows all of the state before.
    fn mix(&self, mut state: KeyState, op: &effect::Op<'_>, version: Version) -> (KeyState, i64) {
        // This node has seen everything that it holds.
        let mut everything = Vector::new();
        everything.raise_floor(Version::from_bits(u64::MAX));
        let context = Context { version, others: &everything };
        state.apply(op, &context).expect("counting needs no base");
        let total = match state.shown_ever().map(|shown| shown.value.into_owned()) {
            Some(super::merge::Value::Integer(total)) => total,
            _ => 0,
        };
        (state, total)
    }

    /// Gives this node's share of `state` a new version, sum and deadline.
    fn count(&self, state: KeyState, version: Version, by: i64, ttl: Option<Ttl>) -> Option<Mixed> {
        let (epoch, before) = match state.shown_ever() {
            Some(shown) => (shown.epoch, shown.ttl),
            None => (Version::ZERO, Ttl::default()),
        };
        let sum = match state.cell(self.tag).map(|cell| &cell.sum) {
            Some(Amount::Integer(sum)) => sum.wrapping_add(by),
            Some(Amount::Decimal(_) | Amount::Score { .. }) => return None,
            None => by,
        };
        let ttl = ttl.unwrap_or(before);
        let op = effect::Op::Count {
            db: 0,
            key: b"",
            epoch,
            sum: AmountRef::Integer(sum),
            deadline: ttl.deadline,
            deadline_version: (ttl.version != version).then_some(ttl.version),
        };
        let (state, total) = self.mix(state, &op, version);
        let mut elements = Vec::new();
        state.encode(&mut elements);
        Some(Mixed {
            total,
            elements,
            epoch,
            sum,
            deadline: state.shown_ever().and_then(|shown| shown.ttl.deadline),
            deadline_version: ttl.version,
        })
    }
}

impl Journal for WorkerJournal {
    fn record(&mut self, slot: u16, link: Link, replaced: &[Replaced<'_>], ops: &[store::Op<'_>]) {
        let slot = Slot::new(slot).expect("the store names slots that there are");
        let tag = self.tag;
        let part = self.step.as_mut().map(|step| part_of(step, slot, link));
        let (deps, gathered) = match part {
            Some(part) => (&mut part.deps, Some(&mut part.ops)),
            None => {
                self.deps = Vector::new();
                (&mut self.deps, None)
            }
        };
        let mut see = |dot: Version| {
            // Zero stands for what was written before replication began, which is this node's own.
            if dot.tag() != tag && !dot.is_zero() {
                deps.raise(dot);
            }
        };
        for replaced in replaced {
            match replaced {
                Replaced::Plain(dot) => see(*dot),
                Replaced::Mixed(elements) => decode(elements).dots(&mut see),
                Replaced::Field(field) => decode_field(field).dots(&mut see),
                Replaced::Collection(collection) => {
                    collection_tops(collection, Version::ZERO, &mut see);
                }
            }
        }
        if let Some(out) = gathered {
            let ops = ops.iter().filter(|op| !matches!(op, store::Op::Noop));
            return ops.for_each(|op| effect::encode_op(out, &wire_op(op, link.version)));
        }
        let deps = &self.deps;
        let place = (link.previous, link.version);
        self.log.append(slot, link.version, |out| match ops {
            [store::Op::Noop] => effect::encode(out, slot, place, deps, &[]),
            [op] => effect::encode(out, slot, place, deps, &[wire_op(op, link.version)]),
            ops => {
                let ops: Vec<_> = ops.iter().map(|op| wire_op(op, link.version)).collect();
                effect::encode(out, slot, place, deps, &ops);
            }
        });
        self.written.push((slot, link.version));
    }

    fn begin(&mut self) {
        self.step = Some(Vec::new());
    }

    fn commit(&mut self) {
        for Part { slot, link, deps, ops } in self.step.take().into_iter().flatten() {
            self.log.append(slot, link.version, |out| {
                effect::encode_whole(out, slot, (link.previous, link.version), &deps, &ops);
            });
            self.written.push((slot, link.version));
        }
    }

    fn add(&mut self, before: Option<State<'_>>, link: Link, by: i64, total: i64) -> Mixed {
        let state = before.map(of_state).unwrap_or_default();
        self.count(state, link.version, by, None).unwrap_or_else(|| {
            // A sum of decimals cannot be continued by integers exactly; the total stands anew as what counting begins from.
            let cells = KeyState::default();
            let mut mixed = self
                .count(cells, link.version, total, None)
                .expect("there are no decimals in an empty state");
            mixed.deadline = before.and_then(|state| state.deadline);
            mixed
        })
    }

    fn add_to_element(
        &mut self,
        before: Option<ElementState<'_>>,
        link: Link,
        step: Step,
    ) -> Option<MixedElement> {
        let state = |it: ElementState<'_>| field_of(it.stamp, it.value, Version::ZERO);
        let mut field = before.map(state).unwrap_or_default();
        let epoch = field.shown_ever().map_or(Version::ZERO, |shown| shown.epoch);
        let sum = match (step, field.cell(self.tag).map(|cell| cell.sum.as_ref())) {
            (Step::Integer(by), None) => AmountRef::Integer(by),
            (Step::Integer(by), Some(AmountRef::Integer(sum))) => {
                AmountRef::Integer(sum.wrapping_add(by))
            }
            (Step::Score { before, after }, None) => {
                AmountRef::Score { from: before.to_bits(), reached: after.to_bits() }
            }
            (Step::Score { before, after }, Some(AmountRef::Score { from, reached })) => {
                let reached = match f64::from_bits(reached) {
                    // Nobody else counts: what was reached is what is seen.
                    reached if reached == before => after,
                    reached => reached + (after - before),
                };
                AmountRef::Score { from, reached: reached.to_bits() }
            }
            _ => return None,
        };
        // This node has seen everything that it holds.
        let mut everything = Vector::new();
        everything.raise_floor(Version::from_bits(u64::MAX));
        let context = Context { version: link.version, others: &everything };
        field.count(epoch, sum, Ttl { deadline: None, version: link.version }, &context);
        let shown = field.shown_ever()?.value.to_bytes();
        let mut siblings = Vec::new();
        field.encode(&mut siblings);
        Some(MixedElement { shown, siblings, told: MixedTold { epoch, sum } })
    }

    fn expire(&mut self, elements: &[u8], link: Link, deadline: Option<UnixMs>) -> Option<Mixed> {
        let ttl = Ttl { deadline, version: link.version };
        self.count(decode(elements), link.version, 0, Some(ttl))
    }

    fn as_any(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

/// The part of a step in `slot`.
fn part_of(step: &mut Vec<Part>, slot: Slot, link: Link) -> &mut Part {
    let index = step.iter().position(|part| part.slot == slot).unwrap_or_else(|| {
        step.push(Part { slot, link, deps: Vector::new(), ops: Vec::new() });
        step.len() - 1
    });
    &mut step[index]
}

/// What the store says, as it travels.
fn wire_op<'o>(op: &store::Op<'o>, version: Version) -> effect::Op<'o> {
    match *op {
        store::Op::Put { db, key, value, deadline, deadline_version } => {
            effect::Op::Put { db, key, value, value_version: None, deadline, deadline_version }
        }
        store::Op::Delete { db, key } => effect::Op::Delete { db, key },
        store::Op::Deadline { db, key, base, deadline } => {
            effect::Op::Deadline { db, key, base, deadline }
        }
        store::Op::Count { db, key, mixed } => effect::Op::Count {
            db,
            key,
            epoch: mixed.epoch,
            sum: AmountRef::Integer(mixed.sum),
            deadline: mixed.deadline,
            deadline_version: (mixed.deadline_version != version).then_some(mixed.deadline_version),
        },
        store::Op::Splice { db, key, base, len, offset, bytes } => {
            effect::Op::Splice { db, key, base, len, offset, bytes }
        }
        store::Op::Elements { db, key, kind, changes } => {
            effect::Op::Elements { db, key, kind, changes }
        }
        store::Op::Head { db, key, deadline } => effect::Op::Head { db, key, deadline },
        store::Op::Noop => unreachable!("stands alone, without operations"),
    }
}
