//! What goes out: one buffer a flush, filled from five queues by precedence and credit.
//!
//! ```text
//!   pongs, pings, grants ───────────────────────────────────┐   never wait, bounded by their kind
//!   control  [ frame ][ frame ] ─────────────────── credit ─┤
//!   request  [ frame ][ frame ][ frame ] ────────── credit ─┼──▶ out, ≤ 64 KiB ──▶ socket
//!   effect   [ acks ] ◀─ pulled: the log, from a cursor  cr.┤
//!   publish  [ frame ][ frame ] ─────────────────── credit ─┤
//!   sync     [ frame ] ──────────────────────────── credit ─┘
//! ```
//!
//! **Invariant.** Frames of one class leave in the order in which they came. A slice is full of control first, then of requests, effects,
//! messages of channels and sync, but for the shares that the latter are left ([`Config::effect_share_bytes`] and its like). Effects are pulled only when they can go: their
//! log is their queue, so that a slow peer costs no memory here.
//!
//! A frame longer than a slice is continued by the next ones and nothing gets between: one large value delays its own link. Control has
//! another, and the pieces of it are signs of life.

use super::config::Config;
use super::credit::Outgoing;
use super::queue::FrameQueue;
use super::requests::Requests;
use torc_protocol::peer::frame::CLASS_COUNT;
use torc_protocol::peer::{Class, Head, Kind, TooLong};

/// The least that is asked of the log at once: an effect of ordinary size fits.
const PULL_BYTES_MIN: usize = 1024;

/// Where effects come from: a log and a cursor in it.
pub trait EffectSource {
    /// Appends the next batch of effects, of about `bytes_max` at most: one that is longer goes alone.
    fn pull(&mut self, bytes_max: usize, payload: &mut Vec<u8>) -> Pulled;
}

/// What [`EffectSource::pull`] had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// A batch, which was appended.
    Batch,
    /// The cursor is at the end; nothing was appended.
    Nothing,
    /// The log no longer holds what comes next; nothing was appended.
    FellOff,
}

/// The source of links that carry no effects.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEffects;

impl EffectSource for NoEffects {
    fn pull(&mut self, _bytes_max: usize, _payload: &mut Vec<u8>) -> Pulled {
        Pulled::Nothing
    }
}

/// Whether effects flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Effects {
    /// Nobody said where they begin on this connection.
    #[default]
    Stopped,
    Flowing,
    /// The cursor fell off the log; not reported yet.
    FellOff,
}

/// The way out of one link. What waits here outlives no connection but for requests of which nothing was sent.
#[derive(Debug, Default)]
pub struct Outbound {
    queues: [FrameQueue; CLASS_COUNT],
    credit: [Outgoing; CLASS_COUNT],
    /// The class whose front frame was begun in an earlier slice.
    carry: Option<Class>,
    /// The slice, and how much of it was taken.
    out: Vec<u8>,
    taken: usize,
    effects: Effects,
    /// Bytes that were taken since the link was made.
    taken_bytes: u64,
}

impl Outbound {
    /// Bytes that wait in the queue of `class`.
    pub fn queued_bytes(&self, class: Class) -> usize {
        self.queues[class as usize].bytes()
    }

    /// Bytes that were taken since the link was made.
    pub fn taken_bytes(&self) -> u64 {
        self.taken_bytes
    }

    /// Whether a slice is only partly taken.
    pub fn has_unsent(&self) -> bool {
        self.taken < self.out.len()
    }

    /// Appends a frame to the queue of its class, whose bound the caller has checked.
    pub fn push(
        &mut self,
        head: Head,
        config: &Config,
        payload: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        let queue = &mut self.queues[head.kind.class() as usize];
        queue.push(head, config.limits.payload_bytes_max, payload)
    }

    /// The peer granted so much of `class` in all.
    pub fn raise(&mut self, class: Class, granted: u64) {
        self.credit[class as usize].raise(granted);
    }

    /// Effects flow from where the source stands.
    pub fn start_effects(&mut self) {
        self.effects = Effects::Flowing;
    }

    /// Whether the source fell off the log since this was asked last; effects have stopped then.
    pub fn take_fell_off(&mut self) -> bool {
        let fell_off = self.effects == Effects::FellOff;
        if fell_off {
            self.effects = Effects::Stopped;
        }
        fell_off
    }

