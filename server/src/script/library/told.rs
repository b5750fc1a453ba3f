//! Libraries in a ring: every node has all of them.
//!
//! ```text
//!   FUNCTION LOAD ─▶ records ─▶ noted ─▶ the telling worker ─▶ a queue for each of its links ─▶ frames ─▶ peer: hear ─▶ records
//!                                                                       ▲                                  │
//!                                                                       └──────── texts that it lacks ─────┘
//! ```
//!
//! One worker of each node tells, on its own link to each peer: which words it knows when the link opens and every [`TELL_AGAIN`], and what changes, in full. The peer asks for
//! the texts of which it has not heard the last word. So a node that joins, or was away, has what the others have after a round trip or two, and whatever is lost on the way
//! comes again.
//!
//! A node that has just started does not know yet what there is. Until a peer has told it all, or for [`SETTLED_AFTER`], it does not say that a function does not exist.

use super::records::{Record, Stamp};
use super::shelf::Shelf;
use super::{Libraries, Library, Source};
use crate::base::limits::INTEREST_FRAME_BYTES;
use crate::base::told::Told;
use crate::base::version::Version;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use torc_protocol::peer::Malformed;
use torc_protocol::peer::libraries::{
    self as wire, Entry, LibrariesHead, Word, begin_libraries, decode_libraries, put_library,
};

/// Each link is told so often which words there are.
pub const TELL_AGAIN: Duration = Duration::from_secs(30);

/// A node that has been up for so long answers by what it has.
pub const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// What peers send is taken up to so many times what clients may load here: two halves of a ring may both have been full.
const PEER_BYTES_FACTOR: u64 = 2;

/// What was told and is to be told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// The names on which the last words changed.
    pub told: Told<String>,
    /// Texts that were asked for, and the stamps that they had.
    missing: Mutex<BTreeMap<String, Stamp>>,
    settled: AtomicBool,
}

impl From<wire::Stamp> for Stamp {
    fn from(stamp: wire::Stamp) -> Self {
        Stamp { version: Version::from_bits(stamp.version), origin: stamp.origin }
    }
}

impl From<Stamp> for wire::Stamp {
    fn from(stamp: Stamp) -> Self {
        wire::Stamp { version: stamp.version.get(), origin: stamp.origin }
    }
}

/// What a node lacks of what it was told, and which payload that answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The payload's number.
    pub number: u64,
    /// The libraries whose texts it lacks.
    pub names: Vec<String>,
}

impl Libraries {
    /// The names on which the last words changed, and how far peers have heard. A flush is a change of none.
    pub fn told(&self) -> &Told<String> {
        &self.telling.told
    }

    /// Takes down what the telling worker's open links have confirmed. Returns whether that is more than before.
    pub fn confirm<'l>(&self, links: impl Iterator<Item = &'l LibraryLink>) -> bool {
        self.telling.told.confirm(links.filter(|link| link.is_open).map(|link| link.heard))
    }

    /// All names on which there is a word, and a change that they cover.
    fn names(&self) -> (VecDeque<String>, u64) {
        // Read first: whatever was noted by now is in the records.
        let noted = self.telling.told.noted();
        (self.records.lock().by_name.keys().cloned().collect(), noted)
    }

    /// Whether a peer has told what there is.
    pub fn is_settled(&self) -> bool {
        self.telling.settled.load(Ordering::Relaxed)
    }

    /// Takes over what a peer tells. `load` runs a text, to find what it registers; `bytes_max` is what clients may load here.
    ///
    /// # Errors
    /// The payload is malformed; nothing of it was taken.
    pub fn hear(
        &self,
        payload: &[u8],
        bytes_max: u64,
        load: impl Fn(Source) -> Arc<Library>,
    ) -> Result<Wanted, Malformed> {
        let (head, entries) = decode_libraries(payload)?;
        let (mut wanted, mut bytes) = (Vec::new(), self.shelf().bytes() as u64);
        let bytes_max = bytes_max.saturating_mul(PEER_BYTES_FACTOR);
        let mut changed = self.records.lock().flush(head.flushed.into());
        for Entry { name, stamp, word } in entries {
            let (Ok(name), stamp) = (std::str::from_utf8(name), Stamp::from(stamp)) else {
                continue;
            };
            if !self.records.lock().is_news(name, stamp) {
                continue;
            }
            let library = match word {
                Word::Named => {
                    wanted.push(name.to_owned());
                    self.telling.missing.lock().insert(name.to_owned(), stamp);
                    continue;
                }
                Word::Deleted => None,
                Word::Text(text) => {
                    bytes += text.len() as u64;
                    let Some(source) = admit(name, text, bytes <= bytes_max) else { continue };
                    // Not under the lock: this runs the library.
                    Some(load(source))
                }
            };
            changed |= self.records.lock().put(name, Record::heard(stamp, library));
        }
        if changed {
            let records = self.records.lock();
            self.publish(Shelf::of(&records));
        }
        let records = self.records.lock();
        let mut missing = self.telling.missing.lock();
        missing.retain(|name, stamp| records.is_news(name, *stamp));
        if !head.more && missing.is_empty() {
            self.telling.settled.store(true, Ordering::Relaxed);
        }
        Ok(Wanted { number: head.number, names: wanted })
    }
}

