//! Where slots are served. Sans-IO: parses what servers say, and says when to ask them again.

mod parse;
mod refresh;

pub(crate) use parse::{Table, parse_slots, parse_zones};
pub(crate) use refresh::{Reason, Refresh};
