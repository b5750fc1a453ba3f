//! What a client that tracks has asked for.

use super::Tracking;
use crate::admin::clients::{ClientInfo, flag};
use std::collections::BTreeSet;

/// The options of CLIENT TRACKING ON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mode {
    /// Hear of all keys with a prefix, read or not.
    pub bcast: bool,
    /// Only what is read behind CLIENT CACHING YES.
    pub optin: bool,
    /// All but what is read behind CLIENT CACHING NO.
    pub optout: bool,
    /// Nothing of its own changes.
    pub noloop: bool,
    /// The client that hears it instead; 0 for none.
    pub redirect: u64,
}

/// Keys that a command reads, and whether its client had not read each since its last change.
pub type Reading = Vec<(Box<[u8]>, bool)>;

/// A client's tracking. Used by its worker alone; what others need is in its [`ClientInfo`].
#[derive(Debug, Default)]
pub struct Tracked {
    mode: Mode,
    prefixes: BTreeSet<Box<[u8]>>,
    /// Whether CLIENT CACHING spoke of the next command.
    pub caching: bool,
    /// What the command that runs reads, and whether that had not been read since its last change.
    pub(crate) reading: Reading,
}

impl Tracked {
    /// What was asked for.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The prefixes, in order.
    pub fn prefixes(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.prefixes.iter().map(|prefix| &**prefix)
    }

    /// Asks anew; prefixes add up.
    pub fn set(&mut self, tracking: &Tracking, info: &ClientInfo, mode: Mode, prefixes: &[&[u8]]) {
        self.mode = mode;
        let every: &[&[u8]] = &[b""];
        let added = if prefixes.is_empty() { every } else { prefixes };
        for prefix in added.iter().filter(|_| mode.bcast) {
            self.prefixes.insert((*prefix).into());
            tracking.prefixes.add(prefix, info.id);
        }
        let mut flags = flag::TRACKING;
        if mode.bcast {
            flags |= flag::TRACKING_PREFIXES;
        }
        if mode.noloop {
            flags |= flag::TRACKING_NOLOOP;
        }
        info.set_tracking(flags, mode.redirect);
    }

    /// Asks for nothing any more.
    pub fn end(&mut self, tracking: &Tracking, info: &ClientInfo) {
        for prefix in std::mem::take(&mut self.prefixes) {
            tracking.prefixes.remove(&prefix, info.id);
        }
        info.set_tracking(0, 0);
    }

    /// Whether what the next command reads is to be remembered.
    pub fn remembers(&self) -> bool {
        let Mode { bcast, optin, optout, .. } = self.mode;
        let is_left_out = optin && !self.caching || optout && self.caching;
        !bcast && !is_left_out
    }

    /// Forgets what the last command was reading.
    pub fn begin(&mut self) {
        self.reading.clear();
    }

    /// The client is about to read `key`.
    pub fn reads(&mut self, tracking: &Tracking, client: u64, key: &[u8]) {
        let is_new = tracking.reads(key, client);
        self.reading.push((key.into(), is_new));
    }
}
