//! Sessions: reads from any copy that still see what the session wrote and read before.
//!
//! Torc's CLIENT TOKEN keeps a connection's versions. Connections are shared here, so the session keeps them itself and lends them: its commands are sent
//! between `CLIENT TOKEN SET` and `CLIENT TOKEN GET`, in one write, and what comes back is learnt (see the module `scope`). Only the versions of the slots that
//! are read are lent, for a server tells few of a session's slots apart.

use crate::base::lock;
use crate::call::Call;
use crate::client::Client;
use crate::reply::{FromReply as _, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use torc_protocol::slot::SLOT_COUNT;

/// What one user, request or job has written and read, so that its later reads, from whatever copy, are not older.
///
/// Calls of a session read from copies ([`ReadLevel::Session`](crate::ReadLevel)) and yet see the session's own writes, and never go back in time, for each key. So they do where the
/// client has one node of a ring that answers for all of it ([`Mode::Standalone`](crate::Mode)). With servers other than a Torc ring, and with users who may not ask TORC STATUS, a session's reads go to the primary. Within a pipeline a
/// session's reads of a slot come behind its writes of that slot, and from one copy. Clones are the same session. [`Session::token`] carries it to another process.
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// let session = client.session();
/// client.set("profile:7", "new").within(&session).await?;
/// let profile = client.get("profile:7").within(&session).await?; // from any copy that has it
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<Mutex<Seen>>);

/// Versions by slot and origin, of each the highest.
#[derive(Debug, Default)]
struct Seen {
    entries: BTreeMap<(u16, u16), u64>,
    /// What stands for every slot, once there were too many to be told apart.
    all: u64,
}

/// Of a session that has seen more, slots are told apart no longer.
const ENTRIES_MAX: usize = 1024;
/// So many a server takes; for more it is lent the one number that stands for every slot.
const LENT_MAX: usize = 256;
/// What stands for the slot in the entry that is for all of them.
const ALL_SLOTS: u16 = u16::MAX;
/// Slot and version.
const ENTRY_BYTES: usize = 10;
/// The part of a version that names its origin.
const TAG_MASK: u64 = 0xfff;

impl Session {
    /// What the session has seen, as text for another process's [`Session::from_token`].
    pub fn token(&self) -> String {
        lock(&self.0).token(None, usize::MAX)
    }

    /// A session that goes on from what another had seen; `None` if the text is no token.
    ///
    /// ```
    /// # use torc_client::Session;
    /// let session = Session::from_token("").expect("nothing has been seen");
    /// assert_eq!(session.token(), "");
    /// assert!(Session::from_token("nonsense").is_none());
    /// ```
    pub fn from_token(token: &str) -> Option<Session> {
        let mut seen = Seen::default();
        seen.learn(token)?;
        Some(Session(Arc::new(Mutex::new(seen))))
    }

    /// What it has seen of these slots, which stand in order, or of all; as text that a server takes.
    pub(crate) fn lend(&self, slots: Option<&[u16]>) -> String {
        match slots {
            // What only writes needs nothing, and is told so, for others may have used the connection before.
            Some([]) => String::new(),
            _ => lock(&self.0).token(slots, LENT_MAX),
        }
    }

    /// Adds what a server says that it has seen.
    pub(crate) fn learn(&self, token: Value) {
        if let Ok(text) = String::from_reply(token) {
            // A token that cannot be read is a server's fault; what was seen before stays.
            let _ = lock(&self.0).learn(&text);
        }
    }

    /// Whether it is the same one.
    pub(crate) fn is(&self, other: &Session) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Seen {
    fn note(&mut self, slot: u16, version: u64) {
        if self.all != 0 || slot == ALL_SLOTS {
            self.all = self.all.max(version);
        } else {
            let highest = self.entries.entry((slot, (version & TAG_MASK) as u16)).or_default();
            *highest = (*highest).max(version);
        }
        if (self.all != 0 && !self.entries.is_empty()) || self.entries.len() > ENTRIES_MAX {
            let highest = std::mem::take(&mut self.entries).into_values().max();
            self.all = self.all.max(highest.unwrap_or(0));
        }
    }

    /// As text, of some slots, which stand in order, or of all: two hexadecimal digits a byte, entries of slot u16 and version u64, little-endian. Beyond
    /// `entries_max` the highest version stands for every slot.
    fn token(&self, slots: Option<&[u16]>, entries_max: usize) -> String {
        let is_wanted = |slot: u16| slots.is_none_or(|wanted| wanted.binary_search(&slot).is_ok());
        let entries = self.entries.iter().map(|(&(slot, _), &version)| (slot, version));
        let all = (self.all != 0).then_some((ALL_SLOTS, self.all));
        let mut chosen: Vec<_> = entries.filter(|&(slot, _)| is_wanted(slot)).chain(all).collect();
        if chosen.len() > entries_max {
            let highest = chosen.iter().map(|&(_, version)| version).max();
            chosen = vec![(ALL_SLOTS, highest.unwrap_or(0))];
        }
        let mut text = String::new();
        for (slot, version) in chosen {
            let bytes = slot.to_le_bytes().into_iter().chain(version.to_le_bytes());
            for byte in bytes {
                text.extend(
                    [byte >> 4, byte & 15]
                        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])),
                );
            }
        }
        text
    }

    fn learn(&mut self, text: &str) -> Option<()> {
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
        let bytes = bytes.filter(|_| rest.is_empty())?;
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        let is_sound = |entry: &[u8; ENTRY_BYTES]| {
            let slot = u16::from_le_bytes([entry[0], entry[1]]);
            usize::from(slot) < SLOT_COUNT || slot == ALL_SLOTS
        };
        if !rest.is_empty() || entries.len() > ENTRIES_MAX + 1 || !entries.iter().all(is_sound) {
            return None;
        }
        for &[s0, s1, ref version @ ..] in entries {
            self.note(u16::from_le_bytes([s0, s1]), u64::from_le_bytes(*version));
        }
        Some(())
    }
}

impl Client {
    /// A session that has seen nothing yet.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let session = client.session();
    /// client.incr("count").within(&session).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn session(&self) -> Session {
        Session::default()
    }
}

impl<T, C> Call<'_, T, C> {
    /// Makes the call part of a session.
    pub fn within(mut self, session: &Session) -> Self {
        self.options.edit().session = Some(session.clone());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_lent_by_slot_and_learnt_together() {
        let session = Session::from_token("0100ff00000000000000").unwrap();
        assert_eq!(session.token(), "0100ff00000000000000");
        let mut seen = Seen::default();
        seen.note(1, 5 << 12 | 7);
        seen.note(1, 4 << 12 | 7);
        seen.note(1, 9 << 12 | 8);
        seen.note(2, 1 << 12);
        assert_eq!(seen.token(Some(&[1]), 9).len(), 40, "of each origin the highest");
        assert_eq!(seen.token(None, 3).len(), 60);
        assert_eq!(seen.token(None, 2), "ffff0890000000000000", "the highest for all");
        let mut other = Seen::default();
        other.learn(&seen.token(None, 3)).unwrap();
        assert_eq!(other.entries, seen.entries);
        for wrong in ["1", "zz", "0100", "00400000000000000000"] {
            assert!(Session::from_token(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn too_many_slots_become_one_bound() {
        let mut seen = Seen::default();
        for slot in 0..=ENTRIES_MAX as u16 {
            seen.note(slot, u64::from(slot) + 10);
        }
        assert!(seen.entries.is_empty());
        assert_eq!((seen.all, seen.token(Some(&[3]), 9).len()), (10 + ENTRIES_MAX as u64, 20));
    }
}
