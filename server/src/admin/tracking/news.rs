//! Names of changed keys on their way to other nodes whose clients track.
//!
//! ```text
//!   a change ─▶ Outgoing: one worker's, each key once ─ end of its turn ─▶ frames ─▶ NewsLink: a queue for each of its links ─▶ peer
//! ```
//!
//! **Invariant.** What was added leaves by each open link, or the word that all keys may have changed leaves instead. What a link that is lost took with it the peer makes good for: it sees
//! the loss too.

use crate::base::limits::{CHANGED_BYTES_MAX, CHANGED_BYTES_WAITING_MAX, CHANGED_FRAME_BYTES};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use torc_protocol::peer::changes::{AUTHOR_BYTES, Author, begin_changed, put_changed};

/// What an entry takes beyond its key.
const OVERHEAD_BYTES: usize = AUTHOR_BYTES + 16;

/// Keys that one worker has changed since it last told other nodes.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// And whose doing it was; nobody's if it was several clients'.
    keys: HashMap<Box<[u8]>, Option<Author>>,
    bytes: usize,
    /// All may have changed.
    all: bool,
}

impl Outgoing {
    /// `author` has changed `key`.
    pub(super) fn add(&mut self, key: &[u8], author: Option<Author>) {
        if self.all {
            return;
        }
        if let Some(known) = self.keys.get_mut(key) {
            if *known != author {
                *known = None;
            }
            return;
        }
        self.bytes += key.len() + OVERHEAD_BYTES;
        if key.len() > CHANGED_FRAME_BYTES || self.bytes > CHANGED_BYTES_MAX {
            return self.add_all();
        }
        self.keys.insert(key.into(), author);
    }

    /// All keys may have changed.
    pub(super) fn add_all(&mut self) {
        *self = Outgoing { all: true, ..Outgoing::default() };
    }

    /// What was added, as payloads.
    pub fn into_frames(self) -> Frames {
        let (mut payloads, mut payload) = (Vec::new(), Vec::new());
        for (key, author) in self.keys {
            if payload.is_empty() {
                begin_changed(false, &mut payload);
            }
            put_changed(&key, author, &mut payload);
            if payload.len() >= CHANGED_FRAME_BYTES {
                payloads.push(std::mem::take(&mut payload).into());
            }
        }
        if !payload.is_empty() {
            payloads.push(payload.into());
        }
        Frames { all: self.all, payloads }
    }
}

/// What one worker tells at the end of a turn.
#[derive(Debug, Default)]
pub struct Frames {
    all: bool,
    payloads: Vec<Arc<[u8]>>,
}

