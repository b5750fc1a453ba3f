//! Long responses in pieces: no worker holds or copies a reply of millions of elements at one go.
//!
//! ```text
//!   visitor ── whole values, about 64 KiB ──▶ frame with MORE ──▶ ticket: Parts ── last frame ──▶ Fill::Pieces ──▶ client
//!      ▲                                          │
//!      └──────── the link has room again ─────────┘
//! ```
//!
//! The origin has a response whole before anybody is answered, so that one whose link is lost in the middle ends like any other: with an error, or by
//! another try. What came is not copied, and leaves piece by piece ([`super::super::replies`]). What is too long to be kept flows ([`super::flow`]).
//!
//! **Invariant.** Of one visitor at most one piece waits to be taken by its link.

use super::visit::{Origin, Visitor};
use super::{Failure, PeerResponse, Plane, Timer, resp};
use crate::admin::Instance;
use crate::base::limits::RESPONSE_PART_TIMEOUT;
use crate::node::pipeline::WorkerState;
use crate::node::replies::Fill;
use std::collections::VecDeque;
use torc_protocol::peer::request::{Response, response_flags};

/// Replies beyond this many bytes go out before the rest is there.
const PIECE_BYTES: usize = 64 * 1024;

/// The replies of a response that comes in several frames.
#[derive(Debug, Default)]
pub(super) struct Parts {
    replies: Vec<VecDeque<Vec<u8>>>,
    /// Values that the last of them still lacks.
    left: u64,
    /// Bytes of them all.
    bytes: u64,
}

impl Parts {
    /// Takes what one frame brought. Bytes that do not end behind a value spoil all: then there are no replies, as if none had come, and this is false.
    pub fn take(&mut self, bytes: Vec<u8>) -> bool {
        self.bytes += bytes.len() as u64;
        let is_sound = self.add(bytes).is_some();
        if !is_sound {
            *self = Parts { replies: Vec::new(), left: u64::MAX, bytes: 0 };
        }
        is_sound
    }

    /// Bytes that are here.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes what is here, reply by reply, each with whether it is all of it, or its end. What comes next goes on with the last one.
    pub fn drain(&mut self) -> impl Iterator<Item = (VecDeque<Vec<u8>>, bool)> {
        self.bytes = 0;
        let replies = std::mem::take(&mut self.replies);
        let is_cut = self.left > 0 && !replies.is_empty();
        if is_cut {
            self.replies.push(VecDeque::new());
        }
        let whole = replies.len() - usize::from(is_cut);
        let replies = replies.into_iter().enumerate();
        replies
            .map(move |(at, pieces)| (pieces, at < whole))
            .filter(|(pieces, _)| !pieces.is_empty())
    }

    fn add(&mut self, bytes: Vec<u8>) -> Option<()> {
        let mut at = 0;
        while at < bytes.len() {
            if self.left == 0 {
                self.left = 1;
                self.replies.push(VecDeque::new());
            }
            let passed = resp::pass(&bytes[at..], &mut self.left)?;
            let reply = self.replies.last_mut()?;
            if passed == bytes.len() {
                reply.push_back(bytes);
                return Some(());
            }
            reply.push_back(bytes[at..at + passed].to_vec());
            at += passed;
        }
        Some(())
    }

    /// The replies, as far as they are whole.
    pub fn into_replies(mut self) -> impl Iterator<Item = Fill> {
        if self.left > 0 {
            self.replies.pop();
        }
        self.replies.into_iter().map(|mut pieces| match pieces.len() {
            1 => Fill::Bytes(pieces.pop_front().unwrap_or_default()),
            _ => Fill::Pieces(pieces),
        })
    }
}

impl Plane {
    /// Sends on what a visitor that is not done has written, if that is enough for a frame. Returns whether it may go on at its next turn; if not,
    /// [`WorkerState::on_room`] will let it.
    pub(super) fn send_piece(&mut self, visitor: &mut Visitor) -> bool {
        if visitor.out.len() < PIECE_BYTES {
            return true;
        }
        match visitor.origin {
            // Nobody takes it any more.
            _ if visitor.is_forsaken => {
                visitor.out.clear();
                if let Some(rest) = &mut visitor.client.session.long_reply {
                    rest.leave_out();
                }
                true
            }
            Origin::Link { link, id, slot } => {
                visitor.sent += visitor.out.len() as u64;
                let mut payload = Vec::with_capacity(visitor.out.len() + 8);
                // Without fields nothing of it can be too long.
                if Response::plain(&visitor.out).encode(&mut payload).is_ok() {
                    let flags = response_flags::MORE;
                    self.responses.push_back(PeerResponse { link, id, slot, flags, payload });
                }
                visitor.out.clear();
                visitor.waits_for_room = true;
                false
            }
            Origin::Ticket(number) => {
                let bytes = std::mem::take(&mut visitor.out);
                visitor.sent += bytes.len() as u64;
                self.add_part(number, bytes);
                self.note_own(visitor, number);
                visitor.may_go_on()
            }
        }
    }

