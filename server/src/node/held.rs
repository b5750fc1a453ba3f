//! Replies to writes that wait for copies: those of one batch wait together.
//!
//! What a batch writes leaves in one message and is acknowledged by one. So its writes have one promise and, where nothing else is between them, one place among the client's
//! replies. Of each it is known all the same what it wrote: when the time is over, who has its copies is answered as it was, and only the others are told that they have too few.

use super::batch::Run;
use super::client::Client;
use super::plane::replication::hold_alone;
use super::plane::{Answer, ClientKey, Held, Replication, Short, error_bytes, no_quorum};
use super::replies::{Fill, HoleId};
use super::routed::{Ring, is_muted};
use crate::base::limits::BATCH_COMMANDS_MAX;
use crate::base::version::Version;
use std::ops::Range;
use std::time::Duration;
use torc_protocol::peer::request::WriteLevel;
use torc_protocol::slot::Slot;

/// Replies that ask for the same, and wait until all of them have it.
#[derive(Debug)]
pub(super) struct HeldWrites {
    level: WriteLevel,
    timeout: Duration,
    replies: Vec<HeldReply>,
    /// What the commands wrote, one after the other.
    written: Vec<(Slot, Version)>,
}

/// The reply to one command.
#[derive(Debug)]
struct HeldReply {
    /// Its place among the client's replies,
    hole: HoleId,
    /// and where it stands among the bytes that are held there.
    bytes: Range<usize>,
    /// What it wrote, in `written`.
    written: Range<usize>,
    /// Copies that it asks for, this node's included.
    wanted: u32,
}

/// Those that nothing waits with any more, kept for their memory.
#[derive(Debug, Default)]
pub(super) struct Spare(Vec<HeldWrites>);

/// More would be of use only where more batches than that began to wait before any was answered, and again after all were.
const SPARE_MAX: usize = 64;
/// Those that have room for more writes than so many are not kept: one MSET may write a million keys.
const SPARE_WRITES_MAX: usize = 4 * BATCH_COMMANDS_MAX;

impl Spare {
    /// An empty one.
    fn take(&mut self, level: WriteLevel, timeout: Duration) -> HeldWrites {
        match self.0.pop() {
            Some(spare) => HeldWrites { level, timeout, ..spare },
            None => HeldWrites { level, timeout, replies: Vec::new(), written: Vec::new() },
        }
    }

    /// Takes back one whose replies were answered.
    pub(super) fn put(&mut self, mut writes: HeldWrites) {
        if self.0.len() < SPARE_MAX && writes.written.capacity() <= SPARE_WRITES_MAX {
            writes.replies.clear();
            writes.written.clear();
            self.0.push(writes);
        }
    }
}

impl HeldWrites {
    /// What was written, of each slot the highest version: whoever has that has what came before it.
    fn highest(&self) -> Vec<(Slot, Version)> {
        let mut writes = self.written.clone();
        writes.sort_unstable_by(|a, b| b.cmp(a));
        writes.dedup_by_key(|(slot, _)| *slot);
        writes
    }

    /// The replies as they are.
    pub(super) fn released(&self, key: ClientKey) -> impl Iterator<Item = Answer> {
        self.answers(key, |_, _| None)
    }

    /// The replies where what is missing does not come any more.
    pub(super) fn given_up(
        &self,
        key: ClientKey,
        replication: &dyn Replication,
    ) -> impl Iterator<Item = Answer> {
        self.answers(key, |writes, wanted| {
            Some(replication.copies(writes)).filter(|&copies| copies < wanted)
        })
    }

