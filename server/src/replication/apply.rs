//! Applies other nodes' effects to the store.
//!
//! Most operations meet a key that is absent or plain and known to their origin; they are done without looking at the value. The rest goes by the key's whole
//! state, as [`super::merge`] defines it.

#[cfg(test)]
mod tests;

use super::chain::{Chain, Offer};
use super::effect::{Batch, DecodeError, Decoded, Effect, LonePut, Op};
use super::merge::{BaseMissing, Context, ElementId};
use super::slots::Slots;
use super::stored::{
    Stored, element_field, head_of, is_surely_seen, key_state, merged, plain_dot, put_field,
    put_plain, remove_element,
};
use crate::base::clock::UnixMs;
use crate::base::limits::BATCH_COMMANDS_MAX;
use crate::base::version::{Tag, Version};
use crate::store::{
    Amended, Collection, ElementChange, Entry, Guard, KeyHash, KeyHint, Keyspace, Kind, Local,
    Merged, Spliced, State, Store, Value,
};
use crate::types::collection::Limits;
use torc_protocol::peer::message::Ack;
use torc_protocol::slot::Slot;

/// Effects whose keys memory is asked for together, before the first is applied. More would not lie in the cache any more by their turn.
const EFFECTS_AHEAD: usize = BATCH_COMMANDS_MAX;

/// An effect of a batch, with the bytes that it came from.
type Item<'a> = Result<(Decoded<'a>, &'a [u8]), DecodeError>;

/// What applying takes from the thread that does it.
pub struct Applier<'a> {
    /// The store.
    pub store: &'a Store,
    /// The thread's part of it.
    pub local: &'a mut Local,
    /// Its pin.
    pub guard: &'a Guard,
    /// What is known of the slots.
    pub slots: &'a Slots,
    /// The time.
    pub now: UnixMs,
}

/// Where the first key of an effect is, for its look-up.
fn hint_of(effect: &Effect<'_>, place: KeyHash) -> KeyHint {
    match effect.first().and_then(Op::key) {
        Some((_, key)) => KeyHint::new(key, place),
        None => KeyHint::none(),
    }
}

/// Appends that the chain of a slot is applied up to `version`.
#[inline]
fn acknowledge(slot: Slot, version: Version, tag: Tag, acks: &mut Vec<Ack>) {
    let ack = Ack { slot, tag: tag.get(), version: version.get() };
    match acks.last_mut() {
        Some(last) if last.slot == slot && last.tag == ack.tag => *last = ack,
        _ => acks.push(ack),
    }
}

