//! Collections: every node answers the same, what was added is there, what was counted adds up, and what was removed is gone.
//!
//! | | certain, unless a crash took all copies | where sides served apart |
//! |---|---|---|
//! | added to a hash, set, sorted set or stream | there, unless removed | the same |
//! | removed by whoever saw it | gone | the same |
//! | counted | adds up | the same |
//! | pushed | there once, or popped | the same |
//! | popped | popped once | may be popped by both |
//! | delivered | pending until acknowledged | may be delivered by both |

use crate::collect::{Collect, delivered, entries, items, text};
use crate::history::{Ask, Outcome};
use crate::plan::Trouble;
use crate::reply::Reply;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};

/// What was asked of a collection, unless it certainly was not done.
struct Deed {
    ask: Collect,
    /// What was answered, if anything.
    reply: Option<Reply>,
    /// Whether it survives whatever struck.
    certain: bool,
    began: u64,
    ended: u64,
}

/// A collection's contents: what there is, with its number.
type Contents = Vec<(String, i64)>;

fn deeds(world: &World) -> BTreeMap<String, Vec<Deed>> {
    let least = match world.setup.trouble {
        Trouble::Storm => u8::MAX,
        Trouble::Crash => 2,
        _ => 1,
    };
    let mut all: BTreeMap<String, Vec<Deed>> = BTreeMap::new();
    for operation in world.history.iter().filter(|it| it.may_be_done()) {
        let Ask::Collect(ask) = &operation.ask else { continue };
        let reply = match &operation.outcome {
            Outcome::Done(reply) => Some(reply.clone()),
            _ => None,
        };
        let certain = reply.is_some() && operation.copies >= least;
        let (began, ended) = (operation.began, operation.ended);
        let deed = Deed { ask: ask.clone(), reply, certain, began, ended };
        all.entry(ask.key().clone()).or_default().push(deed);
    }
    all
}

/// What a reply to [`Collect::Read`] says of a collection.
fn contents(key: &str, reply: &Reply) -> Contents {
    let number = |it: &Reply| it.number().unwrap_or_default();
    let mut contents: Contents = match key.split(':').next() {
        Some("hash" | "zset") => {
            items(reply).chunks(2).map(|pair| (text(&pair[0]), number(&pair[1]))).collect()
        }
        Some("stream") => {
            return entries(reply).into_iter().map(|(id, value)| (id, value as i64)).collect();
        }
        Some("list") => return items(reply).iter().map(|it| (text(it), number(it))).collect(),
        _ => items(reply).iter().map(|it| (text(it), number(it))).collect(),
    };
    contents.sort();
    contents
}

/// Asks every node, and tells where they differ.
fn read_all(world: &mut World, asks: Vec<Collect>) -> BTreeMap<String, Reply> {
    let reader = world.add_guest(1, false);
    world.guests[reader].checks = true;
    let mut finals: BTreeMap<String, Reply> = BTreeMap::new();
    for home in (0..world.seats.len()).filter(|&home| world.is_running(home)).collect::<Vec<_>>() {
        let outcomes =
            world.ask_now(reader, home, asks.iter().cloned().map(Ask::Collect).collect());
        for (ask, outcome) in asks.iter().zip(outcomes) {
            let key = ask.key();
            let reply = match outcome {
                Outcome::Done(reply @ Reply::Array(_)) => reply,
                // No group was made.
                Outcome::Unknown(error) if error.starts_with("NOGROUP") => Reply::Array(Vec::new()),
                other => {
                    world.wrong(format!("collections: {home} answers {other:?} for {ask:?}"));
                    continue;
                }
            };
            let first = finals.entry(key.clone()).or_insert_with(|| reply.clone());
            let (first, other) = (contents(key, first), contents(key, &reply));
            let is_read = matches!(ask, Collect::Read(_));
            if is_read && first != other {
                world.wrong(format!(
                    "collections: {key} is {first:?} and, through {home}, {other:?}"
                ));
            }
        }
    }
    finals
}

pub fn check(world: &mut World) {
    let keys: Vec<String> = world.work.collections.keys.iter().cloned().collect();
    let deeds = deeds(world);
    let streams = keys.iter().filter(|key| key.starts_with("stream"));
    let pending = streams.cloned().map(Collect::Pending).collect();
    let finals = read_all(world, keys.iter().cloned().map(Collect::Read).collect());
    let pending = read_all(world, pending);
    let trouble = world.setup.trouble;
    let mut wrongs = Vec::new();
    for (key, reply) in &finals {
        let Some(deeds) = deeds.get(key) else { continue };
        let contents = contents(key, reply);
        let mut wrong = |what: String| wrongs.push(format!("collections: {key}: {what}"));
        check_elements(deeds, &contents, &mut wrong);
        check_counts(deeds, &contents, &mut wrong);
        match key.split(':').next() {
            Some("list") => check_pops(deeds, &contents, trouble, &mut wrong),
            Some("stream") => {
                let pending: BTreeSet<String> =
                    pending.get(key).map(items).unwrap_or_default().iter().map(first).collect();
                check_stream(deeds, &contents, &pending, trouble, &mut wrong);
            }
            _ => {}
        }
    }
    wrongs.into_iter().for_each(|it| world.wrong(it));
}

fn first(reply: &Reply) -> String {
    items(reply).first().map(text).unwrap_or_default()
}

