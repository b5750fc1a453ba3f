//! Transactions in a ring: whose keys another node serves goes there whole; watched keys of other nodes.
//!
//! EXEC's commands travel as the client sent them, MULTI before and EXEC after them, in one unit: the node that runs it treats it as any client's, and hands it on as
//! a whole if the slot has moved. All keys, those that are watched too, lie in one slot, or the answer is CROSSSLOT. What is watched travels as stamps: the node that
//! runs EXEC compares them while it holds the keys, so that a change of owner in between neither loses nor invents a change.
//!
//! What the reply changes here (the selected database, the stamps that were asked for) is taken from it on its way to the client, by [`Expected`].

use super::Keys;
use crate::base::limits::FORWARD_HOPS_MAX;
use crate::cluster::route::{self, Ask, KeySlots, Port, Verdict};
use crate::command::Session;
use crate::command::transaction::{Multi, TOO_MANY, Watching};
use crate::node::batch::{Run, Step};
use crate::node::pipeline::Park;
use crate::node::plane::{
    Pace, Sink, Target, Trouble, Unit, array_elements, bulk_text, push_command,
};
use crate::node::replies::{Fill, HoleId};
use crate::node::routed::{FULL, ROUND, Ring};
use crate::store::Stamp;
use torc_protocol::command::{Categories, CommandSpec, Flags};
use torc_protocol::peer::request::COMMANDS_MAX;
use torc_protocol::slot::Slot;
use torc_protocol::{Args, Protocol, Reply, WireError};

const TOO_LONG: WireError =
    WireError::fixed("ERR transaction has too many commands to be run by another node");

const NO_STAMPS: WireError =
    WireError::fixed("TRYAGAIN The node cannot tell yet when the keys change; nothing was changed");

/// What became of EXEC.
pub(super) enum Where {
    /// It is to run here.
    Here,
    /// It is to be tried again.
    Later(Step),
    /// It was sent, or answered.
    Done,
    /// Its commands are to run as if each came by itself.
    OneByOne,
}

/// A reply that this node reads before its client does.
#[derive(Debug)]
pub(in crate::node) struct Expected {
    hole: HoleId,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Stamps of these keys.
    Stamps { db: u8, keys: Vec<Box<[u8]>> },
    /// EXEC's: if it ran, this is the session from then on.
    Session { db: u8, protocol: Option<Protocol> },
    /// Nothing but that it is there.
    Nothing,
}

impl Expected {
    /// The client's next command is to wait for the reply in `hole`.
    pub fn nothing(hole: HoleId) -> Self {
        Expected { hole, what: What::Nothing }
    }

    pub fn hole(&self) -> HoleId {
        self.hole
    }

    /// Takes what concerns the session from the reply, and leaves what the client is to see.
    pub fn read(self, session: &mut Session, fill: Fill) -> Fill {
        let Fill::Bytes(bytes) = fill else { return fill };
        match self.what {
            What::Nothing => Fill::Bytes(bytes),
            What::Stamps { db, keys } => match stamps_of(&bytes, keys.len()) {
                Some(stamps) => {
                    if let Some(watching) = &mut session.watching {
                        let pairs = keys.iter().zip(stamps);
                        pairs.for_each(|(key, stamp)| watching.add_stamp(db, key, stamp));
                    }
                    Fill::Bytes(b"+OK\r\n".to_vec())
                }
                None if bytes.starts_with(b"-") => Fill::Bytes(bytes),
                None => Fill::Bytes([b"-", &*NO_STAMPS.line(), b"\r\n"].concat()),
            },
            What::Session { db, protocol } => {
                if bytes.starts_with(b"*") && !bytes.starts_with(b"*-1") {
                    session.db = db;
                    session.protocol = protocol.unwrap_or(session.protocol);
                }
                Fill::Bytes(bytes)
            }
        }
    }
}

fn stamps_of(reply: &[u8], count: usize) -> Option<Vec<Stamp>> {
    let stamps: Option<Vec<Stamp>> = array_elements(reply)?
        .into_iter()
        .map(|element| Stamp::try_from(bulk_text(element)??).ok())
        .collect();
    stamps.filter(|stamps| stamps.len() == count)
}

