//! The options that SET and GETEX share.

use crate::base::clock::UnixMs;
use crate::command::value::TimeUnit;
use torc_protocol::{Args, WireError};

/// Whose options are read: each knows some that the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Set,
    GetEx,
}

/// Options as given; combinations that exclude each other are refused while reading.
#[derive(Debug, Default)]
pub(super) struct Options<'a> {
    /// Only if the key is absent.
    pub nx: bool,
    /// Only if the key exists.
    pub xx: bool,
    /// Answer the old value.
    pub get: bool,
    /// Leave the deadline as it is.
    pub keep_deadline: bool,
    /// Take the deadline away.
    pub persist: bool,
    /// A new deadline, not looked at yet: a bad one is found only after a bad option.
    time: Option<(TimeUnit, &'a [u8])>,
}

impl<'a> Options<'a> {
    /// Reads the arguments from `index` on. An option may be given twice; of two times in one unit the last counts.
    pub(super) fn parse(args: Args<'a>, mut index: usize, of: Of) -> Result<Self, WireError> {
        let mut options = Options::default();
        while let Some(word) = args.get(index) {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            index += 1;
            if of == Of::Set && is("NX") && !options.xx {
                options.nx = true;
            } else if of == Of::Set && is("XX") && !options.nx {
                options.xx = true;
            } else if of == Of::Set && is("GET") {
                options.get = true;
            } else if of == Of::Set && is("KEEPTTL") && options.time.is_none() {
                options.keep_deadline = true;
            } else if of == Of::GetEx && is("PERSIST") && options.time.is_none() {
                options.persist = true;
            } else if let Some(unit) = time_unit(word)
                && let Some(text) = args.get(index)
                && options.takes_time(unit)
            {
                options.time = Some((unit, text));
                index += 1;
            } else {
                return Err(WireError::Syntax);
            }
        }
        Ok(options)
    }

    fn takes_time(&self, unit: TimeUnit) -> bool {
        !self.keep_deadline && !self.persist && self.time.is_none_or(|(before, _)| before == unit)
    }

    /// The new deadline, if one is given.
    pub(super) fn deadline(
        &self,
        now: UnixMs,
        command: &'static str,
    ) -> Result<Option<UnixMs>, WireError> {
        self.time.map(|(unit, text)| unit.deadline(text, now, command)).transpose()
    }
}

fn time_unit(word: &[u8]) -> Option<TimeUnit> {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    match word.len() {
        2 if is("EX") => Some(TimeUnit::Seconds),
        2 if is("PX") => Some(TimeUnit::Millis),
        4 if is("EXAT") => Some(TimeUnit::UnixSeconds),
        4 if is("PXAT") => Some(TimeUnit::UnixMillis),
        _ => None,
    }
}