    /// Part of a response came. Returns whether it fits what came before.
    pub(super) fn add_part(&mut self, number: u64, bytes: Vec<u8>) -> bool {
        let Some(ticket) = self.tickets.get_mut(&number) else { return true };
        let is_sound = ticket.parts.get_or_insert_default().take(bytes);
        if ticket.flow.is_some() || ticket.is_to_flow(self.window) {
            self.flow(number);
            return is_sound;
        }
        let until = self.now + RESPONSE_PART_TIMEOUT;
        if ticket.deadline < until {
            self.timers.remove(&(ticket.deadline, Timer::Ticket(number)));
            // As the link does, so that not each part moves the timer.
            ticket.deadline = until + RESPONSE_PART_TIMEOUT;
            self.timers.insert((ticket.deadline, Timer::Ticket(number)));
        }
        true
    }
}

impl WorkerState {
    /// Part of a response to `ticket` came: the payload of a frame with [`response_flags::MORE`].
    pub fn on_response_part(&mut self, instance: &Instance, ticket: u64, payload: &[u8]) {
        let Some(plane) = &mut self.plane else { return };
        plane.begin(instance);
        // A malformed one lacks values, which is found out at the end.
        let replies = Response::decode(payload).map_or(&b""[..], |response| response.replies);
        if !plane.add_part(ticket, replies.to_vec()) {
            plane.failed(instance, ticket, Failure::Lost);
        }
    }

    /// `link` has room for more of the responses that [`response_flags::MORE`] said will go on. To be called after each of them, at once or later.
    pub fn on_room(&mut self, link: u64) {
        self.let_go_on(link, false);
    }

    /// Lets visitors of `link` go on that wait for room on it. Where the link is gone, what they write is for nobody.
    pub(super) fn let_go_on(&mut self, link: u64, is_gone: bool) {
        let Some(plane) = &mut self.plane else { return };
        for (&number, visitor) in &mut plane.visitors {
            if matches!(visitor.origin, Origin::Link { link: of, .. } if of == link) {
                let goes_on = visitor.lets_go(|it| {
                    it.is_forsaken |= is_gone;
                    it.waits_for_room = false;
                });
                if goes_on {
                    plane.ready.push_back(number);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(frames: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut parts = Parts::default();
        for frame in frames {
            parts.take(frame.to_vec());
        }
        let bytes = |fill: Fill| {
            let mut out = Vec::new();
            fill.append_to(&mut out);
            out
        };
        parts.into_replies().map(bytes).collect()
    }

    #[test]
    fn replies_are_put_together_wherever_they_were_cut() {
        let values: &[&[u8]] =
            &[b"+OK\r\n", b"*2\r\n", b"*1\r\n", b":1\r\n", b"$1\r\na\r\n", b"_\r\n"];
        let replies: &[&[u8]] = &[b"+OK\r\n", b"*2\r\n*1\r\n:1\r\n$1\r\na\r\n", b"_\r\n"];
        for cuts in 0..1 << values.len() {
            let mut parts = vec![Vec::new()];
            for (n, value) in values.iter().enumerate() {
                parts.last_mut().unwrap().extend_from_slice(value);
                if cuts & 1 << n != 0 {
                    parts.push(Vec::new());
                }
            }
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            assert_eq!(put_together(&parts), replies, "{parts:?}");
        }
    }

    #[test]
    fn what_is_not_whole_is_left_out_and_what_is_cut_in_a_value_refused() {
        assert_eq!(put_together(&[b":1\r\n*2\r\n", b":2\r\n"]), [b":1\r\n".to_vec()]);
        let none: [Vec<u8>; 0] = [];
        assert_eq!(put_together(&[b":1\r\n:", b"2\r\n", b"+OK\r\n"]), none);
        assert_eq!(put_together(&[b"+OK\r\n", b"no reply\r\n"]), none);
    }
}
