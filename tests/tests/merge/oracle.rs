//! What a history of writes comes to, said once more and more simply than the product says it: of all elements that were
//! written, those stay that no write which had seen them removed. It keeps everything for ever, compares all with all, and knows no join.

use torc_server::base::version::Version;
use torc_server::replication::merge::{Cell, Element, KeyState, Merge, Register};
use torc_server::replication::vector::Vector;

/// An element of a key.
#[derive(Debug, Clone)]
pub enum Added {
    Register(Register),
    Cell(Cell),
}

/// What a step removes of what its write had seen.
#[derive(Debug, Clone)]
pub enum Removes {
    /// Everything of the key.
    Key,
    /// Of the key: every register, and cells of another epoch.
    ForDeadline { epoch: Version },
    /// Of the key: its own cell and, if there is an epoch, whatever does not belong to it.
    ForCount { epoch: Version },
    /// Everything, of every key.
    All,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub key: &'static [u8],
    pub removes: Removes,
    pub adds: Option<Added>,
}

/// One effect.
#[derive(Debug, Clone)]
pub struct Written {
    pub version: Version,
    pub seen: Vector,
    pub steps: Vec<Step>,
}

impl Added {
    fn dot(&self) -> Version {
        match self {
            Added::Register(register) => register.dot(),
            Added::Cell(cell) => cell.dot(),
        }
    }
}

impl Step {
    fn removes(&self, by: Version, key: &[u8], added: &Added) -> bool {
        if matches!(self.removes, Removes::All) {
            return true;
        }
        let of_key = self.key == key;
        of_key
            && match (&self.removes, added) {
                (Removes::Key | Removes::All, _) => true,
                (Removes::ForDeadline { .. }, Added::Register(_)) => true,
                (Removes::ForDeadline { epoch }, Added::Cell(cell)) => cell.epoch != *epoch,
                (Removes::ForCount { epoch }, Added::Register(register)) => {
                    !epoch.is_zero() && register.version != *epoch
                }
                (Removes::ForCount { epoch }, Added::Cell(cell)) => {
                    cell.version.tag() == by.tag() || (!epoch.is_zero() && cell.epoch != *epoch)
                }
            }
    }
}

/// The state of `key` after those of `history` that `upto` covers.
pub fn state_of(history: &[Written], upto: &Vector, key: &[u8]) -> KeyState {
    let known: Vec<&Written> = history.iter().filter(|it| upto.covers(it.version)).collect();
    let mut state = KeyState::default();
    for written in &known {
        for (index, step) in written.steps.iter().enumerate().filter(|(_, it)| it.key == key) {
            let Some(added) = &step.adds else { continue };
            let later_here = &written.steps[index + 1..];
            let gone = later_here.iter().any(|it| it.removes(written.version, key, added))
                || known.iter().any(|other| {
                    other.version != written.version
                        && has_seen(other, added.dot())
                        && other.steps.iter().any(|it| it.removes(other.version, key, added))
                });
            match added {
                _ if gone => {}
                Added::Register(register) => state.add_register(register.clone()),
                Added::Cell(cell) => state.add_cell(cell.clone()),
            }
        }
    }
    debug_assert!(state.is_empty() || state.shown_ever().is_some());
    state
}

fn has_seen(written: &Written, dot: Version) -> bool {
    written.seen.covers(dot) || (dot.tag() == written.version.tag() && dot < written.version)
}