impl Run<'_, '_> {
    /// Why a command cannot be queued because of where its keys are. Clients of the cluster port learn that at once.
    pub(super) fn refusal_of_slot(&self, spec: &CommandSpec, args: Args<'_>) -> Option<WireError> {
        let Ring { view, .. } = self.ring.as_ref()?;
        if self.client.session.port == Port::Plain || !spec.has_keys() {
            return None;
        }
        let slots = KeySlots::of(spec, &args).ok()?;
        let ask = Ask::new(Port::Cluster, spec, slots, false, false);
        route::decide(view, self.instance.cluster.routes(), ask)
            .error(view, self.client.session.transport)
    }

    /// Sends the transaction to whoever serves its keys, unless this node does.
    pub(super) fn exec_elsewhere(
        &mut self,
        spec: &'static CommandSpec,
        multi: &Multi,
        keys: &Keys<'_>,
        out: &mut Vec<u8>,
    ) -> Where {
        // What is under way may be a WATCH, or come before one of the commands.
        if !self.client.pending.is_empty() {
            return Where::Later(Step::Held(Park::Replies));
        }
        let slots = {
            let watched = self.client.session.watching.iter().flat_map(|it| it.keys());
            KeySlots::of_keys(keys.keys.iter().copied().chain(watched).map(|(_, key)| key))
        };
        let Some(Ring { plane, view }) = &self.ring else { return Where::Here };
        let session = &self.client.session;
        let ask = Ask { port: session.port, slots, copy_will_do: false, scatters: false };
        let slot = match (route::decide(view, self.instance.cluster.routes(), ask), slots) {
            (Verdict::Local, _) => return Where::Here,
            (Verdict::Forward(_) | Verdict::Wait(_), KeySlots::One(slot)) => slot,
            (Verdict::CrossSlot, _) if self.may_run_one_by_one() => {
                let Some(error) = self.not_to_be_parted(multi) else { return Where::OneByOne };
                self.answer_error(spec, &error, out);
                return Where::Done;
            }
            (verdict, _) => {
                let error = verdict
                    .error(view, self.client.session.transport)
                    .unwrap_or(WireError::SlotDown);
                self.answer_error(spec, &error, out);
                return Where::Done;
            }
        };
        let refused = if plane.is_full(self.instance) {
            Some(FULL)
        } else if session.hops >= FORWARD_HOPS_MAX {
            Some(ROUND)
        } else {
            not_to_be_sent(multi)
        };
        if let Some(error) = refused {
            self.answer_error(spec, &error, out);
            return Where::Done;
        }
        if session.watching.as_ref().is_some_and(|it| it.is_local()) {
            // Watched when this node was alone: nobody else can say whether it has changed.
            Reply::new(out, session.protocol).null_array();
            return Where::Done;
        }
        self.send_transaction(spec, multi, keys, slot, out);
        Where::Done
    }

    fn send_transaction(
        &mut self,
        spec: &'static CommandSpec,
        multi: &Multi,
        keys: &Keys<'_>,
        slot: Slot,
        out: &mut Vec<u8>,
    ) {
        let db = self.client.session.db;
        let (mut commands, mut before) = (Vec::new(), 1);
        let mut push = |words: &[&[u8]]| push_command(words.iter().copied(), &mut commands);
        let mut selected = db;
        for (of, key, stamp) in self.client.session.watching.iter().flat_map(|it| it.stamps()) {
            if of != selected {
                selected = of;
                push(&[b"SELECT", selected.to_string().as_bytes()]);
                before += 1;
            }
            push(&[b"TORC", b"UNLESS", key, stamp]);
            before += 1;
        }
        if selected != db {
            push(&[b"SELECT", db.to_string().as_bytes()]);
            before += 1;
        }
        push(&[b"MULTI"]);
        commands.extend_from_slice(multi.requests());
        push_command([&b"EXEC"[..]].into_iter(), &mut commands);
        let count = before + multi.len() + 1;
        let Ok(count) = u32::try_from(count)
            .map_err(drop)
            .and_then(|count| if count <= COMMANDS_MAX { Ok(count) } else { Err(()) })
        else {
            self.answer_error(spec, &TOO_LONG, out);
            return;
        };
        if self.client.session.is_special() {
            multi.commands().for_each(|(spec, args)| self.remember_sent(spec, args));
        }
        let hole = self.hole(out);
        let mut holes = vec![None; count as usize - 1];
        holes.push(hole);
        if let Some(hole) = hole
            && (keys.db != db || multi.commands().any(|(spec, _)| spec.full_name == "hello"))
        {
            let protocol = protocol_after(multi);
            self.client.expect(Expected { hole, what: What::Session { db: keys.db, protocol } });
        }
        let unit = Unit {
            target: Target::Slot(slot),
            sink: Sink::Client(self.client.key(), holes),
            commands,
            count,
            writes: multi.commands().any(|(spec, _)| !spec.flags.contains(Flags::READONLY)),
            blocking: false,
            blocked: None,
            redirects: self.client.session.redirects(),
            session: self.snapshot(),
            refreshed: false,
            pace: Pace::Whole,
            deadline: self.deadline(),
            attempts: 0,
            trouble: Trouble::None,
        };
        self.client.session.command = Some(spec.id);
        self.client.pending.add(&[slot.index() as u16], false);
        if let Some(Ring { plane, view }) = &mut self.ring {
            plane.start(self.instance, view, unit);
        }
    }

