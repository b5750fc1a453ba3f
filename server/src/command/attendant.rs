//! Who looks after a worker's other connections while a script of one of them keeps the worker.
//!
//! The script asks for it now and then, once the node is busy ([`super::eval`]). What it is, is the worker's own affair: commands know no connections.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;

/// The rest of a worker.
pub trait Attendant: Debug {
    /// Answers what has come meanwhile. Waits for nothing, and looks into no store.
    fn attend(&mut self);
}

/// An attendant that its worker takes back when the script is over.
pub type LentAttendant = Rc<RefCell<dyn Attendant>>;
