//! Libraries of functions: what FUNCTION LOAD keeps and FCALL calls.
//!
//! ```text
//!   text ── Source::parse ── Source ── script::load (an interpreter runs it once) ── Library ── Libraries::add ── Shelf
//!                                                                                                                  │ read by all workers
//!   FCALL ── Shelf::function ── FunctionRef ── engine: the worker's own interpreter loads the library when it first needs it
//! ```
//!
//! A library is text that registers functions when it is run. Which ones it registers is found once, by whoever adds it; the functions themselves belong to an
//! interpreter, and each worker has its own.
//!
//! In a ring all nodes have all libraries: [`records`] has how what they know merges, [`told`] how they tell each other.
//!
//! **Invariant.** A [`Shelf`] never changes: whoever looks something up in one sees all libraries as they were at one moment. A [`Library`] never changes either but for
//! hints, and its `id` is no other's in this process, so that an interpreter knows by it what it has loaded.
//!
//! Source: redis.io/docs/interact/programmability/functions-intro and the pages of FUNCTION; the replies of Redis 7.2.

mod records;
mod shelf;
mod source;
mod told;

pub use shelf::{By, Libraries, Policy, Refused, Shelf};
pub use source::Source;
pub use told::{LibraryLink, SETTLED_AFTER, TELL_AGAIN, Wanted};

use super::header::Permissions;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a library may take to register its functions.
pub const LOAD_TIME_MAX: Duration = Duration::from_millis(500);

/// The same for a library that was loaded somewhere before: it is known to come to an end, but this machine may be busier than that one.
pub const RELOAD_TIME_MAX: Duration = Duration::from_secs(5);

/// What the name of a library or function must be like.
pub(super) const NAME_RULE: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// Whether a library may be called so.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// One library, which was loaded once.
#[derive(Debug)]
pub struct Library {
    id: u64,
    source: Source,
    functions: Vec<Function>,
}

/// What a library said of a function when it registered it.
#[derive(Debug, Default)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for, if the library says so.
    pub description: Option<Vec<u8>>,
    /// Its flags.
    pub permissions: Permissions,
    alone: AtomicBool,
}

impl Function {
    /// A function of this name and description, and these flags.
    pub fn new(name: String, description: Option<Vec<u8>>, permissions: Permissions) -> Self {
        Function { name, description, permissions, alone: AtomicBool::new(false) }
    }
}

impl Library {
    /// A library whose text has registered these functions.
    pub fn new(source: Source, functions: Vec<Function>) -> Arc<Self> {
        /// Relaxed: only that no two are equal counts.
        static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        Arc::new(Library { id, source, functions })
    }

    /// No other's in this process.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Its text.
    pub fn text(&self) -> &[u8] {
        self.source.text()
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The functions, in the order in which they were registered.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }
}

/// A function of a library that is on a shelf.
#[derive(Debug, Clone)]
pub struct FunctionRef {
    library: Arc<Library>,
    index: usize,
}

impl FunctionRef {
    /// What was said of it.
    pub fn function(&self) -> &Function {
        &self.library.functions[self.index]
    }

    pub(super) fn library(&self) -> &Library {
        &self.library
    }

    /// Whether it was seen to come to keys that it does not declare, or to take long; see [`super::Script::wants_alone`].
    pub fn wants_alone(&self) -> bool {
        // Relaxed: a hint; who misses it finds out himself.
        self.function().alone.load(Ordering::Relaxed)
    }

    /// See [`FunctionRef::wants_alone`].
    pub fn set_alone(&self) {
        self.function().alone.store(true, Ordering::Relaxed);
    }
}
