//! Commands whose keys lie with several nodes, and those that concern all of them: taken apart, asked, put together.
//!
//! | | parts | put together |
//! |---|---|---|
//! | MGET | by slot | by position |
//! | DEL, UNLINK, EXISTS, TOUCH | by slot | sum |
//! | MSET | by slot; each is one atomic step | OK |
//! | PFCOUNT, BITOP, PFMERGE | GET of each key | computed here; BITOP and PFMERGE then SET the destination |
//! | COPY | DUMP and PEXPIRETIME of the source | RESTORE at the destination |
//! | SINTER, ZUNION and their kin, ZRANGESTORE, GEOSEARCHSTORE, GEORADIUS … STORE | DUMP of each source | combined here; …STORE then RESTOREs the destination |
//! | SORT … STORE | SORT_RO of the source | RESTORE at the destination |
//! | DBSIZE, KEYS, RANDOMKEY, FLUSHALL, FLUSHDB, WAIT | by node, each for the slots that it serves | sum, list, by weight, OK, least |
//!
//! The first part that fails, in the order of the slots, gives the error. What is gathered first and written then is no snapshot: a source may
//! change in between, as the guarantees say.

mod apart;
mod pure;
mod together;
mod wide;

use super::unit::{Pace, Sink, Snapshot, Target, Trouble, Unit};
use super::{ClientKey, Counted, Plane};
use crate::base::limits::GATHER_SLOTS_TRACKED_MAX;
use crate::command::consistency::Seen;
use crate::command::gathered::{check_first, is_gathered};
use crate::command::generic::sort_without_store;
use crate::node::replies::HoleId;
use crate::types::bitmap::Operation;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::command::{CommandSpec, key_positions};
use torc_protocol::slot::slot_of;
use torc_protocol::{Args, WireError};

/// A command that can be taken apart by slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Gathering {
    Values,
    Sum,
    AllOk,
    CountUnion,
    Combine(Operation),
    MergeUnion,
    Copy {
        to_db: u8,
        replace: bool,
    },
    /// Sets and sorted sets, combined; what is stored goes to the first key, or to the last.
    Fetched {
        name: &'static str,
    },
    /// SORT that stores.
    Sorted,
}

impl Gathering {
    /// Whether `spec` can be taken apart at all.
    pub fn may(spec: &CommandSpec) -> bool {
        matches!(
            spec.full_name,
            "mget"
                | "mset"
                | "del"
                | "unlink"
                | "exists"
                | "touch"
                | "pfcount"
                | "bitop"
                | "pfmerge"
                | "copy"
                | "sort"
        ) || is_gathered(spec.full_name)
    }

    /// How `args`, which call `spec`, are taken apart.
    ///
    /// # Errors
    /// What the command itself answers where its arguments are wrong.
    pub fn of(spec: &CommandSpec, args: Args<'_>, db: u8) -> Result<Option<Self>, WireError> {
        Ok(Some(match spec.full_name {
            "mget" => Gathering::Values,
            "del" | "unlink" | "exists" | "touch" => Gathering::Sum,
            "mset" if args.len().is_multiple_of(2) => {
                return Err(WireError::WrongArity("mset".into()));
            }
            "mset" => Gathering::AllOk,
            "pfcount" => Gathering::CountUnion,
            "pfmerge" => Gathering::MergeUnion,
            "bitop" => Gathering::Combine(crate::command::bitmap::operation(args)?),
            "copy" => {
                let (to_db, replace) = crate::command::generic::copy_options(args, db)?;
                Gathering::Copy { to_db, replace }
            }
            "sort" => {
                sort_without_store(args)?;
                Gathering::Sorted
            }
            name if is_gathered(name) => {
                check_first(name, args)?;
                Gathering::Fetched { name }
            }
            _ => return Ok(None),
        }))
    }
}

/// A command that concerns all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) enum Wide {
    /// DBSIZE.
    Sum,
    /// KEYS.
    List,
    /// RANDOMKEY.
    Pick,
    /// FLUSHALL, FLUSHDB.
    Flush,
    /// What all nodes do and answer alike: SCRIPT LOAD, SCRIPT FLUSH.
    Same,
    /// WAIT, WAITAOF: for what the session wrote, at those who serve it now.
    Least(Counted, Seen),
}

/// How the parts become the reply.
#[derive(Debug)]
enum Plan {
    /// The values of part `n` go to the positions `[n]`.
    Values(Vec<Vec<u32>>),
    Sum,
    AllOk,
    /// The values of the keys in their order, each by part and number within it.
    CountUnion(Vec<(usize, usize)>),
    Combine(Operation, Vec<(usize, usize)>, Vec<u8>),
    MergeUnion(Vec<(usize, usize)>, Vec<u8>),
    Copy {
        to: Vec<u8>,
        to_db: u8,
        replace: bool,
    },
    Fetched {
        name: &'static str,
        order: Vec<(usize, usize)>,
        /// The command, as a client sends it.
        request: Vec<u8>,
        to: Option<Vec<u8>>,
    },
    Sorted {
        to: Vec<u8>,
    },
    /// The last step of a command that writes what was gathered: this is the reply if it succeeds, and that if the key is taken.
    Stored {
        reply: Vec<u8>,
        taken: Option<Vec<u8>>,
    },
    Wide(Wide, Vec<u8>, u64),
}

/// A command that was taken apart.
#[derive(Debug)]
pub(super) struct Job {
    key: ClientKey,
    hole: Option<HoleId>,
    plan: Plan,
    parts: Vec<Option<Result<Vec<u8>, Vec<u8>>>>,
    left: usize,
    slots: Vec<u16>,
    barrier: bool,
    versions: Vec<(u16, u64)>,
    session: Arc<Snapshot>,
    deadline: Duration,
    /// Whether its parts change something, each on its own.
    writes: bool,
}

/// What a gathered command is begun with.
pub(in crate::node) struct Begin {
    pub key: ClientKey,
    pub hole: Option<HoleId>,
    pub session: Arc<Snapshot>,
    pub deadline: Duration,
}

/// The slots of all keys, each once; `None` if there are more than can be kept track of.
pub(in crate::node) fn tracked_slots(spec: &CommandSpec, args: Args<'_>) -> Option<Vec<u16>> {
    let mut slots = Vec::new();
    for key in key_positions(spec, &args).ok()?.iter() {
        let slot = slot_of(&args[key.index]).index() as u16;
        if !slots.contains(&slot) {
            if slots.len() >= GATHER_SLOTS_TRACKED_MAX {
                return None;
            }
            slots.push(slot);
        }
    }
    Some(slots)
}

impl Job {
    fn new(begin: Begin, plan: Plan, parts: usize, slots: Vec<u16>, barrier: bool) -> Job {
        let Begin { key, hole, session, deadline } = begin;
        Job {
            key,
            hole,
            plan,
            parts: vec![None; parts],
            left: parts,
            slots,
            barrier,
            versions: Vec::new(),
            session,
            deadline,
            writes: false,
        }
    }
}

fn new_unit(
    begin: &Begin,
    target: Target,
    sink: Sink,
    commands: Vec<u8>,
    count: u32,
    writes: bool,
) -> Unit {
    Unit {
        target,
        sink,
        commands,
        count,
        writes,
        blocking: false,
        blocked: None,
        redirects: None,
        session: begin.session.clone(),
        refreshed: false,
        pace: Pace::Whole,
        deadline: begin.deadline,
        attempts: 0,
        trouble: Trouble::None,
    }
}