impl Applier<'_> {
    /// Applies a batch of effects as far as their chains allow, and appends what is now applied of each chain that moved.
    ///
    /// # Errors
    /// Where the bytes are no effects; what stands before them was applied. The link is to be closed.
    pub fn batch(&mut self, bytes: &[u8], acks: &mut Vec<Ack>) -> Result<(), DecodeError> {
        let mut effects = Batch::new(bytes);
        let mut group = Vec::with_capacity(EFFECTS_AHEAD);
        loop {
            while group.len() < EFFECTS_AHEAD
                && let Some(item) = effects.next_decoded()
            {
                group.push(item);
            }
            if group.is_empty() {
                return Ok(());
            }
            let places = self.ask_ahead(&group);
            // Where they lie: moved out one by one, each would be copied once more.
            for (effect, place) in group.iter().zip(places) {
                match effect {
                    Ok((Decoded::LonePut(put), bytes)) => self.lone_put(put, bytes, place, acks),
                    Ok((Decoded::Effect(effect), bytes)) => {
                        self.effect(effect, bytes, hint_of(effect, place), acks);
                    }
                    &Err(DecodeError::Unsupported { slot, kind, version }) => {
                        tracing::warn!(
                            kind,
                            version,
                            "an effect of a later release cannot be applied; update this node"
                        );
                        self.slots.mark_dirty(slot);
                    }
                    &Err(error) => return Err(error),
                }
            }
            group.clear();
        }
    }

    /// Asks memory for the first keys of effects that are about to be applied, and says where each of them is. Keys of another database than the first's are not asked for.
    fn ask_ahead(&self, effects: &[Item<'_>]) -> [KeyHash; EFFECTS_AHEAD] {
        let mut places = [KeyHash::default(); EFFECTS_AHEAD];
        let mut asked = [KeyHash::default(); EFFECTS_AHEAD];
        let (mut count, mut database, mut any_of_collections) = (0, None, false);
        for (effect, place) in effects.iter().zip(&mut places) {
            let db = match effect {
                Ok((Decoded::LonePut(put), _)) => {
                    *place = self.store.place_in(put.slot, put.key);
                    put.db
                }
                Ok((Decoded::Effect(effect), _)) => {
                    let Some((db, key)) = effect.first().and_then(Op::key) else { continue };
                    *place = self.store.place(key);
                    any_of_collections |= matches!(effect.first(), Some(Op::Elements { .. }));
                    db
                }
                Err(_) => continue,
            };
            if *database.get_or_insert(db) == db {
                (asked[count], count) = (*place, count + 1);
            }
        }
        let asked = &asked[..count];
        if count > 1
            && let Some(ahead) = database.and_then(|db| self.store.ahead(self.guard, db))
        {
            let asked = || asked.iter().copied();
            if any_of_collections { ahead.ask_collections(asked) } else { ahead.ask(asked) }
        }
        places
    }

    /// As [`Applier::effect`], of the commonest ones. Most are next in their chain, and what their keys hold is plain and known to their origin.
    #[inline]
    fn lone_put(&mut self, put: &LonePut<'_>, bytes: &[u8], place: KeyHash, acks: &mut Vec<Ack>) {
        let LonePut { slot, previous, version, db, key, bytes: value } = *put;
        let slots = self.slots;
        let mut chain = slots.lock(slot);
        let is_done =
            version.tag() != slots.tag() && chain.is_next(previous, version, self.now) && {
                let context = chain.known_context(version);
                let overrules = |dot| context.has_seen(dot);
                self.keyspace(db).put_plain(place, key, value, version, overrules)
            };
        if !is_done {
            drop(chain);
            return self.effect(&Effect::from(*put), bytes, KeyHint::new(key, place), acks);
        }
        chain.applied_next(version);
        let tag = version.tag();
        let mut applied = version;
        if chain.has_waiting() {
            self.drain(&mut chain, slot);
            applied = chain.vector().get(tag);
        }
        acknowledge(slot, applied, tag, acks);
    }

    fn effect(&mut self, effect: &Effect<'_>, bytes: &[u8], hint: KeyHint, acks: &mut Vec<Ack>) {
        let slots = self.slots;
        let slot = effect.slot;
        if effect.tag() == slots.tag() {
            // One of our own that came back, or another node's under our tag, which membership settles.
            return;
        }
        let mut chain = slots.lock(slot);
        if !effect.deps.get(slots.tag()).is_zero() {
            chain.know_own(slots.own(self.store, slot));
        }
        match chain.offer(effect, bytes, self.now, slots.limits()) {
            Offer::Apply => {
                if self.next(&mut chain, effect, hint) {
                    self.drain(&mut chain, slot);
                } else {
                    slots.mark_dirty(slot);
                }
            }
            // It was applied before, and its acknowledgement may have been lost.
            Offer::Duplicate => {}
            Offer::Stashed => return slots.mark_waiting(slot),
            Offer::Dropped | Offer::Refused => return slots.mark_dirty(slot),
        }
        let tag = effect.tag();
        acknowledge(slot, chain.vector().get(tag), tag, acks);
    }

    /// Applies what waited and is next now.
    fn drain(&mut self, chain: &mut Chain, slot: Slot) {
        self.drain_some(chain, slot, usize::MAX);
    }

    /// As [`Applier::drain`], `count` effects at most. Returns whether no more is next.
    pub fn drain_some(&mut self, chain: &mut Chain, slot: Slot, count: usize) -> bool {
        for _ in 0..count {
            let Some(bytes) = chain.take_ready() else { return true };
            let Ok(effect) = Effect::decode(&bytes) else { continue };
            if !self.next(chain, &effect, KeyHint::none()) {
                self.slots.mark_dirty(slot);
                return true;
            }
        }
        false
    }

    /// Applies the effect that is next; whether that could be done.
    fn next(&mut self, chain: &mut Chain, effect: &Effect<'_>, hint: KeyHint) -> bool {
        let mut others = effect.deps.clone();
        let context = chain.context(effect.version, &mut others);
        // Several operations are a transaction: nobody here sees half of it either.
        let is_transaction = effect.others().next().is_some();
        if is_transaction {
            let ops: Vec<Op<'_>> = effect.ops().collect();
            let keys = ops.iter().filter_map(Op::key);
            self.store.hold(self.local, self.guard, self.now, keys);
        }
        let first = effect.first().map_or(Ok(()), |op| self.op(op, &context, hint));
        let done =
            first.and_then(|()| effect.others().try_for_each(|op| self.op(&op, &context, hint)));
        if is_transaction {
            self.store.release(self.local, self.guard, self.now);
        }
        match done {
            Ok(()) => chain.applied(effect),
            Err(BaseMissing) => chain.miss(),
        }
        done.is_ok()
    }

    fn keyspace(&mut self, db: u8) -> Keyspace<'_, '_> {
        self.store.keyspace(self.local, self.guard, db, self.now)
    }

    fn op(&mut self, op: &Op<'_>, context: &Context<'_>, hint: KeyHint) -> Result<(), BaseMissing> {
        // A flush arrives as the deletes that it came to.
        let Some((db, key)) = op.key() else { return Err(BaseMissing) };
        let (origin, shapes) = (self.store.origin_version(), self.store.shapes());
        let mut keyspace = self.keyspace(db).with_hint(hint);
        if let Op::Splice { base, len, offset, bytes, .. } = *op {
            let place = (offset as usize, bytes);
            let spliced = keyspace.splice(key, base, context.version, len as usize, place);
            if spliced == Spliced::Done {
                return Ok(());
            }
        }
        if let Op::Elements { kind, changes, .. } = *op {
            let limits = shapes.limits(kind);
            let amend = |collection: &mut Collection| {
                for change in changes.iter() {
                    change_element(collection, &change, context, &limits, origin);
                }
            };
            if keyspace.amend(key, kind, context.version, amend) == Amended::Done {
                return Ok(());
            }
        }
        loop {
            let seen = keyspace.see(key);
            let stored;
            let what = match quick(op, seen.entry(), context, origin) {
                Some(what) => what,
                None => {
                    let mut state =
                        seen.entry().map(|it| key_state(it, origin)).unwrap_or_default();
                    state.apply(op, context)?;
                    stored = Stored::of(&state, shapes);
                    merged(&stored)
                }
            };
            if keyspace.settle(key, &seen, what).is_ok() {
                return Ok(());
            }
        }
    }
}

