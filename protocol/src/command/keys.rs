//! Which arguments of a request are keys, and what becomes of each.
//!
//! A key spec yields at most one arithmetic range of arguments, so the answer is a few ranges and needs no allocation,
//! however many keys there are.
//!
//! Source: redis.io, "Key specifications".

use super::flags::KeyFlags;
use super::spec::{Begin, CommandSpec, Find, KeySpec};
use crate::{Args, WireError};

/// One key of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPosition {
    /// The argument's index.
    pub index: usize,
    /// What becomes of the key.
    pub flags: KeyFlags,
}

/// The keys of a request, in the order of the key specs.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyPositions {
    runs: [Run; RUN_COUNT_MAX],
    len: usize,
}

/// No command of Redis has more key specs (SORT has three, two of which can yield keys).
pub(super) const RUN_COUNT_MAX: usize = 4;

/// Every `step`th argument from `first` through `last`.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    first: usize,
    last: usize,
    step: usize,
    flags: KeyFlags,
}

impl KeyPositions {
    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = KeyPosition> + '_ {
        self.runs[..self.len].iter().flat_map(|run| {
            (run.first..=run.last)
                .step_by(run.step)
                .map(|index| KeyPosition { index, flags: run.flags })
        })
    }

    /// Number of keys.
    pub fn count(&self) -> usize {
        self.runs[..self.len].iter().map(|run| (run.last - run.first) / run.step + 1).sum()
    }

    fn push(&mut self, run: Run) {
        self.runs[self.len] = run;
        self.len += 1;
    }

    fn without_flags(mut self) -> Self {
        self.runs.iter_mut().for_each(|run| run.flags = KeyFlags::default());
        self
    }

    fn with(mut self, index: usize, flags: KeyFlags) -> Self {
        self.push(Run { first: index, last: index, step: 1, flags });
        self
    }
}

/// A command's own way to find its keys, for what key specs cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeysBy {
    /// SET reads the key if GET is among its options.
    Set,
    /// BITFIELD writes the key unless all operations are GET.
    Bitfield,
    /// SORT may name a destination anywhere behind STORE.
    Sort,
    /// SORT_RO has one key; those that BY and GET lead to are not arguments.
    SortRo,
    /// MIGRATE names its keys behind KEYS, or one in third place.
    Migrate,
    /// Of several destinations of GEORADIUS the last counts, where the key specs see the first of each kind.
    Georadius,
}

impl CommandSpec {
    /// The argument that is the first key; `None` without keys or where the arguments do not say.
    // Every request comes by here; left to the compiler's measure it is a call in some builds.
    #[inline(always)]
    pub fn first_key(&self, args: &Args<'_>) -> Option<usize> {
        if self.first_key != 0 && self.keys_by != Some(KeysBy::Migrate) {
            let index = self.first_key as usize;
            return (index < args.len()).then_some(index);
        }
        if self.keys.is_empty() { None } else { self.first_key_by_specs(args) }
    }

    #[inline(never)]
    fn first_key_by_specs(&self, args: &Args<'_>) -> Option<usize> {
        key_positions(self, args).ok()?.iter().next().map(|key| key.index)
    }
}

/// The keys of `args`, which call `spec` with a suitable number of arguments: those that it comes to.
///
/// # Errors
/// Where the arguments contradict the key specs, so that the command refuses them. A command without keys has none, no error.
pub fn key_positions(spec: &CommandSpec, args: &Args<'_>) -> Result<KeyPositions, WireError> {
    if spec.keys_by == Some(KeysBy::Georadius) {
        return Ok(by_georadius(args));
    }
    let told = told_key_positions(spec, args);
    // A PFMERGE without sources has its destination, and creates it; COMMAND GETKEYS does not say so.
    let first_alone = || match spec.keys {
        [first, KeySpec { begin: Begin::Index(index), .. }] if *index as usize == args.len() => {
            by_specs(std::iter::once(first), args, decimal)
        }
        _ => None,
    };
    told.or_else(|error| first_alone().ok_or(error))
}

