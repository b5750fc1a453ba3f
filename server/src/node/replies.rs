//! What a client is owed: replies in the order of its commands, where some are not there yet.
//!
//! ```text
//!   replies:   sent │ [hole] [bytes] [held bytes] [bytes] [hole] │ the output
//!                     └ front: everything behind it waits        └ while nothing waits, replies go here at once
//! ```
//!
//! A **hole** is reserved for the reply of a command that runs elsewhere. **Held** replies are written already, and go out when enough replicas have
//! the writes that they tell of, or give way to errors. What is ready at the front leaves at once; so the front is always a hole or held.
//!
//! A long reply that came in **pieces** leaves in pieces: the output is given some of them, and the next ones once those were sent ([`Replies::refill`]). One that
//! **flows** does so before its end is there. Who writes it is to learn how much of it was taken; if its end will not come, nothing can follow.
//!
//! **Invariant.** While no hole is open and no pieces are left the queue is empty, and the output is written as if there were none. Every hole is filled once; a
//! second time finds no hole and does nothing. **Does not know** what a reply is waited for: whoever reserved the hole does.

use crate::base::limits::{REPLY_BYTES_GATHERED, REPLY_BYTES_WAITING_MAX, REPLY_HOLES_MAX};
use std::collections::VecDeque;
use std::ops::Range;

/// Room for the replies of a batch of SETs, which mostly are held in one place.
const HELD_BYTES_FIRST: usize = 128;

/// A place among a client's replies. Numbers rise for the life of the client and are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoleId(u64);

impl HoleId {
    /// The number, for those who know no holes.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The hole of this number.
    pub fn of(number: u64) -> Self {
        HoleId(number)
    }
}

/// The next part of a reply that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// Names the response that it is of.
    pub ticket: u64,
    /// None of them empty.
    pub pieces: VecDeque<Vec<u8>>,
    /// Whether the reply ends with it.
    pub is_last: bool,
}

/// What takes the place of a hole or of a held reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, one piece after the other, none of them empty.
    Pieces(VecDeque<Vec<u8>>),
    /// The next part of the reply. Its end fills the hole.
    Flow(Box<Stretch>),
    /// What the reply still lacks will not come.
    Broken,
    /// The replies that were held, as they are.
    Release,
    /// The replies that were held, with these bytes in place of those that stand there. In the order of the places, which do not overlap.
    Edited(Vec<(Range<usize>, Vec<u8>)>),
}

impl Fill {
    /// The same with its bytes in one piece.
    pub fn into_whole(self) -> Fill {
        match self {
            Fill::Pieces(pieces) => Fill::Bytes(Vec::from(pieces).concat()),
            fill => fill,
        }
    }

    /// Appends its bytes.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Fill::Bytes(bytes) => out.extend_from_slice(bytes),
            Fill::Pieces(pieces) => pieces.iter().for_each(|piece| out.extend_from_slice(piece)),
            Fill::Flow(stretch) => {
                stretch.pieces.iter().for_each(|piece| out.extend_from_slice(piece));
            }
            Fill::Broken | Fill::Release | Fill::Edited(_) => {}
        }
    }
}