/// What is still to be told by one link.
#[derive(Debug, Default)]
pub struct NewsLink {
    is_open: bool,
    all: bool,
    queue: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl NewsLink {
    /// The link opened. If the peer's clients track, they have missed what was changed before.
    pub fn open(&mut self, tracks: bool) {
        *self = NewsLink { is_open: true, all: tracks, ..NewsLink::default() };
    }

    /// The link is lost.
    pub fn lose(&mut self) {
        *self = NewsLink::default();
    }

    /// The peer is to hear that.
    pub fn add(&mut self, frames: &Frames) {
        if !self.is_open {
            return;
        }
        let bytes: usize = frames.payloads.iter().map(|payload| payload.len()).sum();
        if frames.all || self.bytes + bytes > CHANGED_BYTES_WAITING_MAX {
            // Whoever forgets all need not hear of what he had before; what changes later comes behind.
            *self = NewsLink { is_open: true, all: true, ..NewsLink::default() };
            return;
        }
        self.bytes += bytes;
        self.queue.extend(frames.payloads.iter().cloned());
    }

    /// Whether there is something to tell.
    pub fn owes(&self) -> bool {
        self.all || !self.queue.is_empty()
    }

    /// The next payload, if there is something to tell.
    pub fn next_payload(&mut self) -> Option<Arc<[u8]>> {
        if std::mem::take(&mut self.all) {
            let mut payload = Vec::new();
            begin_changed(true, &mut payload);
            return Some(payload.into());
        }
        let payload = self.queue.pop_front()?;
        self.bytes -= payload.len();
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use torc_protocol::peer::changes::decode_changed;

    const X: Option<Author> = Some(Author { node: 1, client: 2 });
    const Y: Option<Author> = Some(Author { node: 1, client: 3 });

    /// All that a link tells: whether all keys may have changed, and those that are named.
    fn told(link: &mut NewsLink) -> (bool, BTreeMap<Vec<u8>, Option<Author>>) {
        let (mut any_all, mut keys) = (false, BTreeMap::new());
        while let Some(payload) = link.next_payload() {
            assert!(payload.len() < 2 * CHANGED_FRAME_BYTES + 64);
            let (all, entries) = decode_changed(&payload).unwrap();
            any_all |= all;
            keys.extend(entries.map(|(key, author)| (key.to_vec(), author)));
        }
        assert!(!link.owes() && link.bytes == 0);
        (any_all, keys)
    }

    fn open() -> NewsLink {
        let mut link = NewsLink::default();
        link.open(false);
        link
    }

    #[test]
    fn each_key_is_told_once_and_by_whom_if_that_is_one() {
        let (mut outgoing, mut link) = (Outgoing::default(), open());
        for (key, author) in [("a", X), ("b", None), ("a", X), ("c", X), ("c", Y), ("b", X)] {
            outgoing.add(key.as_bytes(), author);
        }
        link.add(&outgoing.into_frames());
        let keys = [(b"a".to_vec(), X), (b"b".to_vec(), None), (b"c".to_vec(), None)];
        assert_eq!(told(&mut link), (false, keys.into()));
    }

    #[test]
    fn many_keys_take_several_frames_and_too_many_are_all() {
        let (mut outgoing, mut link) = (Outgoing::default(), open());
        let name = |n: u32| format!("a key of some length {n:08}").into_bytes();
        (0..10_000).for_each(|n| outgoing.add(&name(n), None));
        let frames = outgoing.into_frames();
        assert!(frames.payloads.len() > 5);
        link.add(&frames);
        let (all, keys) = told(&mut link);
        assert_eq!((all, keys.len()), (false, 10_000));
        let mut outgoing = Outgoing::default();
        (0..50_000).for_each(|n| outgoing.add(&name(n), None));
        assert!(outgoing.keys.is_empty());
        link.add(&outgoing.into_frames());
        assert_eq!(told(&mut link), (true, BTreeMap::new()));
        let mut outgoing = Outgoing::default();
        outgoing.add(&vec![b'k'; CHANGED_FRAME_BYTES + 1], None);
        link.add(&outgoing.into_frames());
        assert_eq!(told(&mut link), (true, BTreeMap::new()));
    }

    #[test]
    fn a_slow_link_ends_in_one_word() {
        let mut link = open();
        let mut turn = |n: u32| {
            let mut outgoing = Outgoing::default();
            (0..1_000).for_each(|key| outgoing.add(format!("{n}:{key:0100}").as_bytes(), None));
            link.add(&outgoing.into_frames());
            assert!(link.bytes <= CHANGED_BYTES_WAITING_MAX);
        };
        (0..100).for_each(&mut turn);
        let mut last = Outgoing::default();
        last.add(b"later", X);
        link.add(&last.into_frames());
        let (all, keys) = told(&mut link);
        assert!(all && keys.contains_key(&b"later"[..]), "what comes behind is told by name");
    }

    #[test]
    fn a_link_that_was_away_begins_with_all() {
        let mut link = NewsLink::default();
        let mut outgoing = Outgoing::default();
        outgoing.add(b"missed", None);
        let frames = outgoing.into_frames();
        link.add(&frames);
        assert!(!link.owes());
        link.open(true);
        link.add(&frames);
        link.lose();
        assert!(!link.owes());
        link.open(true);
        assert_eq!(told(&mut link), (true, BTreeMap::new()));
        link.open(false);
        assert!(!link.owes(), "nobody tracks there");
    }
}