/// The same as COMMAND GETKEYS tells them, whose errors these are.
///
/// # Errors
/// See there.
pub fn told_key_positions(spec: &CommandSpec, args: &Args<'_>) -> Result<KeyPositions, WireError> {
    // The specs come first where they say what becomes of each key; the command's own function is asked where they
    // cannot tell, and where the flags depend on the arguments.
    let by_arguments = spec.keys.iter().any(|key| key.flags.contains(KeyFlags::VARIABLE_FLAGS));
    let found = match by_specs(spec.keys.iter(), args, decimal) {
        Some(found) if !by_arguments => Some(found),
        _ => match spec.keys_by {
            // Redis's own functions read numbers of keys as C does, name a destination last, and tell no flags.
            None => by_specs(spec.keys.iter().rev(), args, leading_number)
                .map(KeyPositions::without_flags),
            Some(KeysBy::Set) => Some(by_set(args)),
            Some(KeysBy::Bitfield) => Some(by_bitfield(args)),
            Some(KeysBy::Sort) => Some(by_sort(args)),
            Some(KeysBy::SortRo) => Some(KeyPositions::default().with(1, RO_ACCESS)),
            Some(KeysBy::Migrate) => by_migrate(args),
            Some(KeysBy::Georadius) => Some(by_georadius(args)),
        },
    };
    found.ok_or(WireError::fixed("ERR Invalid arguments specified for command"))
}

const RO_ACCESS: KeyFlags = KeyFlags::RO.union(KeyFlags::ACCESS);
const OW_UPDATE: KeyFlags = KeyFlags::OW.union(KeyFlags::UPDATE);
const RW_ACCESS_UPDATE: KeyFlags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::UPDATE);

/// How a number of keys is read.
type ReadCount = fn(&[u8]) -> Option<usize>;

fn by_specs<'s>(
    specs: impl Iterator<Item = &'s KeySpec>,
    args: &Args<'_>,
    read: ReadCount,
) -> Option<KeyPositions> {
    let mut found = KeyPositions::default();
    for spec in specs {
        if spec.flags.contains(KeyFlags::NOT_KEY) {
            continue;
        }
        let begin = match spec.begin {
            Begin::Index(index) => index as usize,
            Begin::Keyword { word, from } => match behind_keyword(word, from, args) {
                Some(index) => index,
                None => continue,
            },
            Begin::Unknown => return None,
        };
        found.push(range_of(spec, begin, args, read)?);
        if spec.flags.contains(KeyFlags::INCOMPLETE) {
            return None;
        }
    }
    Some(found)
}

/// The argument after `word`, searched forwards from `from`, or backwards where that counts from the end.
fn behind_keyword(word: &str, from: i16, args: &Args<'_>) -> Option<usize> {
    let start = argument_index(from, args)?;
    let is_word = |&index: &usize| {
        args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    // The last argument has nothing behind it, and the first is no option: neither end is searched.
    let place = if from > 0 {
        (start..args.len() - 1).find(is_word)
    } else {
        (2..=start).rev().find(is_word)
    };
    place.map(|index| index + 1)
}

/// An index that counts from the end where it is negative.
fn argument_index(index: i16, args: &Args<'_>) -> Option<usize> {
    if index >= 0 {
        Some(index as usize)
    } else {
        args.len().checked_sub(index.unsigned_abs() as usize)
    }
}

fn range_of(spec: &KeySpec, begin: usize, args: &Args<'_>, read: ReadCount) -> Option<Run> {
    let (first, last, step) = match spec.find {
        Find::Range { last, step, limit } => {
            let last = if last >= 0 {
                begin + last as usize
            } else if limit > 1 {
                (begin + args.len().checked_sub(begin)? / limit as usize).checked_sub(1)?
            } else {
                argument_index(last, args)?
            };
            (begin, last, step)
        }
        Find::Count { count_at, first, step } => {
            let text = args.get(begin + count_at as usize)?;
            let count = read(text)?;
            let first = begin + first as usize;
            let span = count.checked_sub(1)?.checked_mul(step as usize)?;
            (first, first.checked_add(span)?, step)
        }
        Find::Unknown => return None,
    };
    let in_bounds = begin <= first && first <= last && last < args.len();
    in_bounds.then_some(Run { first, last, step: step as usize, flags: spec.flags })
}

/// A number of keys: digits alone, without leading zeros.
fn decimal(text: &[u8]) -> Option<usize> {
    let canonical =
        text.iter().all(u8::is_ascii_digit) && (text == b"0" || !text.starts_with(b"0"));
    std::str::from_utf8(text).ok().filter(|_| canonical)?.parse().ok()
}

/// A number of keys as `atoi` reads it: behind blanks and a sign, up to what is no digit; at least one.
fn leading_number(text: &[u8]) -> Option<usize> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let count = std::str::from_utf8(&digits[..end]).ok()?.parse::<i32>().ok()?;
    usize::try_from(count).ok().filter(|&count| count > 0)
}

