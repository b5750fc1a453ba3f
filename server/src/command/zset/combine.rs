//! Sorted sets of sorted sets: unions, intersections and differences. Sets take part, each of their members with the score 1.

use super::write_all;
use crate::admin::pubsub::notify::Events;
use crate::command::collection::notify_stored;
use crate::command::gathered::{Combined, stores};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Collection, CollectionRef, Entry, Expiry, Kind};
use crate::types::collection::{Limits, Stamp, Zset};
use crate::types::rdb::Bounds;
use torc_protocol::number::parse_f64;
use torc_protocol::{Args, Reply, WireError};

/// How sorted sets are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    Union,
    Inter,
    Diff,
}

/// What becomes of the scores of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Aggregate::Sum => not_nan(a + b),
            Aggregate::Min => a.min(b),
            Aggregate::Max => a.max(b),
        }
    }
}

/// Infinities of both signs, and 0 times an infinity, come to 0, as in Redis.
fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// What is asked for.
#[derive(Debug)]
struct Asked {
    /// Where the keys begin, and how many there are.
    keys: (usize, usize),
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    limit: u64,
}

impl Asked {
    /// The keys, whose number stands at `index`. Their types are looked at before what stands behind them.
    fn keys(args: Args<'_>, index: usize, name: &'static str) -> Result<Self, WireError> {
        let count = integer(&args[index])?;
        if count < 1 {
            let line = format!("ERR at least 1 input key is needed for '{name}' command");
            return Err(WireError::Line(line.into()));
        }
        let left = args.len() - index - 1;
        let count = usize::try_from(count).ok().filter(|&count| count <= left);
        let count = count.ok_or(WireError::Syntax)?;
        Ok(Asked {
            keys: (index + 1, count),
            weights: vec![1.0; count],
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        })
    }

    /// What stands behind the keys.
    fn options(
        &mut self,
        args: Args<'_>,
        how: How,
        kind: Reading,
        sources: &mut [Source<'_>],
    ) -> Result<(), WireError> {
        let (first, count) = self.keys;
        let mut at = first + count;
        while at < args.len() {
            at += self.option(args, at, how, kind)?;
        }
        for (source, &weight) in sources.iter_mut().zip(&self.weights) {
            source.weight = weight;
        }
        Ok(())
    }

    /// One option; how many arguments it takes.
    fn option(
        &mut self,
        args: Args<'_>,
        at: usize,
        how: How,
        kind: Reading,
    ) -> Result<usize, WireError> {
        let left = args.len() - at - 1;
        if kind == Reading::Count {
            if !args.is(at, "LIMIT") || left < 1 {
                return Err(WireError::Syntax);
            }
            self.limit = integer(&args[at + 1])
                .ok()
                .and_then(|limit| u64::try_from(limit).ok())
                .ok_or(WireError::fixed("ERR LIMIT can't be negative"))?;
            return Ok(2);
        }
        if how != How::Diff && args.is(at, "WEIGHTS") && left >= self.weights.len() {
            for (weight, text) in self.weights.iter_mut().zip(args.iter().skip(at + 1)) {
                *weight = parse_f64(text)
                    .filter(|weight| !weight.is_nan())
                    .ok_or(WireError::fixed("ERR weight value is not a float"))?;
            }
            return Ok(1 + self.weights.len());
        }
        if how != How::Diff && args.is(at, "AGGREGATE") && left >= 1 {
            self.aggregate = match () {
                () if args.is(at + 1, "SUM") => Aggregate::Sum,
                () if args.is(at + 1, "MIN") => Aggregate::Min,
                () if args.is(at + 1, "MAX") => Aggregate::Max,
                () => return Err(WireError::Syntax),
            };
            return Ok(2);
        }
        if kind == Reading::Answer && args.is(at, "WITHSCORES") {
            self.with_scores = true;
            return Ok(1);
        }
        Err(WireError::Syntax)
    }
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Answer,
    Store,
    Count,
}

/// One of those that are combined.
struct Source<'g> {
    found: Option<CollectionRef<'g>>,
    weight: f64,
}

impl<'g> Source<'g> {
    fn of(found: Option<Entry<'g>>) -> Result<Self, WireError> {
        let found = match found {
            Some(entry) if entry.kind() == Kind::Set => Some(entry.collection(Kind::Set)?),
            Some(entry) => Some(entry.collection(Kind::Zset)?),
            None => None,
        };
        Ok(Source { found, weight: 1.0 })
    }

