//! How many copies writes need, and where reads may be answered: CLIENT CONSISTENCY and CLIENT TOKEN, which are Torc's own.
//!
//! These only set what the session says; the pipeline acts by it.

use super::value::integer;
use super::{Ctx, Flow, Outcome};
use crate::base::limits::SESSION_SLOTS_MAX;
use crate::base::version::Version;
use crate::config::{ReadConsistency, Settings, WriteConsistency};
use torc_protocol::peer::request::{ReadLevel, WriteLevel};
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_protocol::{Args, Reply, WireError};

/// What a client demands of its commands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consistency {
    /// Copies that must have a write before it is answered.
    pub write: WriteLevel,
    /// Where reads may be answered.
    pub read: ReadLevel,
    /// How long a write waits for its copies, if not as long as `write-timeout` says.
    pub timeout_ms: Option<u64>,
}

impl Consistency {
    /// The copies that writes need, the setting looked up.
    pub fn write_level(&self, settings: &Settings) -> WriteLevel {
        if self.write != WriteLevel::Setting {
            return self.write;
        }
        match settings.default_write_consistency() {
            WriteConsistency::One => WriteLevel::Copies(1),
            WriteConsistency::Two => WriteLevel::Copies(2),
            WriteConsistency::Three => WriteLevel::Copies(3),
            WriteConsistency::Four => WriteLevel::Copies(4),
            WriteConsistency::Five => WriteLevel::Copies(5),
            WriteConsistency::Quorum => WriteLevel::Quorum,
            WriteConsistency::All => WriteLevel::All,
        }
    }

    /// Where reads may be answered, the setting looked up.
    pub fn read_level(&self, settings: &Settings) -> ReadLevel {
        if self.read != ReadLevel::Setting {
            return self.read;
        }
        match settings.default_read_consistency() {
            ReadConsistency::Primary => ReadLevel::Primary,
            ReadConsistency::Any => ReadLevel::Any,
            ReadConsistency::Session => ReadLevel::Session,
            ReadConsistency::Quorum => ReadLevel::Quorum,
        }
    }

    /// How long a write waits for its copies, in milliseconds.
    pub fn write_timeout_ms(&self, settings: &Settings) -> u64 {
        self.timeout_ms.unwrap_or(settings.write_timeout().max(1) as u64)
    }
}

/// What CLIENT CONSISTENCY … ONCE said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Once {
    /// Nothing.
    #[default]
    Off,
    /// The next command is to be run so.
    Next(Consistency),
    /// This command is.
    This(Consistency),
}

impl Once {
    /// Another command begins.
    #[inline]
    pub fn begin(&mut self) {
        if let Once::Next(consistency) = self {
            *self = Once::This(std::mem::take(consistency));
        }
    }

    /// It is done.
    #[inline]
    pub fn end(&mut self) {
        if let Once::This(_) = self {
            *self = Once::Off;
        }
    }
}

/// The versions that a session has seen, by slot and origin: what it wrote, and what it read where R=session is asked for. Several origins in one slot are the rule only where
/// the slot has had several primaries. Beyond [`SESSION_SLOTS_MAX`] of them the highest version stands for all slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Sorted by slot and tag; of each the highest version.
    entries: Vec<(u16, u64)>,
    /// What stands for every slot; 0 if the list is complete.
    all: u64,
}

/// Bytes of a token's entry: slot and version.
const ENTRY_BYTES: usize = 10;
/// What stands for the slot in the entry that is for all of them.
const ALL_SLOTS: u16 = u16::MAX;

fn order(&(slot, version): &(u16, u64)) -> (u16, u16) {
    (slot, Version::from_bits(version).tag().get())
}

impl Seen {
    /// Whether it has seen nothing.
    pub fn is_empty(&self) -> bool {
        self.all == 0 && self.entries.is_empty()
    }

    /// Notes a version of `slot`.
    pub fn note(&mut self, slot: Slot, version: Version) {
        let entry = (slot.index() as u16, version.get());
        if self.all != 0 {
            self.all = self.all.max(version.get());
            return;
        }
        match self.entries.binary_search_by_key(&order(&entry), order) {
            Ok(at) => self.entries[at].1 = self.entries[at].1.max(version.get()),
            Err(_) if self.entries.len() >= SESSION_SLOTS_MAX => {
                let highest = self.entries.drain(..).map(|(_, version)| version).max();
                self.all = highest.unwrap_or(0).max(version.get());
            }
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// The one version that stands for all slots, if they are too many to be told apart.
    pub fn bound(&self) -> Option<Version> {
        (self.all != 0).then_some(Version::from_bits(self.all))
    }

    /// What was seen of `slot`, of each origin; nothing if slots are not told apart.
    pub fn of(&self, slot: Slot) -> impl Iterator<Item = Version> + '_ {
        let slot = slot.index() as u16;
        let from = self.entries.partition_point(|(of, _)| *of < slot);
        let own = self.entries[from..].iter().take_while(move |(of, _)| *of == slot);
        own.map(|(_, version)| Version::from_bits(*version))
    }

    /// Every slot of which something was seen.
    pub fn slots(&self) -> impl Iterator<Item = (Slot, Version)> + '_ {
        let every = if self.all == 0 { 0..0 } else { 0..SLOT_COUNT as u16 };
        let every = every.map(|slot| (slot, self.all));
        self.entries
            .iter()
            .copied()
            .chain(every)
            .filter_map(|(slot, version)| Some((Slot::new(slot)?, Version::from_bits(version))))
    }