    /// Where the handshake writes; and the last word of a link, if it stands between two frames.
    pub fn handshake_out(&mut self) -> Option<&mut Vec<u8>> {
        self.carry.is_none().then_some(&mut self.out)
    }

    /// The bytes to send next.
    pub fn unsent(&self) -> &[u8] {
        &self.out[self.taken..]
    }

    /// So many of them were sent.
    pub fn take(&mut self, count: usize) {
        let count = count.min(self.out.len() - self.taken);
        self.taken += count;
        self.taken_bytes += count as u64;
        if !self.has_unsent() {
            self.out.clear();
            self.taken = 0;
        }
    }

    /// Forgets the connection: all but unsent requests is dropped.
    pub fn reset(&mut self) {
        let mut requests = std::mem::take(&mut self.queues[Class::Request as usize]);
        requests.keep_unsent_requests();
        let taken_bytes = self.taken_bytes;
        *self = Outbound { taken_bytes, ..Outbound::default() };
        self.queues[Class::Request as usize] = requests;
    }

    /// Fills the next slice; the one before was taken. `own` appends the link's own frames.
    pub fn fill(
        &mut self,
        config: &Config,
        requests: &mut Requests,
        source: &mut dyn EffectSource,
        own: impl FnOnce(&mut Vec<u8>),
    ) {
        if let Some(class) = self.carry {
            if !self.queues[class as usize].copy_front(config.slice_bytes, &mut self.out) {
                return;
            }
            self.carry = None;
        }
        // Link frames are a few dozen bytes; a slice that the end of a long frame has filled leaves them to the next.
        if self.out.len() <= config.slice_bytes / 2 {
            own(&mut self.out);
        }
        let (effect, sync) = (config.effect_share_bytes(), config.sync_share_bytes());
        let publish = config.publish_share_bytes();
        let request = config.slice_bytes - effect - publish - sync;
        let shares = [config.slice_bytes, request, effect, publish, sync];
        for (class, share) in Class::ALL.into_iter().zip(shares) {
            self.drain(class, share, config, requests, source);
        }
        for class in Class::ALL {
            self.drain(class, config.slice_bytes, config, requests, source);
        }
    }

    /// Takes frames of `class` into the slice until they fill `share` of it, or credit or frames run out.
    fn drain(
        &mut self,
        class: Class,
        share: usize,
        config: &Config,
        requests: &mut Requests,
        source: &mut dyn EffectSource,
    ) {
        let limit = config.slice_bytes.min(self.out.len() + share);
        let index = class as usize;
        while self.out.len() < limit && self.credit[index].may_send() {
            if class == Class::Effect && self.queues[index].front().is_none() {
                self.pull(limit - self.out.len(), config, source);
            }
            let Some(front) = self.queues[index].front() else { return };
            if front.request.is_some_and(|id| !requests.send(id)) {
                // It was given up while it waited.
                self.queues[index].skip_front();
                continue;
            }
            self.credit[index].spend(front.bytes as u64);
            let room = config.slice_bytes - self.out.len();
            if !self.queues[index].copy_front(room, &mut self.out) {
                self.carry = Some(class);
            }
        }
    }

    /// Stages the next batch of effects, if there is one.
    fn pull(&mut self, room: usize, config: &Config, source: &mut dyn EffectSource) {
        if self.effects != Effects::Flowing {
            return;
        }
        let bytes_max = room.max(PULL_BYTES_MIN);
        let mut pulled = Pulled::Nothing;
        let queue = &mut self.queues[Class::Effect as usize];
        let head = Head::of(Kind::Effects);
        let pushed = queue.push(head, config.limits.payload_bytes_max, |payload| {
            pulled = source.pull(bytes_max, payload);
            // Nothing is left of a frame whose payload fails.
            if pulled == Pulled::Batch { Ok(()) } else { Err(TooLong) }
        });
        // A batch beyond the limit of all frames cannot be sent at all: its slot has to be transferred.
        if pulled == Pulled::FellOff || (pulled == Pulled::Batch && pushed.is_err()) {
            self.effects = Effects::FellOff;
        }
    }
}
