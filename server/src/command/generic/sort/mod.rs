//! SORT and SORT_RO: the elements of a list, set or sorted set, in the order of themselves or of what patterns lead to.
//!
//! Elements are read together; the keys that BY and GET lead to are read one after the other, and may change in between unless a result is stored:
//! then all of it is one step, with the gate closed, since nobody can name these keys beforehand. In a ring they must lie in the source's slot.
//!
//! Text is compared byte by byte, as Redis does in the C locale. A sorted set keeps its encoding; Redis turns a small one that it sorts big.
//!
//! Source: redis.io/commands/sort, and the replies of Redis 7.0.

mod order;
mod pattern;

use self::order::Weight;
use self::pattern::{Pattern, Values};
use crate::admin::pubsub::notify::Events;
use crate::cluster::route::Port;
use crate::command::collection::notify_stored;
use crate::command::eval::end_alone;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome, Session};
use crate::store::{CollectionRef, Expiry, Kind};
use crate::types::collection::{Limits, List, Stamp};
use std::ops::Range;
use torc_protocol::command::{CommandSpec, find};
use torc_protocol::{Args, Reply, WireError};

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub(crate) fn sort(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Asked::parse(args, true, Bars::of(ctx.session, "sort", args))?;
    if asked.destination.is_some() && asked.leads_on() && !ctx.local.is_owning() {
        ctx.session.alone = true;
        return Ok(Flow::Again);
    }
    let outcome = match asked.destination {
        None => answer(ctx, &args[1], &asked, reply),
        Some(to) => {
            let keys = [&args[1], to];
            let stored = ctx.as_one_step(&keys, |ctx| store(ctx, &args[1], to, &asked));
            stored.map(|len| reply.integer(len))
        }
    };
    if asked.destination.is_some() && asked.leads_on() {
        end_alone(ctx);
    }
    outcome.map(|()| Flow::Next)
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]`
pub(crate) fn sort_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let asked = Asked::parse(args, false, Bars::of(ctx.session, "sort_ro", args))?;
    answer(ctx, &args[1], &asked, reply)?;
    Ok(Flow::Next)
}

/// Whether the command leads to keys that its arguments do not name.
pub(crate) fn sort_leads_on(args: Args<'_>) -> bool {
    Asked::parse(args, true, Bars::default()).is_ok_and(|asked| asked.leads_on())
}

/// The words of a SORT that stores nothing and otherwise asks for the same, for whoever serves the source.
///
/// # Errors
/// Those of its options.
pub(crate) fn sort_without_store<'a>(args: Args<'a>) -> Result<Vec<&'a [u8]>, WireError> {
    Asked::parse(args, true, Bars::default())?;
    let mut words: Vec<&[u8]> = vec![b"SORT_RO"];
    let mut index = 1;
    while let Some(word) = args.get(index) {
        // What stands where an option may; the words that options take follow it.
        let taken = match () {
            () if index == 1 => 0,
            () if args.is(index, "LIMIT") => 2,
            () if args.is(index, "BY") || args.is(index, "GET") => 1,
            () if args.is(index, "STORE") => {
                index += 2;
                continue;
            }
            () => 0,
        };
        words.push(word);
        words.extend((1..=taken).filter_map(|ahead| args.get(index + ahead)));
        index += 1 + taken;
    }
    Ok(words)
}

/// Why a client's SORT may not be sent to another node: its patterns lead to keys that its user may not read. Whoever runs it does not ask again.
pub(crate) fn sort_refusal(
    session: &Session,
    spec: &CommandSpec,
    args: Args<'_>,
) -> Option<WireError> {
    if session.limits().is_none() || !matches!(spec.full_name, "sort" | "sort_ro") {
        return None;
    }
    let bars = Bars::of(session, spec.full_name, args);
    Asked::parse(args, spec.full_name == "sort", bars).err()
}

/// What forbids patterns that lead to other keys.
#[derive(Debug, Clone, Copy, Default)]
struct Bars {
    /// The rules of Redis Cluster.
    cluster: bool,
    /// The user's rights.
    rights: bool,
}

impl Bars {
    fn of(session: &Session, name: &str, args: Args<'_>) -> Self {
        // A client's own node has judged what that client sent; what scripts and transactions call is judged where they run.
        let is_judged = session.hops > 0 && !session.in_step;
        let limits = session.limits().filter(|_| !is_judged);
        let rights = limits.zip(find(name.as_bytes())).is_some_and(|(login, spec)| {
            // Nobody can tell which keys patterns lead to, so that all are to be readable.
            !login.rights.may_reading_all(spec, &args)
        });
        Bars { cluster: session.port == Port::Cluster, rights }
    }

    fn check(self, cluster: &'static str, rights: &'static str) -> Result<(), WireError> {
        let line = if self.cluster { cluster } else { rights };
        if self.cluster || self.rights { Err(WireError::fixed(line)) } else { Ok(()) }
    }
}

/// The list that SORT stores.
pub(crate) fn sorted_list<'e>(elements: impl Iterator<Item = &'e [u8]>, limits: &Limits) -> List {
    let mut list = List::new();
    elements.for_each(|element| list.push_back(element, Stamp::NONE, limits));
    list
}

/// What is asked for.
#[derive(Debug, Default)]
struct Asked<'a> {
    by: Option<Pattern<'a>>,
    /// BY names no key: elements stay as they are.
    unsorted: bool,
    get: Vec<Pattern<'a>>,
    limit: Option<(i64, i64)>,
    descending: bool,
    alpha: bool,
    destination: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    fn parse(args: Args<'a>, may_store: bool, bars: Bars) -> Result<Self, WireError> {
        let mut asked = Asked::default();
        let mut index = 2;
        while index < args.len() {
            let left = args.len() - index - 1;
            let is = |word: &str| args.is(index, word);
            if is("ASC") || is("DESC") {
                asked.descending = is("DESC");
            } else if is("ALPHA") {
                asked.alpha = true;
            } else if is("LIMIT") && left >= 2 {
                asked.limit = Some((integer(&args[index + 1])?, integer(&args[index + 2])?));
                index += 2;
            } else if may_store && is("STORE") && left >= 1 {
                asked.destination = args.get(index + 1);
                index += 1;
            } else if is("BY") && left >= 1 {
                let pattern = Pattern::of(args.get(index + 1).unwrap_or_default());
                // The last BY says what is compared; one that leads nowhere turns sorting off, wherever it stands.
                if pattern.has_star() {
                    bars.check(
                        "ERR BY option of SORT denied in cluster mode.",
                        "ERR BY option of SORT denied due to insufficient ACL permissions.",
                    )?;
                } else {
                    asked.unsorted = true;
                }
                asked.by = Some(pattern);
                index += 1;
            } else if is("GET") && left >= 1 {
                bars.check(
                    "ERR GET option of SORT denied in cluster mode.",
                    "ERR GET option of SORT denied due to insufficient ACL permissions.",
                )?;
                asked.get.push(Pattern::of(args.get(index + 1).unwrap_or_default()));
                index += 1;
            } else {
                return Err(WireError::Syntax);
            }
            index += 1;
        }
        Ok(asked)
    }

    fn leads_on(&self) -> bool {
        self.by.iter().filter(|_| !self.unsorted).chain(&self.get).any(Pattern::has_star)
    }

    /// Which of `len` elements are asked for.
    fn range(&self, len: usize) -> Range<usize> {
        let Some((offset, count)) = self.limit else { return 0..len };
        let from = usize::try_from(offset).unwrap_or(0).min(len);
        match usize::try_from(count) {
            Ok(count) => from..from.saturating_add(count).min(len),
            Err(_) => from..len,
        }
    }
}

/// The elements of a list, set or sorted set.
struct Source {
    kind: Kind,
    elements: Vec<Vec<u8>>,
}

fn read(ctx: &mut Ctx<'_>, key: &[u8]) -> Result<Source, WireError> {
    let Some(entry) = ctx.keyspace().read(key) else {
        return Ok(Source { kind: Kind::List, elements: Vec::new() });
    };
    let kind = entry.kind();
    if !matches!(kind, Kind::List | Kind::Set | Kind::Zset) {
        return Err(WireError::WrongType);
    }
    let found: CollectionRef<'_> = entry.collection(kind)?.detach();
    let elements = match kind {
        Kind::List => found.list().iter().map(|element| element.value.to_vec()).collect(),
        Kind::Set => found.set().iter().map(|known| known.member.to_vec()).collect(),
        _ => {
            let ranked = found.zset().range(0, u64::MAX, false);
            ranked.map(|known| known.member.to_vec()).collect()
        }
    };
    Ok(Source { kind, elements })
}

/// The elements asked for, in their order.
fn sorted(ctx: &mut Ctx<'_>, key: &[u8], asked: &Asked<'_>) -> Result<Vec<Vec<u8>>, WireError> {
    let Source { kind, mut elements } = read(ctx, key)?;
    let (mut unsorted, mut alpha, mut by) = (asked.unsorted, asked.alpha, asked.by);
    if unsorted && kind == Kind::Set && (asked.destination.is_some() || ctx.session.in_step) {
        // What is stored, or what a script sees, is not left to the order of a table.
        (unsorted, alpha, by) = (false, true, None);
    }
    let range = asked.range(elements.len());
    if unsorted {
        if asked.descending && kind != Kind::Set {
            elements.reverse();
        }
    } else {
        let mut weights = Vec::with_capacity(elements.len());
        let mut values = Values::of(ctx, key);
        for element in &elements {
            weights.push(match by {
                Some(pattern) => values
                    .get(pattern, element)?
                    .map_or(Ok(Weight::none(alpha)), |value| Weight::of(value, alpha))?,
                None if alpha => Weight::Own,
                None => Weight::of(element.clone(), false)?,
            });
        }
        elements = order::by_weight(elements, weights, asked.descending);
    }
    elements.truncate(range.end);
    elements.drain(..range.start);
    Ok(elements)
}

fn answer(
    ctx: &mut Ctx<'_>,
    key: &[u8],
    asked: &Asked<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), WireError> {
    let elements = sorted(ctx, key, asked)?;
    reply.array(elements.len() * asked.get.len().max(1));
    let mut values = Values::of(ctx, key);
    for element in &elements {
        if asked.get.is_empty() {
            reply.bulk(element);
        }
        for &pattern in &asked.get {
            match values.get(pattern, element)? {
                Some(value) => reply.bulk(&value),
                None => reply.null(),
            }
        }
    }
    Ok(())
}

/// Stores the result as a list; its length.
fn store(ctx: &mut Ctx<'_>, key: &[u8], to: &[u8], asked: &Asked<'_>) -> Result<i64, WireError> {
    let elements = sorted(ctx, key, asked)?;
    let limits = ctx.keyspace().limits(Kind::List);
    let mut list = List::new();
    let mut push = |element: &[u8]| list.push_back(element, Stamp::NONE, &limits);
    let mut values = Values::of(ctx, key);
    for element in &elements {
        if asked.get.is_empty() {
            push(element);
        }
        for &pattern in &asked.get {
            push(&values.get(pattern, element)?.unwrap_or_default());
        }
    }
    let len = list.view().len();
    let mut keyspace = ctx.keyspace();
    let mut transaction = keyspace.transaction(&[to]);
    let replaced = transaction.read(to).is_some();
    transaction.put_collection(to, list.into(), Expiry::Never);
    transaction.commit();
    notify_stored(ctx, Events::LIST, "sortstore", (to, replaced), len);
    Ok(len as i64)
}