    /// An answer for each place. `short` is told what a command wrote and how many copies it wants, and says how many there are if they are too few.
    fn answers(
        &self,
        key: ClientKey,
        short: impl Fn(&[(Slot, Version)], u32) -> Option<u32>,
    ) -> impl Iterator<Item = Answer> {
        let places = self.replies.chunk_by(|a, b| a.hole == b.hole);
        places.map(move |replies| {
            let edits = replies.iter().filter_map(|reply| {
                let applied = short(&self.written[reply.written.clone()], reply.wanted)?;
                Some((reply.bytes.clone(), error_bytes(&no_quorum(applied, reply.wanted))))
            });
            let edits: Vec<_> = edits.collect();
            let fill = if edits.is_empty() { Fill::Release } else { Fill::Edited(edits) };
            Answer::new(key, Some(replies[0].hole), fill)
        })
    }
}

impl Run<'_, '_> {
    /// What `out` holds from `position` on is the reply to a command that may have written. It goes out once there are as many copies as are demanded; until the end of the
    /// batch it is only laid aside.
    pub(super) fn hold_write(&mut self, position: usize, out: &mut Vec<u8>) {
        let settings = &self.instance.settings;
        let consistency = self.client.session.consistency();
        let level = consistency.write_level(settings);
        let Some(Ring { plane, view }) = &mut self.ring else {
            // What failed has written nothing.
            if out.get(position) != Some(&b'-')
                && let Held::Never { applied, wanted } = hold_alone(level)
            {
                out.truncate(position);
                self.error(&no_quorum(applied, wanted), out);
            }
            return;
        };
        plane.written.clear();
        plane.replication.take_written(self.local, &mut plane.written);
        for &(slot, version) in &plane.written {
            self.client.note_written(slot.index() as u16, version.get());
        }
        // Where nobody is answered, nobody waits.
        if plane.written.is_empty()
            || level == WriteLevel::Copies(1)
            || is_muted(&self.client.session)
        {
            return;
        }
        let consistency = self.client.session.consistency();
        let timeout = Duration::from_millis(consistency.write_timeout_ms(settings));
        match plane.replication.reach(view, &plane.written, level) {
            Ok(wanted) => {
                let writes = match plane.held.last_mut() {
                    Some(last) if last.level == level && last.timeout == timeout => last,
                    _ => plane.held.push_mut(plane.spare.take(level, timeout)),
                };
                let Client { replies, mark, .. } = &mut *self.client;
                let before = writes.replies.last().map(|reply| reply.hole);
                let (hole, bytes) = replies.hold(out, position, mark, before);
                let from = writes.written.len();
                writes.written.extend_from_slice(&plane.written);
                let written = from..writes.written.len();
                writes.replies.push(HeldReply { hole, bytes, written, wanted });
            }
            Err(Short { applied, wanted }) => {
                out.truncate(position);
                self.error(&no_quorum(applied, wanted), out);
            }
        }
    }

    /// At the end of a batch: what it laid aside waits from now on.
    #[inline]
    pub(super) fn wait_for_copies(&mut self, out: &mut Vec<u8>) {
        if self.ring.as_ref().is_some_and(|ring| !ring.plane.held.is_empty()) {
            self.wait_for_copies_of_held(out);
        }
    }

    #[inline(never)]
    fn wait_for_copies_of_held(&mut self, out: &mut Vec<u8>) {
        let Some(Ring { plane, .. }) = &mut self.ring else { return };
        let key = self.client.key();
        let mut held = std::mem::take(&mut plane.held);
        for writes in held.drain(..) {
            match plane.replication.hold(&writes.highest(), writes.level, writes.timeout) {
                Held::Later { waiter, wanted } => {
                    plane.hold_replies(waiter, wanted, writes.timeout, (key, writes));
                    continue;
                }
                Held::Enough => hand_out(self.client, writes.released(key), out),
                Held::Never { .. } => {
                    hand_out(self.client, writes.given_up(key, &*plane.replication), out);
                }
            }
            plane.spare.put(writes);
        }
        plane.held = held;
    }
}

/// Answers at once what the client is owed. What was written behind it follows it.
fn hand_out(client: &mut Client, answers: impl Iterator<Item = Answer>, out: &mut Vec<u8>) {
    client.settle(out);
    answers.for_each(|answer| client.answer(answer, out));
}
