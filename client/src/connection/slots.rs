//! Where callers wait for their replies: a slab, so that a call allocates nothing.

use crate::error::Result;
use crate::reply::Frame;
use std::task::Waker;

/// Names a slot for as long as one call uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotId {
    index: u32,
    /// Which use of the slot, so that nobody takes another's reply.
    generation: u32,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Free; the next free one.
    Free(Option<u32>),
    /// A caller waits; what came of its replies so far.
    Waiting(Waker, Option<Frame>),
    /// The caller has not fetched this yet.
    Done(Result<Frame>),
    /// The caller went away; its replies will come.
    Abandoned,
}

/// All slots of a connection.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Option<u32>,
}

impl Slots {
    /// A slot whose caller `waker` wakes.
    #[inline]
    pub(crate) fn claim(&mut self, waker: Waker) -> SlotId {
        let state = State::Waiting(waker, None);
        if let Some(index) = self.free {
            let slot = &mut self.slots[index as usize];
            if let State::Free(next) = slot.state {
                self.free = next;
            }
            slot.state = state;
            return SlotId { index, generation: slot.generation };
        }
        // The queue's bound is far below 2^32.
        let index = self.slots.len() as u32;
        self.slots.push(Slot { generation: 0, state });
        SlotId { index, generation: 0 }
    }

    /// Adds a piece of the replies.
    #[inline]
    pub(crate) fn add(&mut self, id: SlotId, piece: Frame) {
        if let Some(Slot { state: State::Waiting(_, frame), .. }) = self.get(id) {
            *frame = Some(match (frame.take(), piece) {
                (None, piece) => piece,
                (Some(frame), Frame::One(bytes)) => frame.append(bytes),
                (Some(frame), Frame::Ok) => frame.append(bytes::Bytes::from_static(b"+OK\r\n")),
                (Some(frame), Frame::Many(pieces)) => pieces.into_iter().fold(frame, Frame::append),
                (Some(frame), Frame::Value(_)) => frame,
            });
        }
    }

    /// All replies are there. Returns whom to wake.
    #[inline]
    pub(crate) fn complete(&mut self, id: SlotId, last: Frame) -> Option<Waker> {
        if let Some(Slot { state: State::Waiting(_, None), .. }) = self.get(id) {
            return self.finish(id, Ok(last));
        }
        self.add(id, last);
        let whole = match self.get(id) {
            Some(Slot { state: State::Waiting(_, frame), .. }) => frame.take(),
            _ => None,
        };
        self.finish(id, Ok(whole.unwrap_or(Frame::Ok)))
    }

    /// Ends the wait. Returns whom to wake. A slot whose caller went away becomes free.
    #[inline]
    pub(crate) fn finish(&mut self, id: SlotId, outcome: Result<Frame>) -> Option<Waker> {
        let slot = self.get(id)?;
        match std::mem::replace(&mut slot.state, State::Abandoned) {
            State::Waiting(waker, _) => {
                slot.state = State::Done(outcome);
                Some(waker)
            }
            State::Abandoned => {
                self.release(id);
                None
            }
            other => {
                slot.state = other;
                None
            }
        }
    }

    /// Ends the wait of a caller whose replies are still to come.
    pub(crate) fn give_up(&mut self, id: SlotId, outcome: Result<Frame>) -> Option<Waker> {
        let slot = self.get(id)?;
        match &slot.state {
            State::Waiting(..) => self.finish(id, outcome),
            _ => None,
        }
    }

    /// What came of the call, and the slot is free; or `None`, and `waker` will be woken.
    #[inline]
    pub(crate) fn fetch(&mut self, id: SlotId, waker: &Waker) -> Option<Result<Frame>> {
        let slot = self.get(id)?;
        match &mut slot.state {
            State::Waiting(own, _) => {
                own.clone_from(waker);
                None
            }
            State::Done(_) => {
                let state = self.release(id);
                match state {
                    Some(State::Done(outcome)) => Some(outcome),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The caller went away. `is_queued`: whether its replies are still to come.
    pub(crate) fn abandon(&mut self, id: SlotId) {
        if let Some(slot) = self.get(id) {
            match slot.state {
                State::Waiting(..) => slot.state = State::Abandoned,
                State::Done(_) => drop(self.release(id)),
                _ => {}
            }
        }
    }

    /// How many there are, free ones too.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn get(&mut self, id: SlotId) -> Option<&mut Slot> {
        self.slots.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation)
    }

    #[inline]
    fn release(&mut self, id: SlotId) -> Option<State> {
        let free = self.free;
        let slot = self.get(id)?;
        slot.generation = slot.generation.wrapping_add(1);
        let state = std::mem::replace(&mut slot.state, State::Free(free));
        self.free = Some(id.index);
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(bytes: &'static [u8]) -> Frame {
        Frame::One(bytes::Bytes::from_static(bytes))
    }

    #[test]
    fn a_slot_serves_one_call_after_the_other() {
        let mut slots = Slots::default();
        let waker = Waker::noop();
        let first = slots.claim(waker.clone());
        assert!(slots.fetch(first, waker).is_none());
        assert!(slots.complete(first, Frame::Ok).is_some());
        assert!(matches!(slots.fetch(first, waker), Some(Ok(Frame::Ok))));
        let second = slots.claim(waker.clone());
        assert_eq!((second.index, second.generation), (0, 1));
        assert!(slots.complete(first, Frame::Ok).is_none(), "the first use is over");
        slots.abandon(second);
        let third = slots.claim(waker.clone());
        assert_eq!(third.index, 1, "the reply to the second is still to come");
        assert!(slots.complete(second, Frame::Ok).is_none());
        assert_eq!(slots.claim(waker.clone()).index, 0);
        assert_eq!(slots.slots.len(), 2);
    }

    #[test]
    fn replies_to_one_request_are_gathered() {
        let mut slots = Slots::default();
        let id = slots.claim(Waker::noop().clone());
        slots.add(id, one(b":1\r\n"));
        slots.add(id, Frame::Ok);
        slots.complete(id, one(b":2\r\n:3\r\n"));
        let frame = slots.fetch(id, Waker::noop()).unwrap().unwrap();
        assert_eq!(frame.into_values(1).unwrap().len(), 4);
    }

    #[test]
    fn a_reply_after_its_deadline_goes_nowhere() {
        let mut slots = Slots::default();
        let id = slots.claim(Waker::noop().clone());
        let late = || Err(crate::Error::timeout(crate::error::Applied::Maybe));
        assert!(slots.give_up(id, late()).is_some());
        assert!(slots.give_up(id, late()).is_none(), "once is enough");
        assert!(slots.complete(id, Frame::Ok).is_none());
        assert!(slots.fetch(id, Waker::noop()).unwrap().is_err());
    }
}