    fn len(&self) -> u64 {
        match &self.found {
            Some(found) if found.kind() == Kind::Set => found.set().len(),
            Some(found) => found.zset().len(),
            None => 0,
        }
    }

    /// The weighted score of a member. It may be no number, which matters only where it is added to others: Redis does not look at it before.
    fn score(&self, member: &[u8]) -> Option<f64> {
        let score = match self.found.as_ref()? {
            found if found.kind() == Kind::Set => found.set().contains(member).then_some(1.0),
            found => found.zset().score(member),
        };
        score.map(|score| score * self.weight)
    }

    /// Calls `visit` with each member and its weighted score, until it answers false.
    fn each(&self, mut visit: impl FnMut(&[u8], f64) -> bool) {
        let mut buffer = itoa::Buffer::new();
        match &self.found {
            Some(found) if found.kind() == Kind::Set => {
                let mut members = found.set().iter();
                members.all(|known| visit(known.member.text(&mut buffer), not_nan(self.weight)));
            }
            Some(found) => {
                let mut members = found.zset().iter();
                members.all(|known| {
                    let score = not_nan(known.score * self.weight);
                    visit(known.member.text(&mut buffer), score)
                });
            }
            None => {}
        }
    }
}

/// Calls `visit` with the members that all have, until it answers false. Goes by the smallest; scores are added up in the order of the sizes, as in Redis.
fn inter(sources: &[Source<'_>], aggregate: Aggregate, visit: &mut dyn FnMut(&[u8], f64) -> bool) {
    let mut order: Vec<&Source<'_>> = sources.iter().collect();
    order.sort_by_key(|source| source.len());
    let Some((smallest, others)) = order.split_first() else { return };
    smallest.each(|member, score| {
        let all = others.iter().try_fold(score, |sum, other| {
            other.score(member).map(|score| aggregate.of(sum, score))
        });
        all.is_none_or(|score| visit(member, score))
    });
}

/// The result in its big form: the small one forgets the sign of a negative zero, as in Redis, which makes it small only to store it.
fn combine(sources: &[Source<'_>], how: How, aggregate: Aggregate, limits: &Limits) -> Zset {
    let mut result = Zset::new();
    result.convert(limits.hash);
    match how {
        How::Inter => inter(sources, aggregate, &mut |member, score| {
            result.insert(member, score, Stamp::NONE, limits);
            true
        }),
        How::Union => {
            let mut order: Vec<&Source<'_>> = sources.iter().collect();
            order.sort_by_key(|source| source.len());
            for source in order {
                source.each(|member, score| {
                    let known = result.view().score(member);
                    let score = known.map_or(score, |known| aggregate.of(known, score));
                    result.insert(member, score, Stamp::NONE, limits);
                    true
                });
            }
        }
        How::Diff => {
            let Some((first, others)) = sources.split_first() else { return result };
            first.each(|member, score| {
                if others.iter().all(|other| other.score(member).is_none()) {
                    result.insert(member, score, Stamp::NONE, limits);
                }
                true
            });
        }
    }
    result
}

fn read_all<'g>(
    ctx: &mut Ctx<'g>,
    args: Args<'_>,
    asked: &Asked,
) -> Result<Vec<Source<'g>>, WireError> {
    let (first, count) = asked.keys;
    let mut sources = Vec::with_capacity(count);
    ctx.keyspace().read_together(
        count,
        |index| &args[first + index],
        |found| {
            sources.push(Source::of(found)?);
            Ok::<_, WireError>(())
        },
    )?;
    Ok(sources)
}

fn answer(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    how: How,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut asked = Asked::keys(args, 1, name)?;
    let limits = ctx.keyspace().limits(Kind::Zset);
    let mut sources = read_all(ctx, args, &asked)?;
    asked.options(args, how, Reading::Answer, &mut sources)?;
    let result = combine(&sources, how, asked.aggregate, &limits);
    write_all(reply, &result, asked.with_scores);
    Ok(Flow::Next)
}