/// What is held, with other bytes in some places.
fn edited(held: &[u8], edits: &[(Range<usize>, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(held.len());
    let mut at = 0;
    for (place, instead) in edits {
        bytes.extend_from_slice(&held[at..place.start]);
        bytes.extend_from_slice(instead);
        at = place.end;
    }
    bytes.extend_from_slice(&held[at..]);
    bytes
}

#[derive(Debug)]
enum Part {
    Ready(Vec<u8>),
    Pieces(VecDeque<Vec<u8>>),
    /// What is there of a reply that goes on, or went on until its end was there.
    Flow(Box<Stretch>),
    Hole,
    Held(Vec<u8>),
}

/// The replies of one client that wait.
#[derive(Debug, Default)]
pub struct Replies {
    parts: VecDeque<Part>,
    /// The number of the part in front.
    first: u64,
    open: usize,
    bytes: usize,
    /// Bytes that went to the output of replies that go on, by their responses.
    taken: Vec<(u64, u64)>,
    /// Whether what a reply lacks will not come, so that nothing can follow.
    is_broken: bool,
}

impl Replies {
    /// Whether nothing waits, so that replies may go straight to the output.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether nothing waits but one reply that is not there yet.
    pub fn is_one_hole(&self) -> bool {
        matches!((self.parts.len(), self.parts.front()), (1, Some(Part::Hole)))
    }

    /// Replies that are not there yet, or held.
    #[cfg(test)]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Whether nothing more can be said.
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// Bytes that went to the output, since this was asked last, of responses whose replies go on.
    pub fn take_taken(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.taken)
    }

    /// The responses of which there are such replies.
    pub fn flows(&self) -> impl Iterator<Item = u64> {
        self.parts.iter().filter_map(|part| match part {
            Part::Flow(stretch) => Some(stretch.ticket),
            _ => None,
        })
    }

    /// Bytes that wait behind a hole.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no further command may run before some replies have gone out.
    pub fn is_full(&self) -> bool {
        self.open >= REPLY_HOLES_MAX || self.bytes >= REPLY_BYTES_WAITING_MAX
    }

    /// A hole for the next reply. What `out` holds from `mark` on was written since the queue was last looked after; it stays where it
    /// is if nothing waits before it. `mark` is then set to where later replies begin.
    pub fn reserve(&mut self, out: &mut Vec<u8>, mark: &mut usize) -> HoleId {
        self.settle(out, mark);
        self.open_part(Part::Hole)
    }

    /// As [`Replies::reserve`], for a reply that `out` holds from `start` on and that is not to go out yet. If `joins` is held and nothing waits behind it, the reply joins it,
    /// and so does what was written in between. Returns the place, and where in what is held there the reply stands.
    pub fn hold(
        &mut self,
        out: &mut Vec<u8>,
        start: usize,
        mark: &mut usize,
        joins: Option<HoleId>,
    ) -> (HoleId, Range<usize>) {
        let last = HoleId((self.first + self.parts.len() as u64).wrapping_sub(1));
        if joins == Some(last)
            && let Some(Part::Held(held)) = self.parts.back_mut()
        {
            let from = held.len() + start - *mark;
            held.extend_from_slice(&out[*mark..]);
            self.bytes += out.len() - *mark;
            out.truncate(*mark);
            return (last, from..held.len());
        }
        let start = start.min(out.len());
        let mut reply = Vec::with_capacity(HELD_BYTES_FIRST.max(out.len() - start));
        reply.extend_from_slice(&out[start..]);
        out.truncate(start);
        self.settle(out, mark);
        self.bytes += reply.len();
        let place = 0..reply.len();
        (self.open_part(Part::Held(reply)), place)
    }

    fn open_part(&mut self, part: Part) -> HoleId {
        self.open += 1;
        self.parts.push_back(part);
        HoleId(self.first + self.parts.len() as u64 - 1)
    }

    /// Queues what `out` holds from `mark` on, if anything waits before it.
    pub fn settle(&mut self, out: &mut Vec<u8>, mark: &mut usize) {
        if !self.parts.is_empty() && out.len() > *mark {
            self.push_ready(&out[*mark..]);
            out.truncate(*mark);
        }
        *mark = out.len();
    }

    /// Bytes that are no reply to a command (a monitor's line): behind all that waits, or straight to `out`.
    pub fn append(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.parts.is_empty() {
            out.extend_from_slice(bytes);
        } else {
            self.push_ready(bytes);
        }
    }

    fn push_ready(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        match self.parts.back_mut() {
            Some(Part::Ready(last)) => last.extend_from_slice(bytes),
            _ => self.parts.push_back(Part::Ready(bytes.to_vec())),
        }
    }

    /// Fills a hole, and appends to `out` whatever now waits for nothing. Returns whether there was such a hole.
    pub fn fill(&mut self, hole: HoleId, fill: Fill, out: &mut Vec<u8>) -> bool {
        let part = hole.0.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let Some(part) = part.and_then(|index| self.parts.get_mut(index)) else { return false };
        let held = match (&mut *part, &fill) {
            (Part::Flow(_), _) | (_, Fill::Flow(_) | Fill::Broken) => {
                return self.flow(hole, fill, out);
            }
            (Part::Ready(_) | Part::Pieces(_), _) => return false,
            (Part::Hole, _) => Vec::new(),
            (Part::Held(bytes), _) => std::mem::take(bytes),
        };
        self.bytes -= held.len();
        let filled = match fill {
            Fill::Flow(_) | Fill::Broken => unreachable!("they were looked after"),
            Fill::Bytes(bytes) => Part::Ready(bytes),
            Fill::Pieces(pieces) => Part::Pieces(pieces),
            Fill::Release => Part::Ready(held),
            Fill::Edited(edits) => Part::Ready(edited(&held, &edits)),
        };
        self.bytes += match &filled {
            Part::Pieces(pieces) => pieces.iter().map(Vec::len).sum(),
            Part::Ready(bytes) => bytes.len(),
            Part::Hole | Part::Held(_) | Part::Flow(_) => 0,
        };
        *part = filled;
        self.open -= 1;
        self.refill(out);
        true
    }

    /// Gives the reply in `hole` its next part, or ends it. Returns whether it lacked that.
    fn flow(&mut self, hole: HoleId, fill: Fill, out: &mut Vec<u8>) -> bool {
        let Some(part) = self.parts.get_mut((hole.0 - self.first) as usize) else { return false };
        match (part, fill) {
            (Part::Flow(flow), Fill::Flow(next)) if !flow.is_last => {
                self.bytes += next.pieces.iter().map(Vec::len).sum::<usize>();
                self.open -= usize::from(next.is_last);
                flow.is_last = next.is_last;
                flow.pieces.extend(next.pieces);
            }
            (part @ Part::Hole, Fill::Flow(first)) => {
                self.bytes += first.pieces.iter().map(Vec::len).sum::<usize>();
                self.open -= usize::from(first.is_last);
                *part = Part::Flow(first);
            }
            (Part::Flow(flow), Fill::Broken) if !flow.is_last => {
                // What came before it may go out; what comes after would be taken for the rest of it.
                self.first += self.parts.len() as u64;
                self.parts.clear();
                (self.open, self.bytes, self.is_broken) = (0, 0, true);
                return true;
            }
            _ => return false,
        }
        self.refill(out);
        true
    }

    /// Appends to `out` what waits for nothing but that earlier pieces of it were sent. Returns whether that was anything.
    pub fn refill(&mut self, out: &mut Vec<u8>) -> bool {
        let before = out.len();
        while let Some(part) = self.parts.front_mut() {
            match part {
                Part::Ready(bytes) => {
                    self.bytes -= bytes.len();
                    out.extend_from_slice(bytes);
                }
                Part::Pieces(pieces) => {
                    while out.len() < REPLY_BYTES_GATHERED
                        && let Some(piece) = pieces.pop_front()
                    {
                        self.bytes -= piece.len();
                        out.extend_from_slice(&piece);
                    }
                    if !pieces.is_empty() {
                        break;
                    }
                }
                Part::Flow(flow) => {
                    while out.len() < REPLY_BYTES_GATHERED
                        && let Some(piece) = flow.pieces.pop_front()
                    {
                        self.bytes -= piece.len();
                        match self.taken.last_mut() {
                            Some((ticket, bytes)) if *ticket == flow.ticket => {
                                *bytes += piece.len() as u64;
                            }
                            _ => self.taken.push((flow.ticket, piece.len() as u64)),
                        }
                        out.extend_from_slice(&piece);
                    }
                    if !flow.pieces.is_empty() || !flow.is_last {
                        break;
                    }
                }
                Part::Hole | Part::Held(_) => break,
            }
            self.parts.pop_front();
            self.first += 1;
        }
        if self.parts.is_empty() && self.parts.capacity() > 64 {
            self.parts = VecDeque::new();
        }
        out.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Fill {
        Fill::Bytes(text.as_bytes().to_vec())
    }

    fn text(out: &mut Vec<u8>) -> String {
        String::from_utf8(std::mem::take(out)).unwrap()
    }

    #[test]
    fn replies_wait_behind_holes_in_order() {
        let (mut replies, mut out, mut mark) = (Replies::default(), Vec::new(), 0);
        out.extend_from_slice(b"1");
        let second = replies.reserve(&mut out, &mut mark);
        assert_eq!(out, b"1", "what stands before the first hole waits for nothing");
        out.extend_from_slice(b"3");
        let fourth = replies.reserve(&mut out, &mut mark);
        out.extend_from_slice(b"5");
        replies.settle(&mut out, &mut mark);
        assert_eq!((text(&mut out).as_str(), replies.open(), replies.bytes()), ("1", 2, 2));
        assert!(replies.fill(fourth, bytes("4"), &mut out) && out.is_empty());
        assert!(!replies.fill(fourth, bytes("x"), &mut out), "a hole is filled once");
        assert!(replies.fill(second, bytes("2"), &mut out));
        assert_eq!(
            (text(&mut out).as_str(), replies.is_empty(), replies.bytes()),
            ("2345", true, 0)
        );
        assert!(!replies.fill(second, bytes("x"), &mut out));
    }

    #[test]
    fn a_held_reply_is_released_or_replaced() {
        let (mut replies, mut out, mut mark) = (Replies::default(), b"sent".to_vec(), 4);
        out.extend_from_slice(b"ab");
        let start = out.len();
        out.extend_from_slice(b"OK");
        let (held, _) = replies.hold(&mut out, start, &mut mark, None);
        assert_eq!(out, b"sentab");
        let start = out.len();
        out.extend_from_slice(b"FINE");
        let (other, _) = replies.hold(&mut out, start, &mut mark, None);
        out.extend_from_slice(b"later");
        replies.settle(&mut out, &mut mark);
        assert!(replies.fill(held, Fill::Release, &mut out));
        assert!(replies.fill(other, bytes("no"), &mut out));
        assert_eq!(out, b"sentabOKnolater");
        assert_eq!((replies.open(), replies.bytes()), (0, 0));
    }

    #[test]
    fn replies_are_held_together_until_something_is_between_them() {
        let (mut replies, mut out, mut mark) = (Replies::default(), b"sent".to_vec(), 4);
        let mut hold = |replies: &mut Replies, out: &mut Vec<u8>, text: &str, joins| {
            let start = out.len();
            out.extend_from_slice(text.as_bytes());
            replies.hold(out, start, &mut mark, joins)
        };
        let (first, place) = hold(&mut replies, &mut out, "one", None);
        assert_eq!(place, 0..3);
        out.extend_from_slice(b"read");
        assert_eq!(hold(&mut replies, &mut out, "two", Some(first)), (first, 7..10));
        assert_eq!(hold(&mut replies, &mut out, "three", Some(first)), (first, 10..15));
        assert_eq!((text(&mut out).as_str(), replies.open(), replies.bytes()), ("sent", 1, 15));
        mark = 0;
        let hole = replies.reserve(&mut out, &mut mark);
        let mut hold = |replies: &mut Replies, out: &mut Vec<u8>, text: &str, joins| {
            let start = out.len();
            out.extend_from_slice(text.as_bytes());
            replies.hold(out, start, &mut mark, joins)
        };
        let (last, place) = hold(&mut replies, &mut out, "four", Some(first));
        assert!(last != first && place == (0..4), "behind a hole it has a place of its own");
        let edits = vec![(0..3, b"1".to_vec()), (10..15, b"-E3".to_vec())];
        assert!(replies.fill(first, Fill::Edited(edits), &mut out));
        assert_eq!(text(&mut out), "1readtwo-E3");
        assert!(replies.fill(hole, bytes("hole"), &mut out));
        assert!(replies.fill(last, Fill::Release, &mut out));
        assert_eq!(text(&mut out), "holefour");
        assert_eq!((replies.open(), replies.bytes(), replies.is_empty()), (0, 0, true));
    }

    #[test]
    fn a_long_reply_leaves_in_pieces_and_what_follows_waits() {
        let (mut replies, mut out, mut mark) = (Replies::default(), Vec::new(), 0);
        let hole = replies.reserve(&mut out, &mut mark);
        out.extend_from_slice(b"next");
        replies.settle(&mut out, &mut mark);
        // Three of them at once.
        let piece = REPLY_BYTES_GATHERED * 2 / 5;
        let pieces: VecDeque<Vec<u8>> = (0..9u8).map(|n| vec![n; piece]).collect();
        let whole = Vec::from(pieces.clone()).concat();
        assert!(replies.fill(hole, Fill::Pieces(pieces), &mut out));
        let mut sent = Vec::new();
        let mut rounds = 0;
        while !replies.is_empty() {
            assert!(out.len() < REPLY_BYTES_GATHERED + piece);
            assert_eq!(replies.bytes() + sent.len() + out.len(), whole.len() + 4);
            sent.append(&mut out);
            assert!(replies.refill(&mut out));
            rounds += 1;
        }
        sent.append(&mut out);
        assert_eq!(sent, [&whole[..], b"next"].concat());
        assert_eq!((rounds, replies.bytes(), replies.open()), (2, 0, 0));
        assert!(!replies.refill(&mut out));
    }

    #[test]
    fn bounds_count_holes_and_bytes() {
        let (mut replies, mut out, mut mark) = (Replies::default(), Vec::new(), 0);
        for _ in 0..REPLY_HOLES_MAX {
            assert!(!replies.is_full());
            replies.reserve(&mut out, &mut mark);
        }
        assert!(replies.is_full());
        let mut replies = Replies::default();
        replies.reserve(&mut out, &mut mark);
        replies.append(&vec![0; REPLY_BYTES_WAITING_MAX], &mut out);
        assert!(replies.is_full() && out.is_empty());
    }
}
