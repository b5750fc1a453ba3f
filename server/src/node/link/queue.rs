//! Frames that wait to be sent, encoded one behind the other.
//!
//! ```text
//!   bytes:   [ sent, to be dropped ][ rest of the front frame ][ frame ][ frame ]
//!                                   ^ head
//! ```
//!
//! A frame is copied out in as many parts as its reader likes. Memory is given back when the queue runs empty.

use std::collections::VecDeque;
use torc_protocol::peer::{Head, Kind, TooLong, frame};

/// What an empty queue keeps of its buffer, for the next burst.
const KEPT_BYTES: usize = 64 * 1024;

/// One frame of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Its length, header included.
    pub bytes: usize,
    /// Of a request, its id: it may have been given up before it is sent.
    pub request: Option<u32>,
}

/// A queue of encoded frames.
#[derive(Debug, Default)]
pub struct FrameQueue {
    bytes: Vec<u8>,
    head: usize,
    frames: VecDeque<Queued>,
    /// Bytes of the front frame that were copied out already.
    copied: usize,
}

impl FrameQueue {
    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// The front frame.
    pub fn front(&self) -> Option<Queued> {
        self.frames.front().copied()
    }

    /// Appends a frame of at most `payload_bytes_max` behind the header. An error leaves the queue as it was.
    pub fn push(
        &mut self,
        head: Head,
        payload_bytes_max: u32,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        if self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        let start = self.bytes.len();
        frame::encode(head, &mut self.bytes, payload)?;
        let bytes = self.bytes.len() - start;
        if bytes - frame::HEADER_BYTES > payload_bytes_max as usize {
            self.bytes.truncate(start);
            return Err(TooLong);
        }
        let request = (head.kind == Kind::Request).then_some(head.id);
        self.frames.push_back(Queued { bytes, request });
        Ok(())
    }

    /// Copies up to `room` bytes of the front frame behind `out`. Returns whether the frame is through.
    pub fn copy_front(&mut self, room: usize, out: &mut Vec<u8>) -> bool {
        let Some(front) = self.front() else { return true };
        let count = (front.bytes - self.copied).min(room);
        out.extend_from_slice(&self.bytes[self.head..self.head + count]);
        self.head += count;
        self.copied += count;
        let is_through = self.copied == front.bytes;
        if is_through {
            self.frames.pop_front();
            self.copied = 0;
            self.shrink();
        }
        is_through
    }

    /// Drops the front frame, of which nothing was copied.
    pub fn skip_front(&mut self) {
        if let Some(front) = self.frames.pop_front() {
            self.head += front.bytes;
            self.shrink();
        }
    }

    /// Drops all but the requests of which nothing was copied.
    pub fn keep_unsent_requests(&mut self) {
        let mut kept = FrameQueue::default();
        if self.copied > 0
            && let Some(front) = self.frames.pop_front()
        {
            self.head += front.bytes - self.copied;
        }
        for frame in &self.frames {
            if frame.request.is_some() {
                kept.bytes.extend_from_slice(&self.bytes[self.head..self.head + frame.bytes]);
                kept.frames.push_back(*frame);
            }
            self.head += frame.bytes;
        }
        *self = kept;
    }

    fn shrink(&mut self) {
        if self.frames.is_empty() {
            self.bytes.clear();
            self.head = 0;
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
                self.frames = VecDeque::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &mut FrameQueue, kind: Kind, id: u32, payload: &[u8]) {
        let head = Head { id, ..Head::of(kind) };
        queue
            .push(head, 1 << 20, |out| {
                out.extend_from_slice(payload);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn frames_leave_in_parts_and_in_order() {
        let mut queue = FrameQueue::default();
        let mut expected = Vec::new();
        for round in 0..50 {
            push(&mut queue, Kind::Gossip, round, &vec![round as u8; round as usize * 7]);
        }
        expected.extend_from_slice(&queue.bytes);
        let mut out = Vec::new();
        let mut frames = 0;
        while queue.front().is_some() {
            frames += u32::from(queue.copy_front(13, &mut out));
        }
        assert_eq!((out, frames, queue.bytes()), (expected, 50, 0));
    }

    #[test]
    fn a_payload_beyond_the_bound_leaves_the_queue_alone() {
        let mut queue = FrameQueue::default();
        let long = queue.push(Head::of(Kind::Gossip), 3, |out| {
            out.extend_from_slice(b"four");
            Ok(())
        });
        assert_eq!((long, queue.bytes(), queue.front()), (Err(TooLong), 0, None));
    }

    #[test]
    fn only_whole_requests_outlive_a_connection() {
        let mut queue = FrameQueue::default();
        push(&mut queue, Kind::Request, 1, b"begun");
        push(&mut queue, Kind::Response, 9, b"reply");
        push(&mut queue, Kind::Request, 2, b"two");
        push(&mut queue, Kind::Request, 3, b"three");
        queue.copy_front(4, &mut Vec::new());
        queue.keep_unsent_requests();
        assert_eq!(queue.front().and_then(|front| front.request), Some(2));
        queue.skip_front();
        let mut out = Vec::new();
        assert!(queue.copy_front(usize::MAX, &mut out));
        assert!(out.ends_with(b"three") && out.len() == 21);
        assert_eq!(queue.bytes(), 0);
    }
}