/// The text of a peer's library, if it can be one of this node.
fn admit(name: &str, text: &[u8], fits: bool) -> Option<Source> {
    if !fits {
        tracing::warn!(name, "a peer's library does not fit: script-cache-max is smaller here");
        return None;
    }
    let source = Source::parse(text).ok().filter(|source| source.name() == name);
    if source.is_none() {
        tracing::warn!(name, "a peer's library is none that this node understands");
    }
    source
}

/// What is still to be told by one link.
#[derive(Debug, Default)]
pub struct LibraryLink {
    /// Names, and whether the texts go with them.
    queue: VecDeque<(String, bool)>,
    /// A payload is owed, even if it has no entries.
    is_fresh: bool,
    is_open: bool,
    /// Up to which change everything is told once the queue is empty.
    change: u64,
    /// Up to which change the peer has confirmed.
    heard: u64,
    /// Payloads that were sent, and the number of the last that was answered.
    sent: u64,
    answered: u64,
}

impl LibraryLink {
    /// The link opened: it is to be told which words there are.
    pub fn open(&mut self, libraries: &Libraries) {
        *self = LibraryLink { is_open: true, ..LibraryLink::default() };
        self.tell_again(libraries);
    }

    /// Tells once more which words there are.
    pub fn tell_again(&mut self, libraries: &Libraries) {
        if self.is_open {
            let (names, change) = libraries.names();
            self.queue = names.into_iter().map(|name| (name, false)).collect();
            self.is_fresh = true;
            self.change = self.change.max(change);
        }
    }

    /// The link is lost.
    pub fn lose(&mut self) {
        *self = LibraryLink::default();
    }

    /// These names changed, up to that change.
    pub fn change(&mut self, names: &BTreeSet<String>, change: u64) {
        if self.is_open {
            self.queue.extend(names.iter().map(|name| (name.clone(), true)));
            self.is_fresh = true;
            self.change = self.change.max(change);
        }
    }