    /// Appends it as bytes: entries of slot u16 and version u64, little-endian.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let all = (self.all != 0).then_some((ALL_SLOTS, self.all));
        for (slot, version) in self.entries.iter().copied().chain(all) {
            push_entry(slot, version, out);
        }
    }

    /// Reads what [`Seen::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Seen> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || entries.len() > SESSION_SLOTS_MAX + 1 {
            return None;
        }
        let mut seen = Seen::default();
        for entry in entries {
            let [s0, s1, version @ ..] = *entry;
            let (slot, version) = (u16::from_le_bytes([s0, s1]), u64::from_le_bytes(version));
            match Slot::new(slot) {
                Some(slot) => seen.note(slot, Version::from_bits(version)),
                None if slot == ALL_SLOTS => seen.all = seen.all.max(version),
                None => return None,
            }
        }
        if seen.all != 0 {
            let highest = seen.entries.drain(..).map(|(_, version)| version).max();
            seen.all = seen.all.max(highest.unwrap_or(0));
        }
        Some(seen)
    }
}

/// Appends an entry in the form of [`Seen::encode`].
pub fn push_entry(slot: u16, version: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&slot.to_le_bytes());
    out.extend_from_slice(&version.to_le_bytes());
}

/// `CLIENT CONSISTENCY [W ONE|n|QUORUM|ALL|DEFAULT] [R PRIMARY|ANY|SESSION|QUORUM|DEFAULT] [TIMEOUT ms|DEFAULT] [ONCE]`
pub fn consistency(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.len() == 2 {
        return describe(ctx, reply);
    }
    let mut wanted = ctx.session.consistency.clone();
    let mut once = false;
    let mut index = 2;
    while index < args.len() {
        if args.is(index, "ONCE") {
            once = true;
            index += 1;
            continue;
        }
        let value = args.get(index + 1).ok_or(WireError::Syntax)?;
        if args.is(index, "W") {
            wanted.write = WriteLevel::parse(value).ok_or(BAD_WRITE)?;
        } else if args.is(index, "R") {
            wanted.read = ReadLevel::parse(value).ok_or(BAD_READ)?;
        } else if args.is(index, "TIMEOUT") && value.eq_ignore_ascii_case(b"DEFAULT") {
            wanted.timeout_ms = None;
        } else if args.is(index, "TIMEOUT") {
            let ms = integer(value)?;
            let ms = u64::try_from(ms).ok().filter(|ms| (1..=TIMEOUT_MS_MAX).contains(ms));
            wanted.timeout_ms = Some(ms.ok_or(WireError::fixed("ERR timeout is out of range"))?);
        } else {
            return Err(WireError::Syntax);
        }
        index += 2;
    }
    ctx.session.demands_more = true;
    if once {
        ctx.session.once = Once::Next(wanted);
    } else {
        ctx.session.consistency = wanted;
    }
    reply.ok();
    Ok(Flow::Anew)
}

const BAD_WRITE: WireError =
    WireError::fixed("ERR W must be ONE, a number of copies from 1 to 255, QUORUM, ALL or DEFAULT");
const BAD_READ: WireError =
    WireError::fixed("ERR R must be PRIMARY, ANY, SESSION, QUORUM or DEFAULT");

/// An hour, as the setting `write-timeout` has it.
const TIMEOUT_MS_MAX: u64 = 3_600_000;

fn describe(ctx: &Ctx<'_>, reply: &mut Reply<'_>) -> Outcome {
    let settings = &ctx.instance.settings;
    let wanted = &ctx.session.consistency;
    reply.map(3);
    reply.bulk(b"w");
    reply.bulk(wanted.write_level(settings).name().as_bytes());
    reply.bulk(b"r");
    reply.bulk(wanted.read_level(settings).name().as_bytes());
    reply.bulk(b"timeout");
    reply.integer(wanted.write_timeout_ms(settings) as i64);
    Ok(Flow::Next)
}

