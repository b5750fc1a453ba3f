//! What handlers of several groups share: reading arguments as Redis does, and writing a string value.

use super::{Flow, Outcome};
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use crate::store::{Entry, WrongType};
use std::borrow::Cow;
use torc_protocol::number::{parse_f64, parse_i64};
use torc_protocol::{Reply, WireError};

impl From<WrongType> for WireError {
    fn from(_: WrongType) -> Self {
        WireError::WrongType
    }
}

/// An argument that must be a 64-bit signed integer.
#[inline]
pub(super) fn integer(text: &[u8]) -> Result<i64, WireError> {
    parse_i64(text).ok_or(WireError::NotInteger)
}

/// An argument that must be a double, and a number.
pub(super) fn float(text: &[u8]) -> Result<f64, WireError> {
    parse_f64(text).filter(|value| !value.is_nan()).ok_or(WireError::NotFloat)
}

/// An argument that must be the number of a database.
pub(crate) fn database(text: &[u8]) -> Result<u8, WireError> {
    let number = i32::try_from(integer(text)?).map_err(|_| {
        WireError::fixed("ERR value is out of range, value must between -2147483648 and 2147483647")
    })?;
    match u8::try_from(number) {
        Ok(number) if usize::from(number) < DATABASE_COUNT => Ok(number),
        _ => Err(WireError::fixed("ERR DB index is out of range")),
    }
}

/// Writes the value of `entry`, which must be a string.
#[inline]
pub(super) fn write_string(reply: &mut Reply<'_>, entry: Entry<'_>) -> Result<(), WireError> {
    if let Some(bytes) = entry.plain_string() {
        reply.bulk(bytes);
        return Ok(());
    }
    write_any_string(reply, entry)
}

#[inline(never)]
fn write_any_string(reply: &mut Reply<'_>, entry: Entry<'_>) -> Result<(), WireError> {
    let value = entry.string()?;
    reply.bulk(value.bytes(&mut itoa::Buffer::new()));
    Ok(())
}

/// As [`write_string`], or null for an absent key.
#[inline]
pub(super) fn write_string_or_null(
    reply: &mut Reply<'_>,
    entry: Option<Entry<'_>>,
) -> Result<(), WireError> {
    match entry {
        Some(entry) => write_string(reply, entry)?,
        None => reply.null(),
    }
    Ok(())
}

/// The reply of a HELP subcommand.
pub(super) fn help_lines(reply: &mut Reply<'_>, lines: &[&str]) -> Outcome {
    reply.array(lines.len());
    lines.iter().for_each(|line| reply.simple(line));
    Ok(Flow::Next)
}

/// How a time argument counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeUnit {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Millis,
    /// Seconds since the Unix epoch.
    UnixSeconds,
    /// Milliseconds since the Unix epoch.
    UnixMillis,
}

impl TimeUnit {
    /// `amount` as milliseconds since the Unix epoch; `None` if that leaves the 64-bit range.
    pub(super) fn unix_ms(self, amount: i64, now: UnixMs) -> Option<i64> {
        let ms = match self {
            TimeUnit::Seconds | TimeUnit::UnixSeconds => amount.checked_mul(1000)?,
            TimeUnit::Millis | TimeUnit::UnixMillis => amount,
        };
        match self {
            TimeUnit::Seconds | TimeUnit::Millis => ms.checked_add(now as i64),
            TimeUnit::UnixSeconds | TimeUnit::UnixMillis => Some(ms),
        }
    }

    /// The deadline that `text` names for a value that `command` stores: unlike EXPIRE's, it must be positive.
    pub(super) fn deadline(
        self,
        text: &[u8],
        now: UnixMs,
        command: &'static str,
    ) -> Result<UnixMs, WireError> {
        let amount = integer(text)?;
        let at = if amount > 0 { self.unix_ms(amount, now) } else { None };
        at.map(|at| at as UnixMs).ok_or(WireError::InvalidExpire(Cow::Borrowed(command)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_numbered_from_0_to_15() {
        let check = |text: &str, expected: Result<u8, &str>| {
            let line = database(text.as_bytes())
                .map_err(|error| String::from_utf8(error.line().to_vec()).unwrap());
            assert_eq!(line, expected.map_err(String::from), "{text}");
        };
        check("0", Ok(0));
        check("15", Ok(15));
        check("16", Err("ERR DB index is out of range"));
        check("-1", Err("ERR DB index is out of range"));
        check("256", Err("ERR DB index is out of range"));
        check("x", Err("ERR value is not an integer or out of range"));
        let range = "ERR value is out of range, value must between -2147483648 and 2147483647";
        check("2147483648", Err(range));
        check("-2147483649", Err(range));
    }

    #[test]
    fn times_that_leave_the_range_are_refused() {
        use TimeUnit::*;
        assert_eq!(Seconds.unix_ms(10, 5), Some(10_005));
        assert_eq!(UnixSeconds.unix_ms(10, 5), Some(10_000));
        assert_eq!(Millis.unix_ms(-10, 5), Some(-5));
        assert_eq!(UnixMillis.unix_ms(i64::MAX, 5), Some(i64::MAX));
        assert_eq!(Millis.unix_ms(i64::MAX, 5), None);
        assert_eq!(UnixSeconds.unix_ms(i64::MAX / 1000 + 1, 5), None);
        assert_eq!(Seconds.unix_ms(i64::MIN, 5), None);
    }
}