/// What was added by itself is there once at most, if somebody added it, and if it is certain and nobody removed it; what was removed by whoever saw it is gone.
fn check_elements(deeds: &[Deed], contents: &Contents, wrong: &mut impl FnMut(String)) {
    let mut there = BTreeMap::new();
    for (name, number) in contents.iter().filter(|(name, _)| !name.starts_with('c')) {
        if there.insert(*number as u64, name).is_some() {
            wrong(format!("{number} is there twice"));
        }
    }
    let mut added = BTreeSet::new();
    let may_be_popped = deeds.iter().any(|it| matches!(it.ask, Collect::Pop(..)));
    for deed in deeds {
        let (Collect::Add(_, value) | Collect::AddFront(_, value)) = deed.ask else { continue };
        added.insert(value);
        let is_removed = |it: &Deed| matches!(it.ask, Collect::Remove(_, other) if other == value);
        let may_be_gone = may_be_popped || deeds.iter().any(is_removed);
        if deed.certain && !there.contains_key(&value) && !may_be_gone {
            wrong(format!("{value} was added and is lost"));
        }
    }
    for deed in deeds {
        if let Collect::Remove(_, value) = deed.ask
            && deed.certain
            && deed.reply == Some(Reply::Integer(1))
            && there.contains_key(&value)
        {
            wrong(format!("{value} was removed and is there"));
        }
    }
    for value in there.keys().filter(|value| !added.contains(value)) {
        wrong(format!("{value} is there, which nobody added"));
    }
}

fn check_counts(deeds: &[Deed], contents: &Contents, wrong: &mut impl FnMut(String)) {
    let mut counts: BTreeMap<u64, (i64, i64)> = BTreeMap::new();
    for deed in deeds {
        if let Collect::Count(_, field) = deed.ask {
            let (certain, possible) = counts.entry(field).or_default();
            *certain += i64::from(deed.certain);
            *possible += 1;
        }
    }
    for (field, (certain, possible)) in counts {
        let name = format!("c{field}");
        let sum = contents.iter().find(|(it, _)| *it == name).map_or(0, |(_, sum)| *sum);
        if !(certain..=possible).contains(&sum) {
            wrong(format!(
                "{name} is {sum}; {certain} increments are certain, {possible} possible"
            ));
        }
    }
}

/// What was pushed is in the list or was popped, by somebody who may not have heard of it; and by one alone, while one node serves.
fn check_pops(
    deeds: &[Deed],
    contents: &Contents,
    trouble: Trouble,
    wrong: &mut impl FnMut(String),
) {
    let there: BTreeSet<u64> = contents.iter().map(|(_, value)| *value as u64).collect();
    let mut popped: BTreeMap<u64, Vec<&Deed>> = BTreeMap::new();
    let mut silent = 0;
    for deed in deeds.iter().filter(|it| matches!(it.ask, Collect::Pop(..))) {
        match deed.reply.as_ref() {
            Some(reply) => {
                if let Some(value) = reply.number() {
                    popped.entry(value as u64).or_default().push(deed);
                }
            }
            None => silent += 1,
        }
    }
    let pushed = deeds.iter().filter(|it| it.certain).filter_map(|it| match it.ask {
        Collect::Add(_, value) | Collect::AddFront(_, value) => Some(value),
        _ => None,
    });
    let lost: Vec<u64> =
        pushed.filter(|value| !there.contains(value) && !popped.contains_key(value)).collect();
    if lost.len() > silent {
        wrong(format!(
            "{lost:?} were pushed and are lost, with {silent} pops that nobody heard of"
        ));
    }
    if matches!(trouble, Trouble::Split | Trouble::Storm) {
        return;
    }
    for (value, pops) in popped {
        let certain = || pops.iter().filter(|it| it.certain);
        let is_later =
            |one: &Deed, other: &Deed| !std::ptr::eq(one, other) && other.began >= one.ended;
        let again = |one: &Deed| pops.iter().any(|other| is_later(one, other));
        if certain().next().is_some() && there.contains(&value) {
            wrong(format!("{value} was popped and is there"));
        }
        if certain().any(|one| again(one)) {
            wrong(format!("{value} was popped and popped again"));
        }
    }
}

fn check_stream(
    deeds: &[Deed],
    contents: &Contents,
    pending: &BTreeSet<String>,
    trouble: Trouble,
    wrong: &mut impl FnMut(String),
) {
    let is_apart = matches!(trouble, Trouble::Split | Trouble::Storm);
    let ids: BTreeMap<i64, &String> = contents.iter().map(|(id, value)| (*value, id)).collect();
    let is_acknowledged = |id: &String| {
        deeds.iter().any(|it| matches!(&it.ask, Collect::Acknowledge(_, other) if other == id))
    };
    let mut seen = BTreeSet::new();
    for deed in deeds.iter().filter(|it| it.reply.is_some()) {
        let Some(reply) = &deed.reply else { continue };
        match &deed.ask {
            Collect::Add(_, value) if deed.certain => {
                let told = text(reply);
                if ids.get(&(*value as i64)).is_some_and(|id| **id != told) {
                    wrong(format!("{value} has another id than {told}"));
                }
            }
            Collect::Deliver(_) => {
                for id in delivered(reply) {
                    if deed.certain && !pending.contains(&id) && !is_acknowledged(&id) {
                        wrong(format!("{id} was delivered and is not pending"));
                    }
                    if !seen.insert(id.clone()) && trouble.is_stable() {
                        wrong(format!("{id} was delivered twice"));
                    }
                }
            }
            // Where the delivery was lost with its node there was nothing to acknowledge, as the reply says.
            Collect::Acknowledge(_, id)
                if deed.certain
                    && reply.number() == Some(1)
                    && !is_apart
                    && pending.contains(id) =>
            {
                wrong(format!("{id} was acknowledged and is pending"));
            }
            _ => {}
        }
    }
}
