//! ZADD and ZINCRBY.

use crate::admin::pubsub::notify::Events;
use crate::command::value::float;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::Zset;
use torc_protocol::{Args, Reply, WireError};

/// What ZADD's options say.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::command) struct AddOptions {
    /// NX: members that are there stay as they are.
    pub(in crate::command) only_new: bool,
    /// XX: no member is added.
    pub(in crate::command) only_known: bool,
    only_greater: bool,
    only_less: bool,
    /// CH: members that change are counted, too.
    pub(in crate::command) count_changed: bool,
    increment: bool,
}

impl AddOptions {
    /// The options, and where scores and members begin.
    fn parse(args: Args<'_>) -> Result<(Self, usize), WireError> {
        let mut options = AddOptions::default();
        let mut index = 2;
        loop {
            let option = match args.get(index) {
                Some(_) if args.is(index, "NX") => &mut options.only_new,
                Some(_) if args.is(index, "XX") => &mut options.only_known,
                Some(_) if args.is(index, "GT") => &mut options.only_greater,
                Some(_) if args.is(index, "LT") => &mut options.only_less,
                Some(_) if args.is(index, "CH") => &mut options.count_changed,
                Some(_) if args.is(index, "INCR") => &mut options.increment,
                _ => break,
            };
            *option = true;
            index += 1;
        }
        let left = args.len() - index;
        if left == 0 || !left.is_multiple_of(2) {
            return Err(WireError::Syntax);
        }
        options.check(left / 2)?;
        Ok((options, index))
    }

    fn check(&self, pairs: usize) -> Result<(), WireError> {
        let refused = if self.only_new && self.only_known {
            "ERR XX and NX options at the same time are not compatible"
        } else if self.only_greater && self.only_less
            || self.only_new && (self.only_greater || self.only_less)
        {
            "ERR GT, LT, and/or NX options at the same time are not compatible"
        } else if self.increment && pairs > 1 {
            "ERR INCR option supports a single increment-element pair"
        } else {
            return Ok(());
        };
        Err(WireError::fixed(refused))
    }

    /// The score that a member gets; none if it stays as it is.
    fn score(&self, known: Option<f64>, given: f64) -> Result<Option<f64>, WireError> {
        let Some(before) = known else { return Ok((!self.only_known).then_some(given)) };
        if self.only_new {
            return Ok(None);
        }
        let score = if self.increment { before + given } else { given };
        if score.is_nan() {
            return Err(WireError::fixed("ERR resulting score is not a number (NaN)"));
        }
        let kept = self.only_greater && score <= before || self.only_less && score >= before;
        Ok((!kept).then_some(score))
    }
}

/// What became of members.
#[derive(Debug, Default)]
pub(in crate::command) struct Done {
    added: i64,
    changed: i64,
    /// The last score that was set.
    score: Option<f64>,
}

impl Done {
    /// How many members the command says it has added, or changed if it was asked to.
    pub(in crate::command) fn counted(&self, options: AddOptions) -> i64 {
        if options.count_changed { self.added + self.changed } else { self.added }
    }
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member …`
pub(crate) fn zadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (options, first) = AddOptions::parse(args)?;
    let scores = (first..args.len()).step_by(2).map(|at| float(&args[at]));
    let scores: Vec<f64> = scores.collect::<Result<_, _>>()?;
    let pairs = || scores.iter().zip((first + 1..args.len()).step_by(2).map(|at| &args[at]));
    let done = add(ctx, &args[1], options, pairs)?;
    match (options.increment, done.score) {
        (true, Some(score)) => reply.double(score),
        (true, None) => reply.null(),
        (false, _) => reply.integer(done.counted(options)),
    }
    Ok(Flow::Next)
}

/// Gives members scores.
pub(in crate::command) fn add<'a, I: Iterator<Item = (&'a f64, &'a [u8])>>(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    options: AddOptions,
    pairs: impl Fn() -> I,
) -> Result<Done, WireError> {
    let done = ctx.keyspace().edit(key, |zset: &mut Edit<'_, Zset>| {
        let mut done = Done::default();
        for (&given, member) in pairs() {
            let known = zset.view().score(member);
            let Some(score) = options.score(known, given)? else { continue };
            done.score = Some(score);
            match known {
                None => done.added += 1,
                Some(before) if before != score => done.changed += 1,
                Some(_) => continue,
            }
            if options.increment {
                zset.add(member, score, given);
            } else {
                zset.set(member, score);
            }
        }
        Ok::<_, WireError>(done)
    })?;
    if done.added + done.changed > 0 {
        let event = if options.increment { "zincr" } else { "zadd" };
        ctx.notify(Events::SORTED_SET, event, key);
    }
    Ok(done)
}

/// `ZINCRBY key increment member`
pub(crate) fn zincrby(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let by = float(&args[2])?;
    let options = AddOptions { increment: true, ..AddOptions::default() };
    let done = add(ctx, &args[1], options, || std::iter::once((&by, &args[3])))?;
    reply.double(done.score.unwrap_or_default());
    Ok(Flow::Next)
}