/// `CLIENT TOKEN GET` and `CLIENT TOKEN SET token`. The token is text: two hexadecimal digits a byte.
pub fn token(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.is(2, "GET") && args.len() == 3 {
        let mut bytes = Vec::new();
        ctx.session.seen.encode(&mut bytes);
        let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
        let text: Vec<u8> = bytes.iter().flat_map(|&b| [digit(b >> 4), digit(b)]).collect();
        reply.bulk(&text);
        return Ok(Flow::Next);
    }
    if !args.is(2, "SET") || args.len() != 4 {
        return Err(WireError::Syntax);
    }
    let seen = unhex(&args[3]).and_then(|bytes| Seen::decode(&bytes));
    let seen = seen.ok_or(WireError::fixed("ERR invalid token"))?;
    ctx.session.seen = seen;
    reply.ok();
    Ok(Flow::Next)
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() || pairs.len() > (SESSION_SLOTS_MAX + 1) * ENTRY_BYTES {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{Node, check};
    use torc_protocol::Protocol;

    fn slot(index: u16) -> Slot {
        Slot::new(index).unwrap()
    }

    fn of(seen: &Seen, index: u16) -> Vec<u64> {
        seen.of(slot(index)).map(Version::get).collect()
    }

    #[test]
    fn of_a_slot_it_remembers_what_each_origin_wrote() {
        let mut seen = Seen::default();
        let version = |number: u64, tag: u64| Version::from_bits(number << 12 | tag);
        for (number, tag) in [(5, 2), (4, 1), (3, 2), (9, 1)] {
            seen.note(slot(7), version(number, tag));
        }
        seen.note(slot(6), version(1, 1));
        assert_eq!(of(&seen, 7), [version(9, 1).get(), version(5, 2).get()]);
        assert_eq!(of(&seen, 6), [version(1, 1).get()]);
        let mut bytes = Vec::new();
        seen.encode(&mut bytes);
        assert_eq!((bytes.len(), Seen::decode(&bytes)), (30, Some(seen)));
    }

    #[test]
    fn a_session_remembers_slots_until_one_number_must_do() {
        let mut seen = Seen::default();
        for index in 0..SESSION_SLOTS_MAX as u16 {
            seen.note(slot(index), Version::from_bits(100 + u64::from(index)));
        }
        seen.note(slot(3), Version::from_bits(103));
        assert_eq!(of(&seen, 3), [103]);
        assert!(of(&seen, 9_000).is_empty());
        let mut bytes = Vec::new();
        seen.encode(&mut bytes);
        assert_eq!(Seen::decode(&bytes).as_ref(), Some(&seen));
        seen.note(slot(9_000), Version::from_bits(7));
        assert_eq!(seen.bound().map(Version::get), Some(99 + SESSION_SLOTS_MAX as u64));
        assert!(of(&seen, 12).is_empty(), "slots are not told apart any more");
        let mut bytes = Vec::new();
        seen.encode(&mut bytes);
        assert_eq!((bytes.len(), Seen::decode(&bytes).as_ref()), (10, Some(&seen)));
        assert_eq!(seen.slots().count(), SLOT_COUNT);
        for wrong in [&b"1"[..], &[0xff; 9], &[0x00, 0x40, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Seen::decode(wrong), None);
        }
    }

    #[test]
    fn the_session_says_what_it_was_told() {
        check(
            Protocol::Resp2,
            &[
                (
                    "client consistency",
                    r"*6\r\n$1\r\nw\r\n$3\r\none\r\n$1\r\nr\r\n$7\r\nprimary\r\n$7\r\ntimeout\r\n:1000\r\n",
                ),
                ("client consistency w quorum r any timeout 50", r"+OK\r\n"),
                (
                    "client consistency",
                    r"*6\r\n$1\r\nw\r\n$6\r\nquorum\r\n$1\r\nr\r\n$3\r\nany\r\n$7\r\ntimeout\r\n:50\r\n",
                ),
                (
                    "client consistency w 0",
                    "-ERR W must be ONE, a number of copies from 1 to 255, QUORUM, ALL or DEFAULT\\r\\n",
                ),
                (
                    "client consistency r x",
                    "-ERR R must be PRIMARY, ANY, SESSION, QUORUM or DEFAULT\\r\\n",
                ),
                ("client consistency w", r"-ERR syntax error\r\n"),
                ("client consistency timeout 0", r"-ERR timeout is out of range\r\n"),
                ("client consistency w default r default timeout default", r"+OK\r\n"),
                (
                    "client consistency",
                    r"*6\r\n$1\r\nw\r\n$3\r\none\r\n$1\r\nr\r\n$7\r\nprimary\r\n$7\r\ntimeout\r\n:1000\r\n",
                ),
                ("client token get", r"$0\r\n\r\n"),
                ("client token set 0100ff00000000000000", r"+OK\r\n"),
                ("client token get", r"$20\r\n0100ff00000000000000\r\n"),
                ("client token set 01", r"-ERR invalid token\r\n"),
            ],
        );
        let mut node = Node::new(Protocol::Resp2);
        node.run(&[b"client", b"consistency", b"w", b"2", b"once"]);
        assert_eq!(node.session.consistency, Consistency::default());
        assert!(node.session.demands_more);
        node.session.once.end();
        node.session.once.begin();
        assert_eq!(node.session.consistency().write, WriteLevel::Copies(2));
        node.session.once.end();
        assert_eq!(node.session.once, Once::Off);
    }
}
