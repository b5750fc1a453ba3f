//! LPOS.

use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Kind;
use crate::types::collection::ListView;
use torc_protocol::{Args, Reply, WireError};

/// What LPOS looks for.
struct Search<'a> {
    element: &'a [u8],
    /// How many matches are passed over.
    skip: u64,
    /// Whether it goes from the last to the first.
    back: bool,
    /// How many places are answered; all if zero, one that is no array if none.
    count: Option<u64>,
    /// How many elements are compared at most.
    compare_max: u64,
}

impl<'a> Search<'a> {
    fn parse(args: Args<'a>) -> Result<Self, WireError> {
        let mut search = Search {
            element: args.get(2).unwrap_or_default(),
            skip: 0,
            back: false,
            count: None,
            compare_max: u64::MAX,
        };
        let mut index = 3;
        while index < args.len() {
            let Some(value) = args.get(index + 1) else { return Err(WireError::Syntax) };
            if args.is(index, "RANK") {
                let rank = rank(value)?;
                search.back = rank < 0;
                search.skip = rank.unsigned_abs() - 1;
            } else if args.is(index, "COUNT") {
                search.count = Some(positive(value, "ERR COUNT can't be negative")?);
            } else if args.is(index, "MAXLEN") {
                search.compare_max = match positive(value, "ERR MAXLEN can't be negative")? {
                    0 => u64::MAX,
                    most => most,
                };
            } else {
                return Err(WireError::Syntax);
            }
            index += 2;
        }
        Ok(search)
    }

    fn run(&self, list: ListView<'_>) -> Vec<u64> {
        let wanted = match self.count {
            Some(0) => u64::MAX,
            Some(count) => count,
            None => 1,
        };
        let len = list.len();
        let mut places = Vec::new();
        let mut skip = self.skip;
        let compared = list.range(0, len, self.back).take(self.compare_max.min(len) as usize);
        for (at, element) in compared.enumerate() {
            if !element.value.is(self.element) {
                continue;
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            places.push(if self.back { len - 1 - at as u64 } else { at as u64 });
            if places.len() as u64 >= wanted {
                break;
            }
        }
        places
    }
}

fn rank(text: &[u8]) -> Result<i64, WireError> {
    match integer(text)? {
        0 => Err(WireError::fixed(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
        )),
        i64::MIN => Err(WireError::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        )),
        rank => Ok(rank),
    }
}

fn positive(text: &[u8], refused: &'static str) -> Result<u64, WireError> {
    integer(text).ok().and_then(|value| u64::try_from(value).ok()).ok_or(WireError::fixed(refused))
}

/// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`
pub(crate) fn lpos(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let search = Search::parse(args)?;
    let places = match ctx.keyspace().read(&args[1]) {
        Some(entry) => search.run(entry.collection(Kind::List)?.list()),
        None => Vec::new(),
    };
    match (search.count, places.first()) {
        (None, Some(&place)) => reply.integer(place as i64),
        (None, None) => reply.null(),
        (Some(_), _) => {
            reply.array(places.len());
            places.iter().for_each(|&place| reply.integer(place as i64));
        }
    }
    Ok(Flow::Next)
}
