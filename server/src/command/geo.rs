//! Positions on the earth: the scores of sorted sets, read as [`Position`]s.
//!
//! All that is written goes the way of ZADD and ZRANGESTORE, so that nothing below knows of positions.
//!
//! Source: redis.io, the commands of the group "geo", and the replies of Redis 7.0.

use super::collection::{notify_stored, write_item};
use super::value::{float, integer};
use super::zset::{AddOptions, add, with_zset};
use super::{Ctx, Flow, Outcome};
use crate::admin::pubsub::notify::Events;
use crate::store::{Collection, Expiry, Kind};
use crate::types::collection::{Item, Limits, Stamp, Zset, ZsetView};
use crate::types::geo::{Area, Position, Shape, sort_first};
use std::cmp::Ordering;
use torc_protocol::number::parse_f64;
use torc_protocol::{Args, Reply, WireError};

/// The longitude and the latitude at `index`.
fn position(args: Args<'_>, index: usize) -> Result<Position, WireError> {
    let (longitude, latitude) = (float(&args[index])?, float(&args[index + 1])?);
    Position::new(longitude, latitude).ok_or_else(|| {
        let line = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
        WireError::Line(line.into())
    })
}

/// Metres of the unit at `index`.
fn unit_m(args: Args<'_>, index: usize) -> Result<f64, WireError> {
    match () {
        () if args.is(index, "M") => Ok(1.0),
        () if args.is(index, "KM") => Ok(1000.0),
        () if args.is(index, "FT") => Ok(0.3048),
        () if args.is(index, "MI") => Ok(1609.34),
        () => Err(WireError::fixed("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

/// A number that is not NaN; `refused` otherwise.
fn number(text: &[u8], refused: &'static str) -> Result<f64, WireError> {
    parse_f64(text).filter(|value| !value.is_nan()).ok_or(WireError::fixed(refused))
}

/// The radius and its unit at `index`.
fn circle(args: Args<'_>, index: usize) -> Result<(Shape, f64), WireError> {
    let radius = number(&args[index], "ERR need numeric radius")?;
    if radius < 0.0 {
        return Err(WireError::fixed("ERR radius cannot be negative"));
    }
    Ok((Shape::Circle(radius), unit_m(args, index + 1)?))
}

/// The width, the height and their unit at `index`.
fn rectangle(args: Args<'_>, index: usize) -> Result<(Shape, f64), WireError> {
    let width = number(&args[index], "ERR need numeric width")?;
    let height = number(&args[index + 1], "ERR need numeric height")?;
    if width < 0.0 || height < 0.0 {
        return Err(WireError::fixed("ERR height or width cannot be negative"));
    }
    Ok((Shape::Box(width, height), unit_m(args, index + 2)?))
}

/// Writes a distance with four decimals, as text in both protocols.
fn write_distance(reply: &mut Reply<'_>, distance: f64) {
    // What is no number is told as Redis's conversion to an integer has it.
    let scaled = (distance * 10_000.0).round_ties_even();
    let parts = if scaled.is_nan() { i64::MIN } else { scaled as i64 };
    let sign = if parts < 0 { "-" } else { "" };
    let (whole, decimals) = (parts.unsigned_abs() / 10_000, parts.unsigned_abs() % 10_000);
    reply.bulk(format!("{sign}{whole}.{decimals:04}").as_bytes());
}

/// Writes a longitude and a latitude, with 17 decimals but for zeros at their end.
fn write_position(reply: &mut Reply<'_>, at: Position) {
    reply.array(2);
    for degrees in [at.longitude, at.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        reply.double_text(if text == "-0" { "0" } else { text });
    }
}

/// `GEOADD key [NX | XX] [CH] longitude latitude member …`
pub(crate) fn geoadd(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut options = AddOptions::default();
    let mut first = 2;
    loop {
        let option = match args.get(first) {
            Some(_) if args.is(first, "NX") => &mut options.only_new,
            Some(_) if args.is(first, "XX") => &mut options.only_known,
            Some(_) if args.is(first, "CH") => &mut options.count_changed,
            _ => break,
        };
        *option = true;
        first += 1;
    }
    let left = args.len() - first;
    if left == 0 || !left.is_multiple_of(3) || options.only_new && options.only_known {
        return Err(WireError::Syntax);
    }
    let triples = || (first..args.len()).step_by(3);
    let scores = triples().map(|at| position(args, at).map(Position::score));
    let scores: Vec<f64> = scores.collect::<Result<_, _>>()?;
    let pairs = || scores.iter().zip(triples().map(|at| &args[at + 2]));
    let done = add(ctx, &args[1], options, pairs)?;
    reply.integer(done.counted(options));
    Ok(Flow::Next)
}

/// `GEOPOS key [member …]`
pub(crate) fn geopos(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_zset(ctx, &args[1], |zset| {
        reply.array(args.len() - 2);
        for member in args.iter().skip(2) {
            match zset.score(member) {
                Some(score) => write_position(reply, Position::of_score(score)),
                None => reply.null_array(),
            }
        }
    })?;
    Ok(Flow::Next)
}

/// `GEOHASH key [member …]`
pub(crate) fn geohash(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    with_zset(ctx, &args[1], |zset| {
        reply.array(args.len() - 2);
        for member in args.iter().skip(2) {
            match zset.score(member) {
                Some(score) => reply.bulk(&Position::of_score(score).geohash()),
                None => reply.null(),
            }
        }
    })?;
    Ok(Flow::Next)
}

/// `GEODIST key member member [M | KM | FT | MI]`
pub(crate) fn geodist(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let unit_m = match args.len() {
        4 => 1.0,
        5 => unit_m(args, 4)?,
        _ => return Err(WireError::Syntax),
    };
    let ends = with_zset(ctx, &args[1], |zset| zset.score(&args[2]).zip(zset.score(&args[3])))?;
    match ends {
        Some((a, b)) => {
            let distance_m = Position::of_score(a).distance_m(Position::of_score(b));
            write_distance(reply, distance_m / unit_m);
        }
        None => reply.null(),
    }
    Ok(Flow::Next)
}

/// One of the commands that search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
    /// GEORADIUS and its kin.
    Radius { by_member: bool, may_store: bool },
}

impl Form {
    const fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    /// Where the key that is searched stands.
    const fn source(self) -> usize {
        if matches!(self, Form::SearchStore) { 2 } else { 1 }
    }
}

/// What a search goes around.
#[derive(Debug, Clone, Copy)]
enum Center {
    /// A member of what is searched; nowhere if there is nothing to search.
    Member(Option<Position>),
    /// A position that was given.
    Given(Position),
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Nearest,
    Furthest,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
struct Asked<'a> {
    center: Option<Center>,
    /// The shape, and metres of its unit.
    shape: Option<(Shape, f64)>,
    order: Option<Order>,
    /// How many at most, if that is not 0.
    count: usize,
    /// Whether any will do, those that are found first.
    any: bool,
    with_distance: bool,
    with_score: bool,
    with_position: bool,
    /// Where the result goes.
    to: Option<&'a [u8]>,
    /// Whether distances are stored in the place of positions.
    by_distance: bool,
}

impl<'a> Asked<'a> {
    /// Reads all arguments. Those that a member's position decides about are looked at only if there is something to search, as in Redis.
    fn parse(args: Args<'a>, form: Form, source: Option<ZsetView<'_>>) -> Result<Self, WireError> {
        let mut asked = Asked::default();
        let mut at = match form {
            Form::Search => 2,
            Form::SearchStore => {
                asked.to = args.get(1);
                3
            }
            Form::Radius { by_member: false, .. } => {
                asked.center = Some(Center::Given(position(args, 2)?));
                asked.shape = Some(circle(args, 4)?);
                6
            }
            Form::Radius { by_member: true, .. } => {
                if source.is_some() {
                    asked.center = Some(around(source, &args[2])?);
                    asked.shape = Some(circle(args, 3)?);
                }
                5
            }
        };
        while at < args.len() {
            at += asked.option(args, at, form, source)?;
        }
        asked.check(args, form)?;
        Ok(asked)
    }

    /// One option; how many arguments it takes.
    fn option(
        &mut self,
        args: Args<'a>,
        at: usize,
        form: Form,
        source: Option<ZsetView<'_>>,
    ) -> Result<usize, WireError> {
        let left = args.len() - at - 1;
        let is = |word: &str| args.is(at, word);
        match () {
            () if is("WITHDIST") => self.with_distance = true,
            () if is("WITHHASH") => self.with_score = true,
            () if is("WITHCOORD") => self.with_position = true,
            () if is("ANY") => self.any = true,
            () if is("ASC") => self.order = Some(Order::Nearest),
            () if is("DESC") => self.order = Some(Order::Furthest),
            () if is("COUNT") && left >= 1 => {
                self.count = count(&args[at + 1])?;
                return Ok(2);
            }
            () if form == Form::SearchStore && is("STOREDIST") => self.by_distance = true,
            () if form.is_search() => return self.search_option(args, at, source),
            () if matches!(form, Form::Radius { may_store: true, .. })
                && (is("STORE") || is("STOREDIST"))
                && left >= 1 =>
            {
                // The last of them counts.
                self.to = args.get(at + 1);
                self.by_distance = is("STOREDIST");
                return Ok(2);
            }
            () => return Err(WireError::Syntax),
        }
        Ok(1)
    }

    /// As [`Asked::option`]: where GEOSEARCH looks. Each may be said again, but not together with the other that says the same.
    fn search_option(
        &mut self,
        args: Args<'a>,
        at: usize,
        source: Option<ZsetView<'_>>,
    ) -> Result<usize, WireError> {
        let left = args.len() - at - 1;
        let is = |word: &str| args.is(at, word);
        let is_given = matches!(self.center, Some(Center::Given(_)));
        let is_member = matches!(self.center, Some(Center::Member(_)));
        let is_circle = matches!(self.shape, Some((Shape::Circle(_), _)));
        let is_box = matches!(self.shape, Some((Shape::Box(..), _)));
        match () {
            () if is("FROMMEMBER") && left >= 1 && !is_given => {
                self.center = Some(around(source, &args[at + 1])?);
                Ok(2)
            }
            () if is("FROMLONLAT") && left >= 2 && !is_member => {
                self.center = Some(Center::Given(position(args, at + 1)?));
                Ok(3)
            }
            () if is("BYRADIUS") && left >= 2 && !is_box => {
                self.shape = Some(circle(args, at + 1)?);
                Ok(3)
            }
            () if is("BYBOX") && left >= 3 && !is_circle => {
                self.shape = Some(rectangle(args, at + 1)?);
                Ok(4)
            }
            () => Err(WireError::Syntax),
        }
    }

    /// What only all options together tell.
    fn check(&self, args: Args<'_>, form: Form) -> Result<(), WireError> {
        let refused = |text: &str| {
            let name = String::from_utf8_lossy(&args[0]);
            Err(WireError::Line(
                format!("ERR exactly one of {text} can be specified for {name}").into(),
            ))
        };
        let is_with = self.with_distance || self.with_score || self.with_position;
        if self.to.is_some() && is_with {
            return Err(WireError::fixed(if form == Form::SearchStore {
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            } else {
                "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            }));
        }
        if form.is_search() && self.center.is_none() {
            return refused("FROMMEMBER or FROMLONLAT");
        }
        if form.is_search() && self.shape.is_none() {
            return refused("BYRADIUS and BYBOX");
        }
        if self.any && self.count == 0 {
            return Err(WireError::fixed("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// The members in the area, as many as are asked for, in the order asked for.
    fn search<'z>(&self, zset: ZsetView<'z>) -> Vec<Found<'z>> {
        let center = match self.center {
            Some(Center::Given(position) | Center::Member(Some(position))) => position,
            _ => return Vec::new(),
        };
        let Some((shape, unit_m)) = self.shape else { return Vec::new() };
        let area = Area { center, shape, unit_m };
        let enough = if self.any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        'areas: for (first, end) in area.scores() {
            let (from, to) = (zset.below_score(first, false), zset.below_score(end, false));
            for known in zset.range(from, to, false) {
                let position = Position::of_score(known.score);
                let Some(distance_m) = area.distance_m(position) else { continue };
                let distance = distance_m / unit_m;
                let (member, score) = (known.member, known.score);
                found.push(Found { member, score, position, distance_m, distance });
                if found.len() >= enough {
                    break 'areas;
                }
            }
        }
        self.sort(&mut found);
        found
    }

    /// Sorts what was found, and leaves as many as are asked for. Some of many are the nearest, unless any will do.
    fn sort(&self, found: &mut Vec<Found<'_>>) {
        let wanted = if self.count == 0 { found.len() } else { self.count.min(found.len()) };
        let nearest = (self.count > 0 && !self.any).then_some(Order::Nearest);
        if let Some(order) = self.order.or(nearest) {
            let compare = |a: &Found<'_>, b: &Found<'_>| -> Ordering {
                let ordering = a.distance_m.total_cmp(&b.distance_m);
                if matches!(order, Order::Furthest) { ordering.reverse() } else { ordering }
            };
            sort_first(found, wanted, compare);
        }
        found.truncate(wanted);
    }

    fn write(&self, reply: &mut Reply<'_>, found: &[Found<'_>]) {
        let options = [self.with_distance, self.with_score, self.with_position];
        let options = options.iter().filter(|&&with| with).count();
        reply.array(found.len());
        for one in found {
            if options > 0 {
                reply.array(1 + options);
            }
            write_item(reply, one.member);
            if self.with_distance {
                write_distance(reply, one.distance);
            }
            if self.with_score {
                reply.integer(one.score as i64);
            }
            if self.with_position {
                write_position(reply, one.position);
            }
        }
    }

    /// The sorted set to be stored.
    fn result(&self, source: Option<ZsetView<'_>>, limits: &Limits) -> Zset {
        let found = source.map(|zset| self.search(zset)).unwrap_or_default();
        let (mut result, mut buffer) = (Zset::new(), itoa::Buffer::new());
        // As with unions, it is small only once it is stored.
        result.convert(limits.hash);
        for one in found {
            let score = if self.by_distance { one.distance } else { one.score };
            result.insert(one.member.text(&mut buffer), score, Stamp::NONE, limits);
        }
        result.packed_if_small(limits)
    }
}

/// A member that was found.
#[derive(Debug, Clone, Copy)]
struct Found<'z> {
    member: Item<'z>,
    score: f64,
    position: Position,
    distance_m: f64,
    /// In the unit of the search.
    distance: f64,
}

/// The position of a member of what is searched.
fn around(source: Option<ZsetView<'_>>, member: &[u8]) -> Result<Center, WireError> {
    let Some(zset) = source else { return Ok(Center::Member(None)) };
    match zset.score(member) {
        Some(score) => Ok(Center::Member(Some(Position::of_score(score)))),
        None => Err(WireError::fixed("ERR could not decode requested zset member")),
    }
}

fn count(text: &[u8]) -> Result<usize, WireError> {
    let count = integer(text)?;
    let count = usize::try_from(count).ok().filter(|&count| count > 0);
    count.ok_or(WireError::fixed("ERR COUNT must be > 0"))
}

fn run(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form, reply: &mut Reply<'_>) -> Outcome {
    // Arguments that are wrong by themselves are so once more below, behind what is said of the key's type.
    match Asked::parse(args, form, None) {
        Ok(Asked { to: Some(to), .. }) => store(ctx, args, form, to, reply),
        _ => answer(ctx, args, form, reply),
    }
}

fn answer(ctx: &mut Ctx<'_>, args: Args<'_>, form: Form, reply: &mut Reply<'_>) -> Outcome {
    let entry = ctx.keyspace().read(&args[form.source()]);
    let found = entry.map(|entry| entry.collection(Kind::Zset)).transpose()?;
    let source = found.as_ref().map(|found| found.zset());
    let asked = Asked::parse(args, form, source)?;
    match source {
        Some(zset) => asked.write(reply, &asked.search(zset)),
        None => reply.array(0),
    }
    Ok(Flow::Next)
}

fn store(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    form: Form,
    to: &[u8],
    reply: &mut Reply<'_>,
) -> Outcome {
    let source = &args[form.source()];
    let mut keyspace = ctx.keyspace();
    let limits = keyspace.limits(Kind::Zset);
    let mut transaction = keyspace.transaction(&[to, source]);
    let result = {
        let entry = transaction.look_up(source);
        let found = entry.map(|entry| entry.collection(Kind::Zset)).transpose()?;
        let source = found.as_ref().map(|found| found.zset());
        Asked::parse(args, form, source)?.result(source, &limits)
    };
    let len = result.view().len();
    let replaced = transaction.read(to).is_some();
    transaction.put_collection(to, result.into(), Expiry::Never);
    transaction.commit();
    let event = if form.is_search() { "geosearchstore" } else { "georadiusstore" };
    notify_stored(ctx, Events::SORTED_SET, event, (to, replaced), len);
    reply.integer(len as i64);
    Ok(Flow::Next)
}

/// What the command `name` stores, with a source that was fetched.
pub(super) fn search_fetched(
    name: &str,
    args: Args<'_>,
    found: Option<Collection>,
    limits: &Limits,
) -> Result<Zset, WireError> {
    let form = match name {
        "geosearchstore" => Form::SearchStore,
        _ => Form::Radius { by_member: name == "georadiusbymember", may_store: true },
    };
    let found = match found {
        None => None,
        Some(Collection::Zset(zset)) => Some(zset),
        Some(_) => return Err(WireError::WrongType),
    };
    let source = found.as_ref().map(Zset::view);
    Ok(Asked::parse(args, form, source)?.result(source, limits))
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit [ASC | DESC] [COUNT count [ANY]]
/// [WITHCOORD] [WITHDIST] [WITHHASH]`
pub(crate) fn geosearch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, Form::Search, reply)
}

/// `GEOSEARCHSTORE destination source FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit [ASC | DESC]
/// [COUNT count [ANY]] [STOREDIST]`
pub(crate) fn geosearchstore(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    store(ctx, args, Form::SearchStore, &args[1], reply)
}

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]`
pub(crate) fn georadius(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    run(ctx, args, Form::Radius { by_member: false, may_store: true }, reply)
}

/// `GEORADIUS_RO key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]`
pub(crate) fn georadius_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    answer(ctx, args, Form::Radius { by_member: false, may_store: false }, reply)
}

/// `GEORADIUSBYMEMBER key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE key | STOREDIST key]`
pub(crate) fn georadiusbymember(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    run(ctx, args, Form::Radius { by_member: true, may_store: true }, reply)
}

/// `GEORADIUSBYMEMBER_RO key member radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]`
pub(crate) fn georadiusbymember_ro(
    ctx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Outcome {
    answer(ctx, args, Form::Radius { by_member: true, may_store: false }, reply)
}
