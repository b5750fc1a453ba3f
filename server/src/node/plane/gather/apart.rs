//! Taking a command apart: its keys by slot, for each slot a unit that asks for its part, and the plan by which the parts become the reply.

use super::{Begin, Gathering, Job, Plan, Plane, Sink, Target, new_unit};
use crate::admin::Instance;
use crate::cluster::View;
use crate::command::gathered::{stores, stores_last};
use crate::command::generic::sort_without_store;
use crate::node::plane::resp;
use std::collections::BTreeMap;
use torc_protocol::Args;
use torc_protocol::command::{CommandSpec, Flags, key_positions};
use torc_protocol::slot::{Slot, slot_of};

/// Of each slot the positions of its keys among those that are read, or written one by one.
type BySlot = BTreeMap<u16, Vec<u32>>;

impl Plane {
    /// Takes a command apart by slot. `slots` are those of its keys, or none if the client waits for it altogether.
    pub(in crate::node) fn gather(
        &mut self,
        instance: &Instance,
        view: &View,
        begin: Begin,
        (gathering, spec, args): (Gathering, &CommandSpec, Args<'_>),
        slots: Option<Vec<u16>>,
    ) {
        let Ok(positions) = key_positions(spec, &args) else { return };
        let keys: Vec<usize> = positions.iter().map(|key| key.index).collect();
        let sources = match gathering {
            Gathering::Copy { .. } | Gathering::Sorted => &keys[..1],
            Gathering::Fetched { name } if stores_last(name) => &keys[..1],
            Gathering::Fetched { name } if stores(name) => &keys[1..],
            // BITOP overwrites its destination unread.
            Gathering::Combine(_) => &keys[1..],
            _ => &keys,
        };
        let mut by_slot = BySlot::new();
        for (position, &index) in sources.iter().enumerate() {
            let slot = slot_of(&args[index]).index() as u16;
            by_slot.entry(slot).or_default().push(position as u32);
        }
        let writes = match gathering {
            Gathering::Sum => spec.flags.contains(Flags::WRITE),
            Gathering::AllOk => true,
            _ => false,
        };
        let number = self.number();
        let mut units = Vec::with_capacity(by_slot.len());
        for (part, (&slot, positions)) in by_slot.iter().enumerate() {
            let Some(slot) = Slot::new(slot) else { continue };
            let of_part = positions.iter().map(|&position| sources[position as usize]);
            let (commands, count) = part_commands(gathering, args, of_part);
            let sink = Sink::Job(number, part);
            units.push(new_unit(&begin, Target::Slot(slot), sink, commands, count, writes));
        }
        let ends = (keys[0], keys[keys.len() - 1]);
        let plan = plan(gathering, args, ends, by_slot, sources.len());
        let barrier = slots.is_none();
        let mut job = Job::new(begin, plan, units.len(), slots.unwrap_or_default(), barrier);
        job.writes = writes;
        self.jobs.insert(number, job);
        for unit in units {
            self.start(instance, view, unit);
        }
    }
}

/// What the server of one slot is asked: commands, and how many. `keys` are where its keys stand in `args`.
fn part_commands(
    gathering: Gathering,
    args: Args<'_>,
    keys: impl Iterator<Item = usize>,
) -> (Vec<u8>, u32) {
    let mut commands = Vec::new();
    let name = std::iter::once(&args[0]);
    let mut push = |words: Vec<&[u8]>| resp::push_command(words.into_iter(), &mut commands);
    let count = match gathering {
        Gathering::Values | Gathering::Sum => {
            push(name.chain(keys.map(|index| &args[index])).collect());
            1
        }
        Gathering::AllOk => {
            let pairs = keys.flat_map(|index| [&args[index], &args[index + 1]]);
            push(name.chain(pairs).collect());
            1
        }
        Gathering::Copy { .. } => {
            push(vec![b"DUMP", &args[1]]);
            push(vec![b"PEXPIRETIME", &args[1]]);
            2
        }
        Gathering::Fetched { .. } => {
            keys.map(|index| push(vec![b"DUMP", &args[index]])).count() as u32
        }
        Gathering::Sorted => {
            push(sort_without_store(args).unwrap_or_default());
            1
        }
        Gathering::CountUnion | Gathering::Combine(_) | Gathering::MergeUnion => {
            keys.map(|index| push(vec![b"GET", &args[index]])).count() as u32
        }
    };
    (commands, count)
}

/// How the parts become the reply. `first` and `last` are where the first key and the last stand in `args`.
fn plan(
    gathering: Gathering,
    args: Args<'_>,
    (first, last): (usize, usize),
    by_slot: BySlot,
    sources: usize,
) -> Plan {
    let mut order = vec![(0, 0); sources];
    for (part, positions) in by_slot.values().enumerate() {
        for (nth, &position) in positions.iter().enumerate() {
            order[position as usize] = (part, nth);
        }
    }
    match gathering {
        Gathering::Values => Plan::Values(by_slot.into_values().collect()),
        Gathering::Sum => Plan::Sum,
        Gathering::AllOk => Plan::AllOk,
        Gathering::CountUnion => Plan::CountUnion(order),
        Gathering::Combine(operation) => Plan::Combine(operation, order, args[first].to_vec()),
        Gathering::MergeUnion => Plan::MergeUnion(order, args[first].to_vec()),
        Gathering::Copy { to_db, replace } => Plan::Copy { to: args[2].to_vec(), to_db, replace },
        Gathering::Fetched { name } => {
            let mut request = Vec::new();
            resp::push_command(args.iter(), &mut request);
            let to = if stores_last(name) { last } else { first };
            let to = stores(name).then(|| args[to].to_vec());
            Plan::Fetched { name, order, request, to }
        }
        Gathering::Sorted => Plan::Sorted { to: args[last].to_vec() },
    }
}
