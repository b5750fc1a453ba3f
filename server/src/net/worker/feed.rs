//! What a worker hands to its monitoring clients and its subscribers, besides replies.
//!
//! A subscriber that does not take what it is sent is cut at the limit of its class; one that would miss something because the worker's own feed overflowed
//! is cut as well.

use super::{End, Worker, send};
use crate::admin::mailbox::{Fed, Mailbox};
use crate::admin::pubsub::Publication;
use crate::admin::tracking::Push;
use crate::base::limits::PUSH_BYTES_GATHERED;
use crate::cluster::route::{Route, redirects};
use crate::command::pubsub::end_moved;
use std::sync::Arc;

impl Worker {
    /// Whether [`Worker::hand_out_feed`] has something to do.
    pub(super) fn is_fed(&self) -> bool {
        self.mailbox().is_some_and(Mailbox::is_fed)
    }

    /// Closes subscribers whose users may not hear any more what they are subscribed to, or are no more.
    fn follow_users(&mut self) {
        let generation = self.instance.acl.generation();
        if std::mem::replace(&mut self.acl_generation, generation) == generation {
            return;
        }
        let instance = Arc::clone(&self.instance);
        for (slot, id) in instance.pubsub.clients_of(self.state.index) {
            let Some(connection) = self.slots.get_if(slot, id) else { continue };
            if !connection.client.session.follow(&instance.acl) {
                self.close(slot, End::Killed);
            }
        }
    }

    /// Hands out what waits for monitoring clients and subscribers, in order.
    pub(super) fn hand_out_feed(&mut self) {
        // First, so that nobody hears what was published after a change that keeps it from him.
        self.follow_users();
        if !self.is_fed() {
            return;
        }
        let instance = Arc::clone(&self.instance);
        let Some(mailbox) = instance.clients.mailboxes.workers().get(self.state.index) else {
            return;
        };
        let (items, lost) = mailbox.take_feed();
        let mut fed = Vec::new();
        for item in &items {
            match item {
                Fed::Lines { lines, except } => self.feed(lines, *except, &mut fed),
                Fed::Publication(publication) => self.push(publication, &mut fed),
                Fed::Invalidation(push) => self.invalidate(push, &mut fed),
            }
        }
        if lost.monitors {
            for (slot, id) in std::mem::take(&mut self.monitors) {
                self.cut(slot, id);
            }
        }
        if lost.trackers {
            for push in instance.tracking.make_good(&instance.clients, self.state.index) {
                self.invalidate(&push, &mut fed);
            }
        }
        if lost.subscribers {
            for (slot, id) in instance.pubsub.clients_of(self.state.index) {
                self.cut(slot, id);
            }
        }
        for (slot, id) in fed {
            if let Some(connection) = self.slots.get_if(slot, id) {
                connection.is_fed = false;
                connection.pushed_bytes = 0;
                self.turn(slot);
            }
        }
    }

    fn cut(&mut self, slot: usize, id: u64) {
        if self.slots.get_if(slot, id).is_some() {
            self.instance.stats.output_limit_closed();
            self.close(slot, End::Limit);
        }
    }

    /// Appends lines to the output of every monitoring client but `except`.
    fn feed(&mut self, lines: &[u8], except: u64, fed: &mut Vec<(usize, u64)>) {
        let slots = &mut self.slots;
        self.monitors.retain(|&(slot, id)| {
            let Some(connection) = slots.get_if(slot, id) else { return false };
            connection.monitors = connection.client.session.is_monitoring();
            if connection.monitors && id != except {
                connection.append(lines);
                if !std::mem::replace(&mut connection.is_fed, true) {
                    fed.push((slot, id));
                }
            }
            connection.monitors
        });
    }

    /// Appends a message to the output of its subscribers.
    fn push(&mut self, publication: &Publication, fed: &mut Vec<(usize, u64)>) {
        let Worker { slots, state, instance, output, .. } = self;
        let mut ended = Vec::new();
        instance.pubsub.deliver(state.index, publication, |slot, id, push| {
            let Some(connection) = slots.get_if(slot, id).filter(|it| !it.closing) else {
                return;
            };
            let protocol = connection.client.session.protocol;
            push.pieces(protocol).into_iter().for_each(|piece| connection.append(piece));
            if !std::mem::replace(&mut connection.is_fed, true) {
                fed.push((slot, id));
            }
            // What many messages bring goes out between them, so that limits count what a client left unread and not what it could not have read yet.
            connection.pushed_bytes += push.bytes();
            if connection.pushed_bytes >= PUSH_BYTES_GATHERED && !connection.is_asleep() {
                connection.pushed_bytes = 0;
                if let Err(end) = send(connection, output, instance, state) {
                    ended.push((slot, id, end));
                }
            }
        });
        // Closing takes a client's subscriptions back, which could not be done while they were walked.
        for (slot, id, end) in ended {
            if self.slots.get_if(slot, id).is_some() {
                self.close(slot, end);
            }
        }
    }

    /// Appends news to the output of a client that tracks, or hears for one that does.
    fn invalidate(&mut self, push: &Push, fed: &mut Vec<(usize, u64)>) {
        let Worker { slots, state, instance, output, .. } = self;
        let (slot, id) = (push.place, push.client);
        let Some(connection) = slots.get_if(slot, id).filter(|it| !it.closing) else { return };
        let session = &connection.client.session;
        let mut bytes = Vec::new();
        push.told.render(session.protocol, session.is_subscribed(), &mut bytes);
        connection.append_news(&bytes, push.is_own);
        if !std::mem::replace(&mut connection.is_fed, true) {
            fed.push((slot, id));
        }
        connection.pushed_bytes += bytes.len();
        if connection.pushed_bytes >= PUSH_BYTES_GATHERED && !connection.is_asleep() {
            connection.pushed_bytes = 0;
            if let Err(end) = send(connection, output, instance, state) {
                self.close(slot, end);
            }
        }
    }

    /// Ends subscriptions to shard channels whose slots other nodes serve by now, of clients that came by the cluster port.
    pub(super) fn follow_slots(&mut self) {
        let instance = Arc::clone(&self.instance);
        let Some(view) = instance.cluster.view() else { return };
        let routes = instance.cluster.routes();
        let moved = |slot| match routes.get(slot) {
            Route::Forward(index) => index != view.me() && redirects(&view, slot, index),
            _ => false,
        };
        for (slot, id, name) in instance.pubsub.moved(self.state.index, moved) {
            let Some(connection) = self.slots.get_if(slot, id) else { continue };
            let mut out = Vec::new();
            end_moved(&mut connection.client.session, &instance, &name, &mut out);
            connection.append(&out);
            self.turn(slot);
        }
    }
}
