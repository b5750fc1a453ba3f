//! What travels: commands of one slot that go together, and the session that they run under.

use crate::cluster::member::Transport;
use crate::cluster::view::MemberIndex;
use crate::command::{Login, Session};
use crate::config::Settings;
use crate::node::replies::HoleId;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::Protocol;
use torc_protocol::command::{CommandSpec, Flags};
use torc_protocol::peer::changes::Author;
use torc_protocol::peer::request::{ReadLevel, SessionFlags, WriteLevel};
use torc_protocol::slot::Slot;

/// Who is owed a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// A client of this node: where its owner keeps it, and its id.
    Client {
        /// As `Client::place` was set.
        place: usize,
        /// The session's id.
        id: u64,
    },
    /// A request that runs here for another node, or for a ticket of our own.
    Visitor(u64),
}

/// Who is to run a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Target {
    /// Whoever serves the slot.
    Slot(Slot),
    /// That member, whatever it serves.
    Node(MemberIndex),
}

/// Where a unit's replies go.
#[derive(Debug, Clone)]
pub(in crate::node) enum Sink {
    /// To a client: a hole for each command, none where the client wants no reply.
    Client(ClientKey, Vec<Option<HoleId>>),
    /// To a part of a gathered command.
    Job(u64, usize),
}

/// What of a session matters where its commands run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct Snapshot {
    pub protocol: Protocol,
    pub db: u8,
    pub write: WriteLevel,
    pub read: ReadLevel,
    /// Set where the session says so itself.
    timeout_ms: Option<u64>,
    /// How long a write may wait for its copies.
    pub write_timeout_ms: u64,
    pub no_touch: bool,
    pub readonly: bool,
    pub hops: u8,
    /// The client, if it tracks.
    pub author: Option<Author>,
    /// Who the client is, if it may not do everything.
    pub login: Option<Login>,
    /// What the session has seen, encoded; empty unless a command needs it.
    pub token: Vec<u8>,
}

impl Snapshot {
    pub fn of(session: &Session, settings: &Settings) -> Snapshot {
        let consistency = session.consistency();
        Snapshot {
            protocol: session.protocol,
            db: session.db,
            write: consistency.write,
            read: consistency.read,
            timeout_ms: consistency.timeout_ms,
            write_timeout_ms: consistency.write_timeout_ms(settings),
            no_touch: session.no_touch,
            readonly: session.reads_copies,
            hops: session.hops,
            author: session.author,
            login: session.limits().cloned(),
            token: Vec::new(),
        }
    }

    /// Whether a session stands as it stood.
    pub fn is_of(&self, session: &Session) -> bool {
        let consistency = session.consistency();
        self.protocol == session.protocol
            && self.db == session.db
            && self.write == consistency.write
            && self.read == consistency.read
            && self.timeout_ms == consistency.timeout_ms
            && self.no_touch == session.no_touch
            && self.readonly == session.reads_copies
            && self.hops == session.hops
            && self.author == session.author
            && self.login.as_ref() == session.limits()
            && self.token.is_empty()
    }

    pub fn flags(&self) -> SessionFlags {
        let readonly = if self.readonly { SessionFlags::READONLY } else { 0 };
        let no_touch = if self.no_touch { SessionFlags::NO_TOUCH } else { 0 };
        SessionFlags(readonly | no_touch)
    }
}

/// What became of a unit so far, if it has to be tried again: what its client is told in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Trouble {
    /// None.
    None,
    /// Its slot changes hands.
    Moving,
    /// The node has no room.
    Busy,
    /// The connection ended before an answer came.
    Lost,
    /// That node cannot be reached.
    Unreachable(MemberIndex),
}

/// How its replies come to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Pace {
    /// Whole, for this node reads them first, or puts them together.
    Whole,
    /// Whole, for they are short.
    Short,
    /// Whole while they are short, else as the client takes them ([`super::flow`]).
    Taken,
}

impl Pace {
    /// That of a client's command.
    pub fn of(spec: &CommandSpec, key: ClientKey) -> Pace {
        // Those who tell whole collections only read, and do not count as fast.
        let may_be_long = spec.flags.contains(Flags::READONLY) && !spec.flags.contains(Flags::FAST);
        match key {
            ClientKey::Client { .. } if may_be_long => Pace::Taken,
            ClientKey::Client { .. } => Pace::Short,
            ClientKey::Visitor(_) => Pace::Whole,
        }
    }

    /// That of commands that go together; none if they may not.
    pub fn joined(self, other: Pace) -> Option<Pace> {
        match (self, other) {
            (Pace::Whole, Pace::Taken) | (Pace::Taken, Pace::Whole) => None,
            (Pace::Short, pace) | (pace, _) => Some(pace),
        }
    }
}

/// A blocking command, which goes alone.
#[derive(Debug, Clone)]
pub(in crate::node) struct BlockedUnit {
    /// Its words.
    pub words: Vec<Box<[u8]>>,
    /// Which of them is the timeout.
    pub timeout_at: usize,
    /// In monotonic time; none for ever.
    pub until: Option<Duration>,
    /// What it is taken back by; unique at its worker.
    pub name: u64,
    /// What its client is answered instead, which waits no more.
    pub ended: Option<Vec<u8>>,
}

/// Commands of one slot, in order, and where their replies go. It is run whole at one node, or not at all.
#[derive(Debug, Clone)]
pub(in crate::node) struct Unit {
    pub target: Target,
    pub sink: Sink,
    /// In RESP.
    pub commands: Vec<u8>,
    pub count: u32,
    /// Whether one of them may change something, so that it must not run twice.
    pub writes: bool,
    /// Whether it is expected to wait (WAIT).
    pub blocking: bool,
    /// What it waits for, if it is a blocking command.
    pub blocked: Option<Box<BlockedUnit>>,
    /// For a client that is to be told MOVED rather than served through this node, how it came.
    pub redirects: Option<Transport>,
    pub session: Arc<Snapshot>,
    /// Whether this node has what a majority knows of its keys (R=quorum), so that it need not ask again if it runs here.
    pub refreshed: bool,
    /// How its replies come to the client.
    pub pace: Pace,
    /// In monotonic time.
    pub deadline: Duration,
    pub attempts: u32,
    pub trouble: Trouble,
}

impl Unit {
    /// A blocking command of one slot, whose reply goes to the client's `hole`. It is written when it is sent.
    pub fn of_blocked(
        slot: Slot,
        (key, hole): (ClientKey, HoleId),
        blocked: BlockedUnit,
        (session, redirects): (Arc<Snapshot>, Option<Transport>),
        deadline: Duration,
    ) -> Unit {
        Unit {
            target: Target::Slot(slot),
            sink: Sink::Client(key, vec![Some(hole)]),
            commands: Vec::new(),
            count: 1,
            writes: true,
            blocking: true,
            blocked: Some(Box::new(blocked)),
            redirects,
            session,
            refreshed: false,
            pace: Pace::Whole,
            deadline,
            attempts: 0,
            trouble: Trouble::None,
        }
    }

    /// Whether both are commands of the same client.
    pub fn is_for_client_of(&self, other: &Unit) -> bool {
        match (&self.sink, &other.sink) {
            (Sink::Client(key, _), Sink::Client(other, _)) => key == other,
            _ => false,
        }
    }

    /// How long it may wait for somebody to serve its slot.
    pub fn waits_until(&self) -> Duration {
        let until = self.blocked.as_ref().and_then(|blocked| blocked.until);
        until.unwrap_or(self.deadline)
    }
}
