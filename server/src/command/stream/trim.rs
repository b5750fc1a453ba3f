//! What XADD and XTRIM are told about trimming.

use super::ids;
use crate::command::Ctx;
use crate::command::value::integer;
use crate::store::Edit;
use crate::types::collection::Stream;
use crate::types::collection::stream::Trim;
use torc_protocol::{Args, WireError};

/// Where no LIMIT says otherwise, trimming that need not be exact takes no more than so many leaves.
const LEAVES_MAX: i64 = 100;
/// … and no more than so many entries, however long leaves may be.
const ENTRIES_MAX: i64 = 1_000_000;
/// … which are so many where leaves have no limit.
const ENTRIES_UNLIMITED: i64 = 10_000;

/// `MAXLEN|MINID [=|~] threshold [LIMIT count]`
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trimming {
    how: Option<Trim>,
    /// Only whole leaves.
    approximate: bool,
    limit: Option<i64>,
}

impl Trimming {
    /// Reads an option that stands at `at`; how many arguments it takes, or 0 if it is none of these.
    pub(super) fn option(&mut self, args: Args<'_>, at: usize) -> Result<usize, WireError> {
        let more = args.len() - 1 - at;
        if more == 0 {
            return Ok(0);
        }
        if args.is(at, "LIMIT") {
            let limit = integer(&args[at + 1])?;
            if limit < 0 {
                return Err(WireError::fixed("ERR The LIMIT argument must be >= 0."));
            }
            self.limit = Some(limit);
            return Ok(2);
        }
        let by_length = args.is(at, "MAXLEN");
        if !by_length && !args.is(at, "MINID") {
            return Ok(0);
        }
        if self.how.is_some() {
            return Err(WireError::fixed(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let operator = if more >= 2 { &args[at + 1] } else { b"" };
        self.approximate = operator == b"~";
        let value_at = at + 1 + usize::from(matches!(operator, b"~" | b"="));
        let value = &args[value_at];
        self.how = Some(if by_length {
            let length = u64::try_from(integer(value)?)
                .map_err(|_| WireError::fixed("ERR The MAXLEN argument must be >= 0."))?;
            Trim::Length(length)
        } else {
            Trim::Id(ids::id(value, 0)?)
        });
        Ok(value_at + 1 - at)
    }

    /// Whether the options suit each other; to be called behind the last. `node_entries` is how many a leaf may have.
    pub(super) fn check(&mut self, ctx: &Ctx<'_>, is_needed: bool) -> Result<(), WireError> {
        let given = self.limit;
        if given.is_some_and(|limit| limit != 0) && self.how.is_none() {
            return Err(WireError::fixed(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if is_needed && self.how.is_none() {
            return Err(WireError::fixed(
                "ERR syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if given.is_some() && !self.approximate {
            return Err(WireError::fixed(
                "ERR syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        if given.is_none() && self.approximate {
            let entries = ctx.instance.settings.stream_node_max_entries();
            let limit = entries.saturating_mul(LEAVES_MAX);
            self.limit = Some(match limit {
                ..=0 => ENTRIES_UNLIMITED,
                limit => limit.min(ENTRIES_MAX),
            });
        }
        Ok(())
    }

    /// Trims; how many entries went.
    pub(super) fn apply(&self, stream: &mut Edit<'_, Stream>) -> u64 {
        let Some(how) = self.how else { return 0 };
        let limit = self.limit.unwrap_or(0).unsigned_abs();
        let count = stream.view().trimmed(how, self.approximate, limit);
        stream.trim(count);
        count
    }
}
