//! A turn of a connection: at most one read, the batches that it brought, and one write.

use super::{End, Worker};
use crate::admin::Instance;
use crate::base::limits::{MONITOR_BACKLOG_BYTES, READ_BUFFER_BYTES, SHARED_BUFFER_BYTES_KEPT};
use crate::config::OutputLimit;
use crate::net::connection::Connection;
use crate::net::stream::Taken;
use crate::node::{Park, Progress, Verdict, WorkerState};
use std::cmp::Reverse;
use std::io;

/// Unfinished requests up to this size are copied in front of what is read next; larger ones are appended to.
const INPUT_COPIED_MAX: usize = READ_BUFFER_BYTES / 4;

impl Worker {
    /// Lets every queued connection go on once.
    pub(super) fn take_turns(&mut self) {
        for _ in 0..self.queue.len() {
            let Some(slot) = self.queue.pop_front() else { break };
            if let Some(connection) = self.slots.get(slot) {
                connection.queued = false;
                self.turn(slot);
            }
        }
    }

    /// One turn: send what waits; then run what is there, or else read and run; then send.
    pub(super) fn turn(&mut self, slot: usize) {
        let turned = self.try_turn(slot);
        self.end_turn(slot, turned);
    }

    /// Closes the connection, or has it take another turn where there is more to do.
    pub(super) fn end_turn(&mut self, slot: usize, turned: Result<(), End>) {
        if let Err(end) = turned {
            return self.close(slot, end);
        }
        let Some(connection) = self.slots.get(slot) else { return };
        if connection.wants_turn(self.backlog_max) && !connection.queued {
            connection.queued = true;
            self.queue.push_back(slot);
        }
    }

    fn try_turn(&mut self, slot: usize) -> Result<(), End> {
        let Worker { slots, state, instance, buffer, output, backlog_max, alone, .. } = self;
        let Some(connection) = slots.get(slot) else { return Ok(()) };
        if connection.output_bytes() > 0 && !matches!(connection.parked, Some(Park::Sleep(_))) {
            send(connection, output, instance, state)?;
        }
        if connection.reads_ahead(*backlog_max) {
            let read = connection.read_ahead(buffer).map_err(|_| End::Gone)?;
            instance.stats.worker(state.index).net_in(read as u64);
        }
        if !connection.can_go_on(*backlog_max) {
            connection.publish(connection.client.session.info.last_ms());
            return if connection.is_done() { Err(End::Done) } else { Ok(()) };
        }
        // While another script keeps the node busy it has its turn here, and is told so.
        if connection.is_to_run_alone() && !instance.scripts.standing.is_busy() {
            alone.push(slot);
            return Ok(());
        }
        let progress = if connection.stalled {
            connection.run_kept(output, state, instance)
        } else {
            match read_and_run(connection, buffer, output, state, instance)? {
                Some(progress) => progress,
                None => return Ok(()),
            }
        };
        self.obey(slot, progress)
    }

    /// Does what the pipeline said is to happen next.
    pub(super) fn obey(&mut self, slot: usize, progress: Progress) -> Result<(), End> {
        let Worker { slots, instance, output, state, .. } = self;
        let Some(connection) = slots.get(slot) else { return Ok(()) };
        connection.stalled = false;
        match progress.verdict {
            Verdict::Drained(missing) => {
                let bytes = connection.input.len() as u64;
                if bytes > instance.settings.client_query_buffer_limit() {
                    instance.stats.query_limit_closed();
                    return Err(End::Limit);
                }
                connection.make_room(missing);
            }
            Verdict::More => connection.stalled = !connection.input.is_empty(),
            Verdict::Parked(park) => {
                connection.stalled = !connection.input.is_empty();
                connection.parked = Some(park);
                let id = connection.client.session.id;
                match park {
                    Park::Sleep(until) => {
                        connection.hold_back(output);
                        self.sleeps.push(Reverse((until, slot, id)));
                    }
                    Park::Pause(until) => {
                        instance.clients.count_blocked(true);
                        self.held.push((slot, id));
                        self.held_until = self.held_until.min(until);
                    }
                    Park::Blocked => {
                        instance.clients.count_blocked(true);
                        if connection.ended {
                            // Nobody is left to be answered; what came before goes out.
                            send(connection, output, instance, state)?;
                            return Err(End::Gone);
                        }
                    }
                    // An answer of the data plane wakes it.
                    Park::Replies => {}
                }
            }
            Verdict::Close => {
                connection.closing = true;
                connection.keep_input(&[]);
            }
            Verdict::Abort => {
                connection.drop_output(output);
                return Err(End::Killed);
            }
        }
        self.finish_turn(slot)
    }