fn by_set(args: &Args<'_>) -> KeyPositions {
    let reads = (3..args.len()).any(|index| args.is(index, "GET"));
    KeyPositions::default().with(1, if reads { RW_ACCESS_UPDATE } else { OW_UPDATE })
}

fn by_bitfield(args: &Args<'_>) -> KeyPositions {
    let mut index = 2;
    let mut writes = false;
    while index < args.len() && !writes {
        let rest = args.len() - index - 1;
        if args.is(index, "GET") && rest >= 2 {
            index += 3;
        } else if args.is(index, "OVERFLOW") && rest >= 1 {
            index += 2;
        } else {
            // A write, or a syntax error, which is better taken for one.
            writes = true;
        }
    }
    KeyPositions::default().with(1, if writes { RW_ACCESS_UPDATE } else { RO_ACCESS })
}

fn by_sort(args: &Args<'_>) -> KeyPositions {
    let mut store = None;
    let mut index = 2;
    while index < args.len() {
        if args.is(index, "LIMIT") {
            index += 2;
        } else if args.is(index, "GET") || args.is(index, "BY") {
            index += 1;
        } else if args.is(index, "STORE") && index + 1 < args.len() {
            // The last STORE counts. What follows it is looked at as well, as Redis does.
            store = Some(index + 1);
        }
        index += 1;
    }
    let found = KeyPositions::default().with(1, RO_ACCESS);
    match store {
        Some(index) => found.with(index, OW_UPDATE),
        None => found,
    }
}

fn by_georadius(args: &Args<'_>) -> KeyPositions {
    let found = KeyPositions::default().with(1, RO_ACCESS);
    let mut store = None;
    let mut index = 5;
    while index + 1 < args.len() {
        if args.is(index, "STORE") || args.is(index, "STOREDIST") {
            index += 1;
            store = Some(index);
        }
        index += 1;
    }
    match store {
        Some(index) => found.with(index, OW_UPDATE),
        None => found,
    }
}

fn by_migrate(args: &Args<'_>) -> Option<KeyPositions> {
    let flags = KeyFlags::RW.union(KeyFlags::ACCESS).union(KeyFlags::DELETE);
    let mut index = 6;
    while index < args.len() {
        if args.is(index, "KEYS") {
            let (first, last) = (index + 1, args.len() - 1);
            // With KEYS the key's own place must be empty.
            if !args[3].is_empty() || first > last {
                return None;
            }
            let mut found = KeyPositions::default();
            found.push(Run { first, last, step: 1, flags });
            return Some(found);
        }
        index += match () {
            () if args.is(index, "AUTH") => 2,
            () if args.is(index, "AUTH2") => 3,
            () => 1,
        };
    }
    Some(KeyPositions::default().with(3, flags))
}