    /// WATCH of keys that another node serves: it is asked for their stamps.
    pub(in crate::node) fn watch_elsewhere(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
        slot: Slot,
        out: &mut Vec<u8>,
    ) {
        let keys: Vec<&[u8]> = args.from(1).iter().collect();
        let (session, store) = (&mut self.client.session, &self.instance.store);
        let watching = session.watching.get_or_insert_with(|| Box::new(Watching::new(store)));
        if !watching.has_room(keys.len()) {
            self.answer_error(spec, &TOO_MANY, out);
            return;
        }
        let mut commands = Vec::new();
        let words: Vec<&[u8]> =
            [&b"TORC"[..], b"STAMPS"].into_iter().chain(keys.iter().copied()).collect();
        push_command(words.into_iter(), &mut commands);
        // Kept even if the client wants no reply: the stamps are in it.
        let hole = self.client.reserve(out);
        let what = What::Stamps {
            db: self.client.session.db,
            keys: keys.into_iter().map(Box::from).collect(),
        };
        self.client.expect(Expected { hole, what });
        let unit = Unit {
            target: Target::Slot(slot),
            sink: Sink::Client(self.client.key(), vec![Some(hole)]),
            commands,
            count: 1,
            writes: false,
            blocking: false,
            blocked: None,
            redirects: self.client.session.redirects(),
            session: self.snapshot(),
            refreshed: false,
            pace: Pace::Whole,
            deadline: self.deadline(),
            attempts: 0,
            trouble: Trouble::None,
        };
        self.client.session.command = Some(spec.id);
        self.client.pending.add(&[slot.index() as u16], false);
        if let Some(Ring { plane, view }) = &mut self.ring {
            plane.start(self.instance, view, unit);
        }
    }
}

/// Why a transaction cannot run at another node: a command in it concerns this node or this connection alone.
pub(super) fn not_to_be_sent(multi: &Multi) -> Option<WireError> {
    let (spec, _) = multi.commands().find(|(spec, args)| {
        // HELLO that logs in would do so as a user of the other node.
        let travels = match spec.full_name {
            "ping" | "echo" | "select" => true,
            "hello" => args.len() <= 2,
            _ => false,
        };
        let about_connection = spec.acl.contains(Categories::CONNECTION) && !travels;
        let subscribes = spec.acl.contains(Categories::PUBSUB) && spec.full_name != "publish";
        let about_node = spec.flags.contains(Flags::ADMIN) || subscribes;
        !spec.has_keys() && (about_connection || about_node)
    })?;
    Some(WireError::Line(
        format!(
            "ERR {} cannot be part of a transaction on keys that another node serves",
            spec.full_name
        )
        .into(),
    ))
}

/// The protocol that HELLO in the transaction chooses, if any.
fn protocol_after(multi: &Multi) -> Option<Protocol> {
    let hellos = multi.commands().filter(|(spec, _)| spec.full_name == "hello");
    hellos.fold(None, |before, (_, args)| match args.get(1) {
        Some(b"2") => Some(Protocol::Resp2),
        Some(b"3") => Some(Protocol::Resp3),
        _ => before,
    })
}