    /// Sends, lets others see how the connection stands, and keeps the shared buffer small.
    fn finish_turn(&mut self, slot: usize) -> Result<(), End> {
        let Worker { slots, instance, output, state, .. } = self;
        let Some(connection) = slots.get(slot) else { return Ok(()) };
        if !matches!(connection.parked, Some(Park::Sleep(_))) {
            send(connection, output, instance, state)?;
        }
        if output.capacity() > SHARED_BUFFER_BYTES_KEPT || output.capacity() == 0 {
            *output = Vec::with_capacity(READ_BUFFER_BYTES);
        }
        if connection.client.session.is_monitoring() && !connection.monitors {
            connection.monitors = true;
            self.monitors.push((slot, connection.client.session.id));
        }
        connection.publish(self.now);
        if connection.is_done() { Err(End::Done) } else { Ok(()) }
    }
}

/// Reads once into `room`. `None`: nothing came.
pub(super) fn read(
    connection: &mut Connection,
    room: &mut [u8],
    state: &WorkerState,
    instance: &Instance,
) -> Result<Option<usize>, End> {
    let Taken { bytes, more } = match connection.stream.read(room) {
        Ok(Taken { bytes: 0, .. }) if connection.client.is_owed() => {
            // It says no more, and may well wait for what it is owed; a client that is gone is found out at the first write.
            connection.readable = false;
            connection.closing = true;
            return Ok(None);
        }
        Ok(Taken { bytes: 0, .. }) => return Err(End::Gone),
        Ok(taken) => taken,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            connection.readable = false;
            return Ok(None);
        }
        Err(_) => return Err(End::Gone),
    };
    instance.stats.worker(state.index).net_in(bytes as u64);
    connection.readable = more || connection.ended;
    Ok(Some(bytes))
}

/// Reads once and runs what came. `None`: nothing came.
fn read_and_run(
    connection: &mut Connection,
    buffer: &mut [u8],
    output: &mut Vec<u8>,
    state: &mut WorkerState,
    instance: &Instance,
) -> Result<Option<Progress>, End> {
    let kept = connection.input.len();
    let copied = kept <= INPUT_COPIED_MAX;
    let offset = if copied { kept } else { 0 };
    let Some(read) = read(connection, &mut buffer[offset..], state, instance)? else {
        return Ok(None);
    };
    if !copied {
        connection.input.extend_from_slice(&buffer[..read]);
        return Ok(Some(connection.run_kept(output, state, instance)));
    }
    buffer[..offset].copy_from_slice(&connection.input);
    let input = &mut buffer[..offset + read];
    let progress = connection.run(input, output, state, instance);
    connection.keep_input(&input[progress.consumed..]);
    Ok(Some(progress))
}

/// How much output of the connection may wait.
pub(super) fn output_limit(connection: &Connection, instance: &Instance) -> OutputLimit {
    if connection.client.session.is_subscribed() {
        instance.settings.output_limit_pubsub()
    } else {
        instance.settings.output_limit_normal()
    }
}

/// Replies up to so many bytes are sent before they count, as Redis does not count its 16 KiB for small replies.
const REPLY_BYTES_UNCOUNTED: usize = 16 * 1024;

/// Sends what a connection has to say, and enforces how much of it may wait.
pub(super) fn send(
    connection: &mut Connection,
    output: &mut Vec<u8>,
    instance: &Instance,
    state: &mut WorkerState,
) -> Result<(), End> {
    if output.len() > REPLY_BYTES_UNCOUNTED || connection.client.session.is_cut {
        let hard = output_limit(connection, instance).hard_bytes;
        let beyond = hard != 0 && (connection.output_bytes() + output.len()) as u64 >= hard;
        if beyond || connection.client.session.is_cut {
            connection.drop_output(output);
            instance.stats.output_limit_closed();
            return Err(End::Limit);
        }
    }
    let sent = connection.send(output).map_err(|_| End::Gone)?;
    if sent > 0 {
        instance.stats.worker(state.index).net_out(sent as u64);
    }
    if connection.refilled {
        state.note_taken(&mut connection.client);
    }
    let waiting = connection.unread_bytes();
    if waiting == 0 {
        return Ok(());
    }
    let hard = output_limit(connection, instance).hard_bytes;
    let monitors = connection.client.session.is_monitoring();
    if (hard != 0 && waiting as u64 >= hard) || (monitors && waiting > MONITOR_BACKLOG_BYTES) {
        instance.stats.output_limit_closed();
        return Err(End::Limit);
    }
    Ok(())
}
