//! The libraries of the node: one immutable shelf, which all workers read, and who changes it.

use super::records::{Record, Records, Stamp};
use super::told::Telling;
use super::{Function, FunctionRef, Library};
use crate::base::clock::UnixMs;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a library costs besides its text, and a function besides its name and description.
const LIBRARY_OVERHEAD_BYTES: usize = 256;
const FUNCTION_OVERHEAD_BYTES: usize = 128;

/// All libraries as they were at one moment.
#[derive(Debug, Default)]
pub struct Shelf {
    libraries: Vec<Arc<Library>>,
    /// By name in lower case.
    functions: HashMap<String, FunctionRef>,
    bytes: usize,
}

impl Shelf {
    pub(super) fn of(records: &Records) -> Self {
        let mut shelf = Shelf::default();
        // Two nodes that do not hear of each other may give two libraries a function of one name. The later library has it, on every node.
        let mut since: HashMap<String, Stamp> = HashMap::new();
        for (stamp, library) in records.libraries() {
            shelf.bytes += bytes_of(library);
            for (index, function) in library.functions().iter().enumerate() {
                let name = function.name.to_ascii_lowercase();
                if since.get(&name).is_none_or(|earlier| *earlier < stamp) {
                    since.insert(name.clone(), stamp);
                    let function = FunctionRef { library: Arc::clone(library), index };
                    shelf.functions.insert(name, function);
                }
            }
            shelf.libraries.push(Arc::clone(library));
        }
        shelf
    }

    /// The libraries, in the order of their names.
    pub fn libraries(&self) -> &[Arc<Library>] {
        &self.libraries
    }

    /// The function of this name, in any case.
    pub fn function(&self, name: &[u8]) -> Option<&FunctionRef> {
        let name = std::str::from_utf8(name).ok()?;
        self.functions.get(&name.to_ascii_lowercase())
    }

    /// How many functions can be called.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// The bytes that libraries and functions take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(in crate::script) fn has(&self, id: u64) -> bool {
        self.libraries.iter().any(|library| library.id() == id)
    }
}

fn bytes_of(library: &Library) -> usize {
    let of_function = |it: &Function| {
        FUNCTION_OVERHEAD_BYTES + it.name.len() + it.description.as_ref().map_or(0, Vec::len)
    };
    let functions: usize = library.functions().iter().map(of_function).sum();
    LIBRARY_OVERHEAD_BYTES + library.text().len() + functions
}

/// Who changes the libraries, and when.
#[derive(Debug, Clone, Copy)]
pub struct By {
    /// The time.
    pub now: UnixMs,
    /// The node's id; 0 for a node without a ring.
    pub origin: u64,
    /// Bytes that all libraries may take.
    pub bytes_max: u64,
}

/// What becomes of libraries that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They stay; one of the same name is an error.
    Append,
    /// Those of the same names give way.
    Replace,
    /// All give way.
    Flush,
}

/// Why libraries were not added. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is a library of this name.
    Library(String),
    /// Another library has a function of this name.
    Function(String),
    /// All together would take too much.
    Full,
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Libraries {
    pub(super) records: Mutex<Records>,
    pub(super) telling: Telling,
    shelf: ArcSwap<Shelf>,
    changes: AtomicU64,
}

impl Libraries {
    /// The libraries as they are now.
    pub fn shelf(&self) -> Arc<Shelf> {
        self.shelf.load_full()
    }

    /// How often they have changed, so that an interpreter sees whether it has some that are gone.
    pub(in crate::script) fn changes(&self) -> u64 {
        // Relaxed: who reads it late keeps what nobody calls a moment longer.
        self.changes.load(Ordering::Relaxed)
    }