/// What an operation comes to where the key's state need not be looked at.
fn quick<'o>(
    op: &Op<'o>,
    entry: Option<Entry<'_>>,
    context: &Context<'_>,
    origin: Version,
) -> Option<Merged<'o>> {
    if let (Op::Head { deadline, .. }, Some(entry)) = (op, entry)
        && entry.kind() != Kind::String
        && entry.elements().is_none()
        && head_of(entry, origin).is_none_or(|head| context.has_seen(head.ttl.version))
    {
        return Some(Merged::Deadline(*deadline, context.version));
    }
    if let Some(entry) = entry
        && !is_surely_seen(entry, origin, &|dot| context.has_seen(dot))
    {
        return None;
    }
    match *op {
        Op::Put { value, value_version, deadline, deadline_version, .. } => {
            let version = value_version.unwrap_or(context.version);
            let deadline_version = match (value_version, deadline_version) {
                (None, None) => None,
                (_, set) => Some(set.unwrap_or(context.version)).filter(|set| *set != version),
            };
            let value = Value::Plain(value);
            Some(Merged::Put(State { value, version, deadline, deadline_version }))
        }
        Op::Delete { .. } => Some(Merged::Remove),
        _ => None,
    }
}

/// Does one change to a collection. Mostly the origin has seen all that the element holds here, so that its state need not be looked at.
fn change_element(
    collection: &mut Collection,
    change: &ElementChange<'_>,
    context: &Context<'_>,
    limits: &Limits,
    origin: Version,
) {
    let ElementId { id, .. } = ElementId::of(change, collection.kind(), context.version);
    let is_seen = match plain_dot(collection, &id, origin) {
        Some(Some(dot)) => context.has_seen(dot),
        Some(None) => false,
        None => true,
    };
    match change {
        ElementChange::Put { value, .. } if is_seen => {
            put_plain(collection, &id, *value, context.version, limits);
        }
        ElementChange::Remove { .. } if is_seen => remove_element(collection, &id, origin),
        change => {
            let mut field = element_field(collection, &id, origin).unwrap_or_default();
            field.change(change, context);
            put_field(collection, &id, &field, limits, origin);
        }
    }
}
