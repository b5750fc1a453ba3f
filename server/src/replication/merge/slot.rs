//! The state of a slot in its plainest form: keys and what they hold, without a store.
//!
//! The store's slots are held against it, and models and simulations run on it. An effect or a join takes place as a whole or not at all. Whose vector
//! belongs to it is the caller's: see [`super::super::chain::Chain`].

use super::key::{BaseMissing, KeyState};
use super::{Context, Merge};
use crate::base::clock::UnixMs;
use crate::replication::effect::{Effect, Op};
use crate::replication::vector::Vector;
use std::collections::BTreeMap;

/// Database and key.
type Name = (u8, Box<[u8]>);

/// See the module's description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotState {
    keys: BTreeMap<Name, KeyState>,
}

impl SlotState {
    /// Holds nothing.
    pub fn new() -> Self {
        SlotState::default()
    }

    /// The state of a key, if it has any.
    pub fn get(&self, db: u8, key: &[u8]) -> Option<&KeyState> {
        self.keys.get(&(db, key.into()))
    }

    /// Every key in order.
    pub fn iter(&self) -> impl Iterator<Item = ((u8, &[u8]), &KeyState)> {
        self.keys.iter().map(|((db, key), state)| ((*db, &key[..]), state))
    }

    /// Puts a state in the place of a key's.
    pub fn set(&mut self, db: u8, key: &[u8], state: KeyState) {
        match state.is_empty() {
            true => self.keys.remove(&(db, key.into())),
            false => self.keys.insert((db, key.into()), state),
        };
    }

    /// Applies an effect; nothing has changed if it fails.
    pub fn apply(&mut self, effect: &Effect<'_>, context: &Context<'_>) -> Result<(), BaseMissing> {
        let mut touched: BTreeMap<Name, KeyState> = BTreeMap::new();
        for op in effect.ops() {
            if let Op::Flush { db, .. } = op {
                let flushed = self.keys.iter().filter(|((of, _), _)| db.is_none_or(|db| db == *of));
                for (name, state) in flushed {
                    touched.entry(name.clone()).or_insert_with(|| state.clone());
                }
                for ((of, _), state) in &mut touched {
                    if db.is_none_or(|db| db == *of) {
                        state.apply(&op, context)?;
                    }
                }
            } else if let Some((db, key)) = op.key() {
                let name: Name = (db, key.into());
                let known = || self.keys.get(&name).cloned().unwrap_or_default();
                touched.entry(name.clone()).or_insert_with(known).apply(&op, context)?;
            }
        }
        touched.into_iter().for_each(|((db, key), state)| self.set(db, &key, state));
        Ok(())
    }

    /// Joins another state of the slot into this one; `own` and `theirs` are their vectors.
    pub fn join(&mut self, own: &Vector, mut other: SlotState, theirs: &Vector) {
        self.keys.retain(|name, state| {
            state.join(own, other.keys.remove(name).unwrap_or_default(), theirs);
            !state.is_empty()
        });
        for ((db, key), theirs_of_key) in other.keys {
            let mut state = KeyState::default();
            state.join(own, theirs_of_key, theirs);
            self.set(db, &key, state);
        }
    }

    /// Drops every element whose deadline lies at or before `before`.
    pub fn drop_expired(&mut self, before: UnixMs) {
        self.keys.retain(|_, state| {
            state.drop_expired(before);
            !state.is_empty()
        });
    }
}
