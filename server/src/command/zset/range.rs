//! ZRANGE and its kin.

use super::bounds::Bounds;
use crate::admin::pubsub::notify::Events;
use crate::command::collection::notify_stored;
use crate::command::gathered::Combined;
use crate::command::long_reply::{self, Said, Stretch};
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::{Collection, Expiry, Kind};
use crate::types::collection::{Limits, Stamp, Zset, ZsetView};
use crate::types::rdb;
use torc_protocol::{Args, Reply, WireError};

/// What a range is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// What is asked for, but the bounds.
#[derive(Debug, Clone, Copy)]
struct Asked {
    by: By,
    reverse: bool,
    limit: Option<(i64, i64)>,
    with_scores: bool,
}

impl Asked {
    const fn new(by: By, reverse: bool) -> Self {
        Asked { by, reverse, limit: None, with_scores: false }
    }

    /// The options from `index` on. `is_free`: BYSCORE, BYLEX and REV are among them; `may_score`: WITHSCORES is.
    fn options(
        mut self,
        args: Args<'_>,
        mut index: usize,
        is_free: bool,
        may_score: bool,
    ) -> Result<Self, WireError> {
        // Each of REV, and of BYSCORE and BYLEX, may be said once.
        let mut has_by = false;
        while index < args.len() {
            let left = args.len() - index - 1;
            if may_score && args.is(index, "WITHSCORES") {
                self.with_scores = true;
            } else if args.is(index, "LIMIT") && left >= 2 {
                self.limit = Some((integer(&args[index + 1])?, integer(&args[index + 2])?));
                index += 2;
            } else if is_free && !self.reverse && args.is(index, "REV") {
                self.reverse = true;
            } else if is_free && !has_by && args.is(index, "BYLEX") {
                self.by = By::Member;
                has_by = true;
            } else if is_free && !has_by && args.is(index, "BYSCORE") {
                self.by = By::Score;
                has_by = true;
            } else {
                return Err(WireError::Syntax);
            }
            index += 1;
        }
        // A count of -1 is what there is without LIMIT, and its offset means nothing to ranks.
        if self.by == By::Rank && self.limit.take().is_some_and(|(_, count)| count != -1) {
            return Err(WireError::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if self.with_scores && self.by == By::Member {
            return Err(WireError::fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        Ok(self)
    }

    /// The bounds, which stand the other way round where scores or members go down.
    fn bounds<'a>(&self, first: &'a [u8], second: &'a [u8]) -> Result<Bounds<'a>, WireError> {
        match (self.by, self.reverse) {
            (By::Rank, _) => Bounds::ranks_of(first, second),
            (By::Score, false) => Bounds::scores(first, second),
            (By::Score, true) => Bounds::scores(second, first),
            (By::Member, false) => Bounds::members(first, second),
            (By::Member, true) => Bounds::members(second, first),
        }
    }

    /// The members asked for.
    fn stretch(&self, zset: ZsetView<'_>, bounds: Bounds<'_>) -> Stretch {
        let bounds = if self.reverse { bounds.reversed(zset.len()) } else { bounds };
        let (mut from, mut to) = bounds.ranks(zset);
        if let Some((offset, count)) = self.limit {
            // A negative offset passes over everything, a negative count is none.
            let skip = u64::try_from(offset).unwrap_or(u64::MAX).min(to - from);
            let kept = u64::try_from(count).unwrap_or(u64::MAX).min(to - from - skip);
            match self.reverse {
                false => (from, to) = (from + skip, from + skip + kept),
                true => (from, to) = (to - skip - kept, to - skip),
            }
        }
        Stretch { from, to, reverse: self.reverse }
    }

    /// The members asked for, to be stored.
    fn copy(&self, zset: ZsetView<'_>, bounds: Bounds<'_>, limits: &Limits) -> Zset {
        let Stretch { from, to, reverse } = self.stretch(zset, bounds);
        let (mut result, mut buffer) = (Zset::new(), itoa::Buffer::new());
        if self.by == By::Rank && to - from > limits.entries_max as u64 {
            // Redis knows their number beforehand, so that they never are in a small form, which forgets the signs of zeros.
            result.convert(limits.hash);
        }
        for known in zset.range(from, to, reverse) {
            result.insert(known.member.text(&mut buffer), known.score, Stamp::NONE, limits);
        }
        result
    }
}

fn answer(
    ctx: &mut Ctx<'_>,
    asked: Asked,
    args: Args<'_>,
    is_free: bool,
    reply: &mut Reply<'_>,
) -> Outcome {
    let asked = asked.options(args, 4, is_free, true)?;
    let bounds = asked.bounds(&args[2], &args[3])?;
    let Some(entry) = ctx.keyspace().read(&args[1]) else {
        return long_reply::answer_nothing(Said::Ranked, reply);
    };
    let found = entry.collection(Kind::Zset)?;
    let stretch = asked.stretch(found.zset(), bounds);
    let said = if asked.with_scores { Said::Scored } else { Said::Ranked };
    long_reply::answer(ctx, found, said, stretch, reply)
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub(crate) fn zrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, Asked::new(By::Rank, false), args, true, reply)
}

/// `ZREVRANGE key start stop [WITHSCORES]`
pub(crate) fn zrevrange(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, Asked::new(By::Rank, true), args, false, reply)
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub(crate) fn zrangebyscore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, Asked::new(By::Score, false), args, false, reply)
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub(crate) fn zrevrangebyscore(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    answer(ctx, Asked::new(By::Score, true), args, false, reply)
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub(crate) fn zrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, Asked::new(By::Member, false), args, false, reply)
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub(crate) fn zrevrangebylex(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, Asked::new(By::Member, true), args, false, reply)
}

/// The errors of ZRANGESTORE's arguments.
pub(crate) fn check_range(args: Args<'_>) -> Result<(), WireError> {
    let asked = Asked::new(By::Rank, false).options(args, 5, true, false)?;
    asked.bounds(&args[3], &args[4]).map(|_| ())
}

/// What ZRANGESTORE comes to with a source that was fetched.
pub(crate) fn range_of_fetched(
    args: Args<'_>,
    found: Option<Collection>,
    bounds: &rdb::Bounds,
) -> Result<Combined, WireError> {
    let asked = Asked::new(By::Rank, false).options(args, 5, true, false)?;
    let range = asked.bounds(&args[3], &args[4])?;
    let result = match found {
        None => Zset::new(),
        Some(Collection::Zset(zset)) => asked.copy(zset.view(), range, &bounds.zset),
        Some(_) => return Err(WireError::WrongType),
    };
    Ok(Combined::Zset(result, false))
}

/// `ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub(crate) fn zrangestore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Asked::new(By::Rank, false).options(args, 5, true, false)?;
    let bounds = asked.bounds(&args[3], &args[4])?;
    let (destination, source) = (&args[1], &args[2]);
    let mut keyspace = ctx.keyspace();
    let limits = keyspace.limits(Kind::Zset);
    let mut transaction = keyspace.transaction(&[destination, source]);
    let mut result = Zset::new();
    if let Some(entry) = transaction.look_up(source) {
        let found = entry.collection(Kind::Zset)?;
        result = asked.copy(found.zset(), bounds, &limits);
    }
    let len = result.view().len();
    let replaced = transaction.read(destination).is_some();
    transaction.put_collection(destination, result.into(), Expiry::Never);
    transaction.commit();
    notify_stored(ctx, Events::SORTED_SET, "zrangestore", (destination, replaced), len);
    reply.integer(len as i64);
    Ok(Flow::Next)
}
