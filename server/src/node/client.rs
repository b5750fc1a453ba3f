//! One client without its socket.

use super::multi::Expected;
use super::plane::{Answer, ClientKey};
use super::replies::{Fill, HoleId, Replies};
use crate::admin::blocked::Waiter;
use crate::admin::clients::flag;
use crate::base::clock::UnixMs;
use crate::base::version::Version;
use crate::command::Session;
use std::sync::Arc;
use torc_protocol::request::Decoder;
use torc_protocol::slot::Slot;

/// A client's session and how far its bytes are decoded.
#[derive(Debug)]
pub struct Client {
    /// What commands see of it.
    pub session: Session,
    /// Where its owner keeps it: comes back in every [`Answer`].
    pub place: usize,
    pub(super) decoder: Decoder,
    /// Replies that are not there yet, and what waits behind them.
    pub(super) replies: Replies,
    /// What it has running elsewhere.
    pub(super) pending: Pending,
    /// Where in the output the replies begin that [`Replies`] has not looked at.
    pub(super) mark: usize,
    /// Who it is, if it is a request of another node.
    pub(super) visitor: Option<u64>,
    /// What a visitor wrote, for its response.
    pub(super) written: Vec<(u16, u64)>,
    /// The command that it waits in.
    pub(super) blocked: Option<BlockedOn>,
    /// Replies that say something about its own state.
    expected: Vec<Expected>,
}

/// A blocking command under way, of which there is one at most.
#[derive(Debug)]
pub(super) struct BlockedOn {
    /// The place of its reply.
    pub hole: HoleId,
    /// Whether the client wants no reply.
    pub is_muted: bool,
    /// Its wait, if that began at this node.
    pub waiter: Option<Arc<Waiter>>,
}

/// The slots in which a client has commands running elsewhere. Another command of these slots waits until they are done, so that a client's commands on a
/// key run in order even if the first one has to be sent twice.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Each as often as it is pending. A few at most, or as many as there may be holes.
    slots: Vec<u16>,
    /// Commands that concern too many slots to name, or all.
    barriers: u32,
}

impl Pending {
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.barriers == 0
    }

    pub fn has(&self, slot: Slot) -> bool {
        self.barriers > 0 || self.slots.contains(&(slot.index() as u16))
    }

    pub fn add(&mut self, slots: &[u16], barrier: bool) {
        self.slots.extend_from_slice(slots);
        self.barriers += u32::from(barrier);
    }

    fn release(&mut self, slots: &[u16], barrier: bool) {
        for slot in slots {
            if let Some(at) = self.slots.iter().position(|other| other == slot) {
                self.slots.swap_remove(at);
            }
        }
        self.barriers -= u32::from(barrier && self.barriers > 0);
    }
}

/// What the owner of a client's socket knows of it at the end of a turn.
#[derive(Debug, Clone, Copy, Default)]
pub struct Waiting {
    /// Bytes received and not yet run.
    pub input_bytes: usize,
    /// Bytes of output not yet sent.
    pub output_bytes: usize,
    /// Whether it waits in a command, or a pause holds it.
    pub blocked: bool,
    /// Whether it is closed once its output has gone out.
    pub closing: bool,
}

impl Client {
    /// A client that has sent nothing yet.
    pub fn new(session: Session) -> Self {
        Client {
            session,
            place: usize::MAX,
            decoder: Decoder::default(),
            replies: Replies::default(),
            pending: Pending::default(),
            mark: 0,
            visitor: None,
            written: Vec::new(),
            blocked: None,
            expected: Vec::new(),
        }
    }

    /// Whether replies are still to come that its commands are owed. It is not to be closed before, unless it is gone itself.
    #[inline]
    pub fn is_owed(&self) -> bool {
        !self.replies.is_empty()
    }

    /// Whether it waits in a blocking command.
    pub fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    /// Whether a reply was cut off in the middle: nothing can be said behind it, so the client is to be closed.
    pub fn is_broken(&self) -> bool {
        self.replies.is_broken()
    }

    /// Bytes of replies that wait for one before them. Limits on unsent output count them.
    pub fn owed_bytes(&self) -> usize {
        self.replies.bytes()
    }

    /// Takes an answer over; appends to `out` what may go out now. If it was parked with [`super::Park::Replies`], its commands may go on.
    pub fn answer(&mut self, answer: Answer, out: &mut Vec<u8>) {
        let Answer { hole, mut fill, slots, barrier, versions, .. } = answer;
        self.pending.release(&slots, barrier);
        for (slot, version) in versions {
            self.note_written(slot, version);
        }
        if let Some(at) = self.expected.iter().position(|it| Some(it.hole()) == hole) {
            fill = self.expected.swap_remove(at).read(&mut self.session, fill.into_whole());
        }
        if let Some(blocked) = self.blocked.take_if(|blocked| Some(blocked.hole) == hole)
            && blocked.is_muted
        {
            fill = Fill::Bytes(Vec::new());
        }
        if let Some(hole) = hole {
            self.replies.fill(hole, fill, out);
        }
        self.mark = out.len();
    }

    /// Appends to `out` more of a long reply, once what it held was sent. Returns whether there was more: if it was parked with [`super::Park::Replies`], its
    /// commands may go on.
    pub fn refill(&mut self, out: &mut Vec<u8>) -> bool {
        let refilled = self.replies.refill(out);
        if refilled {
            self.mark = out.len();
        }
        refilled
    }

    pub(super) fn expect(&mut self, expected: Expected) {
        self.expected.push(expected);
    }

    /// Whether a reply is on its way that its next command depends on.
    pub(super) fn is_expecting(&self) -> bool {
        !self.expected.is_empty()
    }

    pub(super) fn note_written(&mut self, slot: u16, version: u64) {
        if self.visitor.is_some() {
            self.written.push((slot, version));
        }
        if let Some(slot) = Slot::new(slot) {
            self.session.seen.note(slot, Version::from_bits(version));
        }
    }

    /// Appends what is no reply to a command, behind all replies that it is owed, one that is written in pieces included.
    pub fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.session.long_reply.is_some() {
            return self.session.own_pushes().extend_from_slice(bytes);
        }
        self.replies.append(bytes, out);
    }

    pub(super) fn key(&self) -> ClientKey {
        match self.visitor {
            Some(number) => ClientKey::Visitor(number),
            None => ClientKey::Client { place: self.place, id: self.session.id },
        }
    }

    /// A hole for the reply of the command that runs now.
    pub(super) fn reserve(&mut self, out: &mut Vec<u8>) -> HoleId {
        self.replies.reserve(out, &mut self.mark)
    }

    /// Queues the replies that were written behind one that is not there yet.
    pub(super) fn settle(&mut self, out: &mut Vec<u8>) {
        self.replies.settle(out, &mut self.mark);
    }

    /// Lets others see how the client stands.
    pub fn publish(&self, now: UnixMs, waiting: Waiting) {
        let mut activity = self.session.activity(now);
        activity.input_bytes = waiting.input_bytes;
        activity.output_bytes = waiting.output_bytes + self.owed_bytes();
        if waiting.blocked {
            activity.flags |= flag::BLOCKED;
        }
        if waiting.closing {
            activity.flags |= flag::CLOSING;
        }
        self.session.info.publish(&activity);
    }
}
