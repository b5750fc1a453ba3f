//! Keys' states as the store keeps them: a single value is a plain entry; anything else is a mixed one, whose elements the store does not understand.

use super::merge::{KeyState, Merge, Register, Ttl, Value};
use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::store::{self, Entry, Merged, State};
use torc_protocol::peer::wire::Reader;

/// The state that an entry stands for. `origin` is the version of an entry that has none.
pub fn key_state(entry: Entry<'_>, origin: Version) -> KeyState {
    match entry.elements() {
        Some(elements) => decode(elements),
        None => entry.with_state(origin, of_state),
    }
}

/// As [`key_state`], of what the store shows its journal.
pub fn of_state(state: State<'_>) -> KeyState {
    match state.value {
        store::Value::Mixed(_, elements) => decode(elements),
        store::Value::Plain(value) => KeyState::with_register(Register {
            version: state.version,
            ttl: ttl(&state),
            value: Value::from(value),
        }),
    }
}

/// The deadline of a plain state.
pub fn ttl(state: &State<'_>) -> Ttl {
    Ttl { deadline: state.deadline, version: state.deadline_version.unwrap_or(state.version) }
}

/// Elements that the store keeps for us were written by us.
pub fn decode(elements: &[u8]) -> KeyState {
    KeyState::decode(&mut Reader::new(elements)).expect("the store gives back what it was given")
}

/// The dots of an entry's elements.
pub fn dots(entry: Entry<'_>, origin: Version, visit: &mut dyn FnMut(Version)) {
    match entry.elements() {
        Some(elements) => decode(elements).dots(visit),
        None => {
            let version = entry.version().unwrap_or(origin);
            visit(version.max(entry.deadline_version().unwrap_or_default()));
        }
    }
}

/// Whether `vector` covers all of an entry.
pub fn is_covered(entry: Entry<'_>, origin: Version, vector: &Vector) -> bool {
    let mut covered = true;
    dots(entry, origin, &mut |dot| covered &= vector.covers(dot));
    covered
}

/// A state in the form in which the store takes it.
#[derive(Debug)]
pub struct Stored {
    value: Value,
    elements: Option<Vec<u8>>,
    version: Version,
    deadline: Option<UnixMs>,
    deadline_version: Option<Version>,
}

impl Stored {
    /// What the store is to keep of `state`; nothing if nothing is left.
    pub fn of(state: &KeyState) -> Option<Stored> {
        let shown = state.shown_ever()?;
        let mut registers = state.registers().iter();
        if let (Some(register), None, true) =
            (registers.next(), registers.next(), state.cells().is_empty())
        {
            let set = register.ttl.version;
            return Some(Stored {
                value: shown.value.into_owned(),
                elements: None,
                version: register.version,
                deadline: register.ttl.deadline,
                deadline_version: (set != register.version).then_some(set),
            });
        }
        let mut elements = Vec::new();
        state.encode(&mut elements);
        let mut version = Version::ZERO;
        state.dots(&mut |dot| version = version.max(dot));
        Some(Stored {
            value: shown.value.into_owned(),
            elements: Some(elements),
            version,
            deadline: shown.ttl.deadline,
            deadline_version: None,
        })
    }

    /// As the store takes it.
    pub fn state(&self) -> State<'_> {
        let shown = self.value.as_ref();
        State {
            value: match &self.elements {
                Some(elements) => store::Value::Mixed(shown, elements),
                None => store::Value::Plain(shown),
            },
            version: self.version,
            deadline: self.deadline,
            deadline_version: self.deadline_version,
        }
    }
}

/// What the store is to do to come to `stored`.
pub fn merged(stored: &Option<Stored>) -> Merged<'_> {
    match stored {
        Some(stored) => Merged::Put(stored.state()),
        None => Merged::Remove,
    }
}