    /// The peer answers payload `number`, and lacks these texts.
    pub fn answered<'n>(&mut self, number: u64, wanted: impl Iterator<Item = &'n [u8]>) {
        let names = wanted.filter_map(|name| std::str::from_utf8(name).ok());
        self.queue.extend(names.map(|name| (name.to_owned(), true)));
        self.answered = self.answered.max(number.min(self.sent));
        if self.answered == self.sent && !self.owes() {
            self.heard = self.change;
        }
    }

    /// Whether there is something to tell.
    pub fn owes(&self) -> bool {
        self.is_fresh || !self.queue.is_empty()
    }

    /// The next payload, if there is something to tell.
    pub fn next_payload(&mut self, libraries: &Libraries) -> Option<Vec<u8>> {
        if !self.owes() {
            return None;
        }
        let (mut entries, flushed) = (Vec::new(), libraries.records.lock().flushed);
        while entries.len() < INTEREST_FRAME_BYTES
            && let Some((name, with_text)) = self.queue.pop_front()
        {
            let records = libraries.records.lock();
            let Some(record) = records.by_name.get(&name) else { continue };
            let word = match &record.library {
                None => Word::Deleted,
                Some(library) if with_text => Word::Text(library.text()),
                Some(_) => Word::Named,
            };
            let entry = Entry { name: name.as_bytes(), stamp: record.stamp.into(), word };
            put_library(entry, &mut entries);
        }
        self.is_fresh = false;
        self.sent += 1;
        let more = !self.queue.is_empty();
        let mut payload = Vec::with_capacity(entries.len() + 32);
        let head = LibrariesHead { more, number: self.sent, flushed: flushed.into() };
        begin_libraries(head, &mut payload);
        payload.append(&mut entries);
        Some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{By, Function, Policy};
    use super::*;

    const BYTES_MAX: u64 = 1 << 20;

    /// A node, and its link to the other one.
    struct Node {
        libraries: Libraries,
        link: LibraryLink,
        origin: u64,
        now: u64,
    }

    fn loaded(source: Source) -> Arc<Library> {
        let function = Function::new(source.name().to_owned(), None, Default::default());
        Library::new(source, vec![function])
    }

    impl Node {
        fn new(origin: u64) -> Node {
            let libraries = Libraries::default();
            libraries.told().start();
            Node { libraries, link: LibraryLink::default(), origin, now: 2_000_000_000_000 }
        }

        fn by(&mut self) -> By {
            self.now += 1;
            By { now: self.now, origin: self.origin, bytes_max: BYTES_MAX }
        }

        fn load(&mut self, name: &str, body: &str) {
            let text = format!("#!lua name={name}\n{body}");
            let library = loaded(Source::parse(text.as_bytes()).unwrap());
            let by = self.by();
            self.libraries.add(&[library], Policy::Replace, by).unwrap();
        }

        /// As a client does it that is answered by an error where there is such a library.
        fn load_new(&mut self, name: &str, body: &str) -> bool {
            let text = format!("#!lua name={name}\n{body}");
            let library = loaded(Source::parse(text.as_bytes()).unwrap());
            let by = self.by();
            self.libraries.add(&[library], Policy::Append, by).is_ok()
        }

        fn delete(&mut self, name: &str) {
            let by = self.by();
            assert!(self.libraries.delete(name, by));
        }

        /// Tells the other node what there is to tell; how many payloads that took.
        fn tell(&mut self, other: &Node) -> usize {
            if let Some((names, change)) = self.libraries.told().take() {
                self.link.change(&names, change);
            }
            let mut count = 0;
            while let Some(payload) = self.link.next_payload(&self.libraries) {
                count += 1;
                let wanted = other.libraries.hear(&payload, BYTES_MAX, loaded).unwrap();
                let names = wanted.names.iter().map(String::as_bytes);
                self.link.answered(wanted.number, names);
            }
            self.libraries.confirm(std::iter::once(&self.link));
            count
        }

        fn texts(&self) -> Vec<String> {
            let shelf = self.libraries.shelf();
            shelf
                .libraries()
                .iter()
                .map(|it| String::from_utf8(it.text().into()).unwrap())
                .collect()
        }
    }

    fn meet(a: &mut Node, b: &mut Node) {
        a.link.open(&a.libraries);
        b.link.open(&b.libraries);
        a.tell(b);
        b.tell(a);
    }

    #[test]
    fn a_node_that_joins_learns_all_and_is_settled_then() {
        let (mut a, b) = (Node::new(1), Node::new(2));
        a.load("x", "1");
        a.load("y", "2");
        a.delete("y");
        assert!(!b.libraries.is_settled());
        a.link.open(&a.libraries);
        let first = a.link.next_payload(&a.libraries).unwrap();
        let wanted = b.libraries.hear(&first, BYTES_MAX, loaded).unwrap();
        assert_eq!(wanted, Wanted { number: 1, names: vec!["x".into()] });
        assert!(!b.libraries.is_settled(), "it knows that it lacks something");
        a.link.answered(1, [&b"x"[..]].into_iter());
        a.tell(&b);
        assert!(b.libraries.is_settled());
        assert_eq!(b.texts(), ["#!lua name=x\n1"]);
        // What was told in full is not asked for again.
        a.link.open(&a.libraries);
        assert_eq!(a.tell(&b), 1);
    }

    #[test]
    fn the_last_word_stands_on_both_sides_of_a_partition() {
        let (mut a, mut b) = (Node::new(1), Node::new(2));
        a.load("x", "old");
        a.load("gone", "1");
        a.load("kept", "1");
        meet(&mut a, &mut b);
        assert_eq!(a.texts(), b.texts());
        // They do not hear of each other now.
        b.now = a.now + 1_000;
        a.load("x", "earlier");
        b.load("x", "later");
        b.delete("gone");
        a.load("new", "1");
        meet(&mut a, &mut b);
        assert_eq!(a.texts(), ["#!lua name=kept\n1", "#!lua name=new\n1", "#!lua name=x\nlater"]);
        assert_eq!(a.texts(), b.texts());
        // A flush takes what was said before it, wherever.
        a.load("before", "1");
        b.now = a.now + 1_000;
        let by = b.by();
        b.libraries.flush(by);
        b.load("after", "1");
        meet(&mut a, &mut b);
        assert_eq!(a.texts(), ["#!lua name=after\n1"]);
        assert_eq!(a.texts(), b.texts());
    }

    #[test]
    fn a_change_is_confirmed_when_the_peer_has_all_of_it() {
        let (mut a, b) = (Node::new(1), Node::new(2));
        a.link.open(&a.libraries);
        a.tell(&b);
        assert_eq!(a.libraries.told().unheard(), None);
        let mut alone = Node::new(3);
        alone.load("x", "1");
        assert_eq!(alone.libraries.told().unheard(), None, "nobody is to hear of it");
        a.load("x", "1");
        assert_eq!(a.libraries.told().unheard(), Some(1));
        let (names, change) = a.libraries.told().take().unwrap();
        a.link.change(&names, change);
        let payload = a.link.next_payload(&a.libraries).unwrap();
        a.libraries.confirm(std::iter::once(&a.link));
        assert_eq!(a.libraries.told().unheard(), Some(1), "it was sent, not heard");
        let wanted = b.libraries.hear(&payload, BYTES_MAX, loaded).unwrap();
        a.link.answered(wanted.number, std::iter::empty());
        assert!(a.libraries.confirm(std::iter::once(&a.link)));
        assert_eq!(a.libraries.told().unheard(), None);
        assert_eq!(b.texts(), a.texts());
        // An answer to what was sent before the last change says nothing of that.
        a.load("y", "1");
        let (names, change) = a.libraries.told().take().unwrap();
        a.link.change(&names, change);
        a.link.next_payload(&a.libraries).unwrap();
        a.link.answered(wanted.number, std::iter::empty());
        a.libraries.confirm(std::iter::once(&a.link));
        assert_eq!(a.libraries.told().unheard(), Some(2));
        // A peer that is gone keeps nobody waiting.
        a.load("y", "1");
        a.link.lose();
        a.libraries.confirm(std::iter::once(&a.link));
        assert_eq!(a.libraries.told().unheard(), None);
    }

    #[test]
    fn each_kind_of_change_is_told_as_it_comes() {
        let (mut a, mut b) = (Node::new(1), Node::new(2));
        meet(&mut a, &mut b);
        a.load("x", "1");
        a.load("y", "1");
        assert_eq!((a.tell(&b), b.texts().len()), (1, 2));
        a.delete("x");
        assert_eq!((a.tell(&b), b.texts()), (1, a.texts()));
        let by = a.by();
        a.libraries.flush(by);
        assert_eq!((a.tell(&b), b.texts().len()), (1, 0));
        assert_eq!(a.tell(&b), 0);
    }

    /// Clients of clusters send FUNCTION LOAD and DELETE to every node, and were answered errors where the news had come first.
    #[test]
    fn what_a_peer_told_a_client_may_say_once_more() {
        let (mut a, mut b) = (Node::new(1), Node::new(2));
        meet(&mut a, &mut b);
        assert!(a.load_new("x", "1") && !a.load_new("x", "1"));
        a.tell(&b);
        assert!(!b.load_new("x", "2"), "it says something else");
        assert!(b.load_new("x", "1") && !b.load_new("x", "1"));
        assert_eq!(b.tell(&a), 0, "it was no news");
        assert!(!a.load_new("x", "1"), "it was loaded here");

        a.delete("x");
        a.tell(&b);
        let (of_a, of_b) = (a.by(), b.by());
        assert!(b.libraries.delete("x", of_b) && !b.libraries.delete("x", of_b));
        assert!(!a.libraries.delete("x", of_a));
        assert_eq!(b.tell(&a), 0);

        // Both at once: each has said it itself, whoever was later.
        b.now = a.now + 1_000;
        assert!(a.load_new("x", "3") && b.load_new("x", "3"));
        a.tell(&b);
        b.tell(&a);
        assert!(!a.load_new("x", "3") && !b.load_new("x", "3"));
        a.delete("x");
        b.delete("x");
        a.tell(&b);
        b.tell(&a);
        let (of_a, of_b) = (a.by(), b.by());
        assert!(!a.libraries.delete("x", of_a) && !b.libraries.delete("x", of_b));
    }

    #[test]
    fn what_was_lost_on_the_way_is_told_again() {
        let (mut a, mut b) = (Node::new(1), Node::new(2));
        meet(&mut a, &mut b);
        a.load("x", "1");
        let (names, change) = a.libraries.told().take().unwrap();
        a.link.change(&names, change);
        assert!(a.link.next_payload(&a.libraries).is_some());
        assert_eq!((a.tell(&b), b.texts().len()), (0, 0), "it was sent, and never came");
        assert_eq!(a.libraries.told().unheard(), Some(1));
        a.link.tell_again(&a.libraries);
        a.tell(&b);
        assert_eq!((a.libraries.told().unheard(), b.texts()), (None, a.texts()));
    }

    #[test]
    fn a_node_that_lacks_nothing_yet_is_settled_with_the_last_payload() {
        let (mut a, b) = (Node::new(1), Node::new(2));
        for number in 0..2_000 {
            let name = format!("library_with_a_long_name_{number}");
            a.load(&name, "1");
            a.delete(&name);
        }
        a.libraries.told().take();
        a.link.open(&a.libraries);
        let first = a.link.next_payload(&a.libraries).unwrap();
        let wanted = b.libraries.hear(&first, BYTES_MAX, loaded).unwrap();
        assert!(wanted.names.is_empty() && !b.libraries.is_settled());
        a.tell(&b);
        assert!(b.libraries.is_settled());
    }

    #[test]
    fn many_names_go_in_several_payloads_and_settle_with_the_last() {
        let (mut a, b) = (Node::new(1), Node::new(2));
        for number in 0..2_000 {
            a.load(&format!("library_with_a_long_name_{number}"), "1");
        }
        a.libraries.told().take();
        a.link.open(&a.libraries);
        let first = a.link.next_payload(&a.libraries).unwrap();
        let wanted = b.libraries.hear(&first, BYTES_MAX, loaded).unwrap();
        assert!(
            !wanted.names.is_empty() && wanted.names.len() < 2_000 && !b.libraries.is_settled()
        );
        a.link.answered(1, wanted.names.iter().map(String::as_bytes));
        a.tell(&b);
        assert!(b.libraries.is_settled());
        assert_eq!(a.texts(), b.texts());
    }

    #[test]
    fn what_a_peer_sends_is_bounded_and_checked() {
        let (mut a, b) = (Node::new(1), Node::new(2));
        a.load("x", &"-".repeat(3_000));
        a.link.open(&a.libraries);
        a.link.change(&BTreeSet::from(["x".into()]), 1);
        let payload = a.link.next_payload(&a.libraries).unwrap();
        b.libraries.hear(&payload, 1_000, loaded).unwrap();
        assert!(b.texts().is_empty());
        assert!(b.libraries.hear(&payload[..payload.len() - 1], BYTES_MAX, loaded).is_err());
        b.libraries.hear(&payload, BYTES_MAX, loaded).unwrap();
        assert_eq!(b.texts(), a.texts());
        // A text that calls itself otherwise.
        let mut payload = Vec::new();
        let stamp = Stamp { version: Version::from_bits(u64::MAX >> 1), origin: 1 };
        begin_libraries(
            LibrariesHead { more: false, number: 9, flushed: Stamp::default().into() },
            &mut payload,
        );
        let word = Word::Text(b"#!lua name=other\n");
        put_library(Entry { name: b"y", stamp: stamp.into(), word }, &mut payload);
        b.libraries.hear(&payload, BYTES_MAX, loaded).unwrap();
        assert_eq!(b.texts(), a.texts());
    }
}