    /// Adds libraries, all or none. One that a peer has told already is no second one: clients of clusters load at every node.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn add(&self, libraries: &[Arc<Library>], policy: Policy, by: By) -> Result<(), Refused> {
        let mut records = self.records.lock();
        let mut next = records.clone();
        if policy == Policy::Flush {
            let stamp = next.next_stamp(by.now, by.origin);
            next.flush(stamp);
        }
        let mut is_new = |library: &&Arc<Library>| {
            policy != Policy::Append || !next.repeat(library.name(), Some(library.text()))
        };
        let libraries: Vec<&Arc<Library>> = libraries.iter().filter(&mut is_new).collect();
        if libraries.is_empty() && policy == Policy::Append {
            *records = next;
            return Ok(());
        }
        if policy != Policy::Replace
            && let Some(library) = libraries.iter().find(|it| next.library(it.name()).is_some())
        {
            return Err(Refused::Library(library.name().to_owned()));
        }
        for library in &libraries {
            if next.library(library.name()).is_some() {
                let stamp = next.next_stamp(by.now, by.origin);
                next.put(library.name(), Record::said(stamp, None));
            }
        }
        for library in &libraries {
            if next.library(library.name()).is_some() {
                return Err(Refused::Library(library.name().to_owned()));
            }
            let taken = |function: &&Function| {
                let has = |it: &Function| it.name.eq_ignore_ascii_case(&function.name);
                next.libraries().any(|(_, library)| library.functions().iter().any(has))
            };
            if let Some(function) = library.functions().iter().find(taken) {
                return Err(Refused::Function(function.name.clone()));
            }
            let stamp = next.next_stamp(by.now, by.origin);
            next.put(library.name(), Record::said(stamp, Some(Arc::clone(library))));
        }
        let shelf = Shelf::of(&next);
        // What is there already may be beyond a limit that was lowered; less is never refused.
        if shelf.bytes as u64 > by.bytes_max && shelf.bytes > self.shelf().bytes {
            return Err(Refused::Full);
        }
        *records = next;
        self.publish(shelf);
        self.telling.told.note(libraries.iter().map(|library| library.name().to_owned()));
        Ok(())
    }

    /// Deletes a library. Returns whether there was one of this name, or a peer has told that it is deleted and this is the first to ask for it here.
    pub fn delete(&self, name: &str, by: By) -> bool {
        let mut records = self.records.lock();
        if records.library(name).is_none() {
            return records.repeat(name, None);
        }
        let stamp = records.next_stamp(by.now, by.origin);
        records.put(name, Record::said(stamp, None));
        self.publish(Shelf::of(&records));
        self.telling.told.note(std::iter::once(name.to_owned()));
        true
    }

    /// Deletes all libraries.
    pub fn flush(&self, by: By) {
        let mut records = self.records.lock();
        let stamp = records.next_stamp(by.now, by.origin);
        records.flush(stamp);
        self.publish(Shelf::of(&records));
        self.telling.told.note(std::iter::empty());
    }

    /// Shows a shelf to the workers. The caller holds the records that it was made of.
    pub(super) fn publish(&self, shelf: Shelf) {
        self.shelf.store(Arc::new(shelf));
        self.changes.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    const BY: By = By { now: 2_000_000_000_000, origin: 0, bytes_max: 1 << 20 };

    fn library(name: &str, functions: &[&str]) -> Arc<Library> {
        let source = Source::parse(format!("#!lua name={name}\n").as_bytes()).unwrap();
        let function = |name: &&str| Function::new((*name).into(), None, Default::default());
        Library::new(source, functions.iter().map(function).collect())
    }

    fn names(libraries: &Libraries) -> Vec<String> {
        libraries.shelf().libraries().iter().map(|it| it.name().to_owned()).collect()
    }

    #[test]
    fn libraries_are_added_all_or_none() {
        let shelves = Libraries::default();
        let add = |libraries: &[Arc<Library>], policy| shelves.add(libraries, policy, BY);
        assert_eq!(add(&[library("a", &["f", "G"])], Policy::Append), Ok(()));
        assert!(
            shelves.shelf().function(b"F").is_some() && shelves.shelf().function(b"g").is_some()
        );
        let twice = add(&[library("b", &["h"]), library("a", &["i"])], Policy::Append);
        assert_eq!(twice, Err(Refused::Library("a".into())));
        let taken = add(&[library("b", &["g"])], Policy::Replace);
        assert_eq!(taken, Err(Refused::Function("g".into())));
        assert_eq!(names(&shelves), ["a"]);
        assert_eq!(add(&[library("b", &["h"]), library("a", &["i"])], Policy::Replace), Ok(()));
        assert!(shelves.shelf().function(b"f").is_none(), "what was replaced is gone");
        assert_eq!(add(&[library("c", &["h"])], Policy::Flush), Ok(()));
        assert_eq!((names(&shelves), shelves.shelf().function_count()), (vec!["c".into()], 1));
        assert!(!shelves.delete("a", BY) && shelves.delete("c", BY));
        assert_eq!((names(&shelves), shelves.shelf().bytes()), (vec![], 0));
    }

    #[test]
    fn of_two_functions_of_one_name_the_later_librarys_is_called() {
        for order in [["a", "b"], ["b", "a"]] {
            let mut records = Records::default();
            for name in order {
                let stamp = records.next_stamp(BY.now, 0);
                records.put(name, Record::said(stamp, Some(library(name, &["f"]))));
            }
            let shelf = Shelf::of(&records);
            let found = shelf.function(b"F").map(|function| function.library().name());
            assert_eq!((found, shelf.function_count()), (Some(order[1]), 1));
        }
    }

    #[test]
    fn what_libraries_take_is_bounded() {
        let shelves = Libraries::default();
        let by = By { bytes_max: 1_000, ..BY };
        assert_eq!(shelves.add(&[library("a", &["f"])], Policy::Append, by), Ok(()));
        let large: String = "g".repeat(800);
        let full = shelves.add(&[library("b", &[&large])], Policy::Append, by);
        assert_eq!(full, Err(Refused::Full));
        let by = By { bytes_max: 1, ..by };
        assert_eq!(
            shelves.add(&[library("a", &["f"])], Policy::Replace, by),
            Ok(()),
            "no more than before"
        );
        assert_eq!(names(&shelves), ["a"]);
    }
}
