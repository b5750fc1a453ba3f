//! Turns of connections that have sent one short request each: all are read, their keys are asked for together, and only then do they run.
//!
//! Clients that wait for each reply before they ask again leave nothing to overlap within a connection, so that a look-up in a large store waits for memory three
//! or four times in a row. A worker that has much to do finds several such connections ready at once.

use super::turn::read;
use super::{End, Worker};
use crate::base::limits::BATCH_COMMANDS_MAX;
use crate::node::ask_ahead;
use std::ops::Range;

/// A connection whose input is longer has a batch of its own, or a long value: what comes behind it begins anew.
const SHORT_BYTES_MAX: usize = 1024;

/// What a connection has sent.
#[derive(Debug)]
pub(super) struct Came {
    slot: usize,
    /// Where it lies in the worker's buffer, if anything came; or why the connection ends.
    bytes: Result<Option<Range<usize>>, End>,
}

impl Worker {
    /// Gives a turn to every connection that an event gave work.
    pub(super) fn take_due(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        let mut rest = due.as_slice();
        while let Some((&first, others)) = rest.split_first() {
            let read = if others.is_empty() { 0 } else { self.read_some(rest) };
            if read == 0 {
                self.turn(first);
                rest = others;
            } else {
                self.run_gathered();
                rest = &rest[read..];
            }
        }
        due.clear();
        self.due = due;
    }

    /// Reads the first of `due` that have nothing else to do, as far as they send little. Returns how many they are.
    fn read_some(&mut self, due: &[usize]) -> usize {
        let Worker { slots, state, instance, buffer, came, backlog_max, .. } = self;
        let mut used = 0;
        for &slot in due.iter().take(BATCH_COMMANDS_MAX) {
            let Some(connection) = slots.get(slot) else { break };
            if !connection.is_fresh(*backlog_max) {
                break;
            }
            let read = read(connection, &mut buffer[used..], state, instance);
            let bytes = read.map(|read| read.map(|read| used..used + read));
            let length = bytes.as_ref().map_or(0, |bytes| bytes.as_ref().map_or(0, Range::len));
            used += length;
            came.push(Came { slot, bytes });
            if length > SHORT_BYTES_MAX {
                break;
            }
        }
        came.len()
    }

    /// Runs what [`Worker::read_some`] has read.
    fn run_gathered(&mut self) {
        let mut came = std::mem::take(&mut self.came);
        if came.len() > 1 {
            let Worker { slots, state, instance, buffer, .. } = self;
            let requests = came.iter().filter_map(|came| {
                let bytes = came.bytes.as_ref().ok()?.clone()?;
                Some((slots.get(came.slot)?.client.session.db, &buffer[bytes]))
            });
            ask_ahead(requests, state, instance);
        }
        for Came { slot, bytes } in came.drain(..) {
            let turned = match bytes {
                Ok(Some(bytes)) => self.run_read(slot, bytes),
                Ok(None) => Ok(()),
                Err(end) => Err(end),
            };
            self.end_turn(slot, turned);
        }
        self.came = came;
    }

    fn run_read(&mut self, slot: usize, bytes: Range<usize>) -> Result<(), End> {
        let Worker { slots, state, instance, buffer, output, .. } = self;
        let Some(connection) = slots.get(slot) else { return Ok(()) };
        let input = &mut buffer[bytes];
        let progress = connection.run(input, output, state, instance);
        connection.keep_input(&input[progress.consumed..]);
        self.obey(slot, progress)
    }
}