fn store(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    how: How,
    name: &'static str,
    reply: &mut Reply<'_>,
) -> Outcome {
    let mut asked = Asked::keys(args, 2, name)?;
    let (first, count) = asked.keys;
    let mut keyspace = ctx.keyspace();
    let limits = keyspace.limits(Kind::Zset);
    let sources_keys = || args.iter().skip(first).take(count);
    let keys: Vec<&[u8]> = std::iter::once(&args[1]).chain(sources_keys()).collect();
    let mut transaction = keyspace.transaction(&keys);
    let mut sources = Vec::with_capacity(count);
    for key in sources_keys() {
        sources.push(Source::of(transaction.look_up(key))?);
    }
    asked.options(args, how, Reading::Store, &mut sources)?;
    let result = combine(&sources, how, asked.aggregate, &limits).packed_if_small(&limits);
    drop(sources);
    let len = result.view().len();
    let replaced = transaction.read(&args[1]).is_some();
    transaction.put_collection(&args[1], result.into(), Expiry::Never);
    transaction.commit();
    notify_stored(ctx, Events::SORTED_SET, name, (&args[1], replaced), len);
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// `ZUNION numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(crate) fn zunion(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, How::Union, "zunion", reply)
}

/// `ZINTER numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX] [WITHSCORES]`
pub(crate) fn zinter(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, How::Inter, "zinter", reply)
}

/// `ZDIFF numkeys key … [WITHSCORES]`
pub(crate) fn zdiff(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, How::Diff, "zdiff", reply)
}

/// `ZUNIONSTORE destination numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(crate) fn zunionstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, How::Union, "zunionstore", reply)
}

/// `ZINTERSTORE destination numkeys key … [WEIGHTS weight …] [AGGREGATE SUM | MIN | MAX]`
pub(crate) fn zinterstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, How::Inter, "zinterstore", reply)
}

/// `ZDIFFSTORE destination numkeys key …`
pub(crate) fn zdiffstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, How::Diff, "zdiffstore", reply)
}

/// `ZINTERCARD numkeys key … [LIMIT limit]`
pub(crate) fn zintercard(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut asked = Asked::keys(args, 1, "zintercard")?;
    let mut sources = read_all(ctx, args, &asked)?;
    asked.options(args, How::Inter, Reading::Count, &mut sources)?;
    reply.integer(card(&sources, asked.limit) as i64);
    Ok(Flow::Next)
}

/// How many members all have, up to `limit` if that is not 0.
fn card(sources: &[Source<'_>], limit: u64) -> u64 {
    let mut found = 0;
    inter(sources, Aggregate::Sum, &mut |_, _| {
        found += 1;
        limit == 0 || found < limit
    });
    found
}

/// What the command `name` comes to with sets and sorted sets that were fetched.
pub(crate) fn combine_fetched(
    name: &str,
    args: Args<'_>,
    fetched: Vec<Option<Collection>>,
    bounds: &Bounds,
) -> Result<Combined, WireError> {
    let (name, how) = match name {
        "zunion" => ("zunion", How::Union),
        "zunionstore" => ("zunionstore", How::Union),
        "zinter" => ("zinter", How::Inter),
        "zinterstore" => ("zinterstore", How::Inter),
        "zintercard" => ("zintercard", How::Inter),
        "zdiff" => ("zdiff", How::Diff),
        _ => ("zdiffstore", How::Diff),
    };
    let kind = match name {
        "zintercard" => Reading::Count,
        _ if stores(name) => Reading::Store,
        _ => Reading::Answer,
    };
    let mut asked = Asked::keys(args, if kind == Reading::Store { 2 } else { 1 }, name)?;
    let of = |found: Option<Collection>| match found {
        None => Ok(Source { found: None, weight: 1.0 }),
        Some(found @ (Collection::Set(_) | Collection::Zset(_))) => {
            Ok(Source { found: Some(CollectionRef::Detached(Box::new(found))), weight: 1.0 })
        }
        Some(_) => Err(WireError::WrongType),
    };
    let mut sources =
        fetched.into_iter().map(of).collect::<Result<Vec<Source<'_>>, WireError>>()?;
    asked.options(args, how, kind, &mut sources)?;
    if kind == Reading::Count {
        return Ok(Combined::Count(card(&sources, asked.limit)));
    }
    let result = combine(&sources, how, asked.aggregate, &bounds.zset);
    Ok(Combined::Zset(
        if kind == Reading::Store { result.packed_if_small(&bounds.zset) } else { result },
        asked.with_scores,
    ))
}
