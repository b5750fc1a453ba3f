//! Keyspace notifications: what happens to keys, told on channels of its own.
//!
//! ```text
//!   __keyspace@<db>__:<key>      message: the event       K
//!   __keyevent@<db>__:<event>    message: the key         E
//! ```
//!
//! Which classes of events are told is `notify-keyspace-events`; by default none is, and that costs one load and a branch that is always the same. In a
//! ring the node that serves a key tells of it, and subscribers on any node hear.
//!
//! Source: redis.io, "Redis keyspace notifications".

use super::{Kind, PubSub, Publisher};
use crate::admin::mailbox::Mailboxes;
use crate::store::{Notice, NoticeKind};
use std::sync::atomic::{AtomicU32, Ordering};

/// Classes of events, one bit each, and the two kinds of channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events(u32);

macro_rules! classes {
    ($($(#[$doc:meta])+ $name:ident = $bit:literal, $letter:literal;)+) => {
        impl Events {
            $($(#[$doc])+ pub const $name: Events = Events(1 << $bit);)+
            const LETTERS: &[(char, Events)] = &[$(($letter, Events::$name)),+];
        }
    };
}

classes! {
    /// Channels by key.
    KEYSPACE = 0, 'K';
    /// Channels by event.
    KEYEVENT = 1, 'E';
    /// Commands for keys of any type.
    GENERIC = 2, 'g';
    /// Strings.
    STRING = 3, '$';
    /// Lists.
    LIST = 4, 'l';
    /// Sets.
    SET = 5, 's';
    /// Hashes.
    HASH = 6, 'h';
    /// Sorted sets.
    SORTED_SET = 7, 'z';
    /// A key was removed because its time had come.
    EXPIRED = 8, 'x';
    /// A key was removed because memory was short.
    EVICTED = 9, 'e';
    /// Streams.
    STREAM = 10, 't';
    /// Modules, of which there are none.
    MODULE = 11, 'd';
    /// A key was looked up that is not there.
    MISS = 12, 'm';
    /// A key came into being.
    NEW = 13, 'n';
}

impl Events {
    /// All classes that `A` stands for: each but misses and new keys.
    const ALL: Events = Events(0b1111_1111_1100);

    /// The classes that the letters of `notify-keyspace-events` name.
    pub fn parse(letters: &str) -> Events {
        let bits = letters.chars().map(|letter| match letter {
            'A' => Events::ALL.0,
            _ => Events::LETTERS.iter().find(|(known, _)| *known == letter).map_or(0, |(_, e)| e.0),
        });
        Events(bits.fold(0, |all, bits| all | bits))
    }

    /// Whether any of `other`'s is among them.
    pub const fn intersects(self, other: Events) -> bool {
        self.0 & other.0 != 0
    }

    /// What the store is to tell of, which no command knows: nothing while no channel is switched on.
    pub fn of_store(self) -> impl Iterator<Item = NoticeKind> {
        let is_on = self.intersects(Events(Events::KEYSPACE.0 | Events::KEYEVENT.0));
        STORE_EVENTS
            .iter()
            .filter(move |(_, class, _)| is_on && self.intersects(*class))
            .map(|e| e.0)
    }
}

/// What the store tells of.
const STORE_EVENTS: [(NoticeKind, Events, &str); 4] = [
    (NoticeKind::Expired, Events::EXPIRED, "expired"),
    (NoticeKind::Evicted, Events::EVICTED, "evicted"),
    (NoticeKind::Missed, Events::MISS, "keymiss"),
    (NoticeKind::New, Events::NEW, "new"),
];

/// The classes in force.
#[derive(Debug, Default)]
pub(super) struct Switch(AtomicU32);

/// Something happened to a key.
#[derive(Debug, Clone, Copy)]
pub struct Event<'e> {
    /// Its class, of which there is one.
    pub class: Events,
    /// Its name, as Redis calls it.
    pub name: &'static str,
    /// In which database.
    pub db: u8,
    /// The key.
    pub key: &'e [u8],
}

impl PubSub {
    /// Changes which events are told.
    pub fn set_events(&self, events: Events) {
        // Relaxed, here and where it is read: a change may take a batch to be seen.
        self.events.0.store(events.0, Ordering::Relaxed);
    }

    /// Whether events of `class` are told.
    #[inline]
    pub fn tells_of(&self, class: Events) -> bool {
        self.events.0.load(Ordering::Relaxed) & class.0 != 0
    }

    /// Tells of an event whose class is on.
    pub fn notify(&self, mailboxes: &Mailboxes, mut publisher: Publisher<'_>, event: Event<'_>) {
        let Event { name, db, key, .. } = event;
        if self.is_silent() {
            return;
        }
        if self.tells_of(Events::KEYSPACE) {
            let channel = channel("keyspace", db, key);
            let publisher = publisher.again();
            self.publish(mailboxes, publisher, Kind::Channel, &channel, name.as_bytes());
        }
        if self.tells_of(Events::KEYEVENT) {
            let channel = channel("keyevent", db, name.as_bytes());
            self.publish(mailboxes, publisher, Kind::Channel, &channel, key);
        }
    }

    /// Tells what the store noticed.
    pub fn notify_noticed(
        &self,
        mailboxes: &Mailboxes,
        mut publisher: Publisher<'_>,
        notices: Vec<Notice>,
    ) {
        for Notice { kind, db, key } in notices {
            let found = STORE_EVENTS.iter().find(|(known, ..)| *known == kind);
            let Some(&(_, class, name)) = found.filter(|(_, class, _)| self.tells_of(*class))
            else {
                continue;
            };
            let event = Event { class, name, db, key: &key };
            self.notify(mailboxes, publisher.again(), event);
        }
    }
}

fn channel(word: &str, db: u8, rest: &[u8]) -> Vec<u8> {
    let mut channel = Vec::with_capacity(rest.len() + 20);
    channel.extend_from_slice(b"__");
    channel.extend_from_slice(word.as_bytes());
    channel.push(b'@');
    channel.extend_from_slice(itoa::Buffer::new().format(db).as_bytes());
    channel.extend_from_slice(b"__:");
    channel.extend_from_slice(rest);
    channel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_classes() {
        assert_eq!(Events::parse(""), Events::default());
        let some = Events::parse("Kx");
        assert!(some.intersects(Events::KEYSPACE) && some.intersects(Events::EXPIRED));
        assert!(!some.intersects(Events::KEYEVENT) && !some.intersects(Events::MISS));
        let all = Events::parse("AKE");
        for (letter, class) in Events::LETTERS {
            assert_eq!(all.intersects(*class), !"mn".contains(*letter), "{letter}");
        }
    }

    #[test]
    fn the_store_is_asked_for_nothing_while_no_channel_is_on() {
        assert_eq!(Events::parse("Amn").of_store().count(), 0);
        assert_eq!(
            Events::parse("Kxm").of_store().collect::<Vec<_>>(),
            [NoticeKind::Expired, NoticeKind::Missed]
        );
    }
}
