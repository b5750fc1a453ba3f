//! What a worker's links tell peers for clients that track, and hear of them; see [`crate::admin::tracking`].
//!
//! Who tracks is told by the first worker's links alone; names of changed keys go on the links of the worker that changed them.

use super::telling::{Heard, Untold};
use super::{DataLink, DataLinks, Desk};
use crate::net::ring::frames::answer;
use torc_protocol::peer::message::encode_heard;
use torc_protocol::peer::{Class, Head, Kind};

impl DataLinks {
    /// Tells peers whether clients of this node track, if they have not been told. The first worker does that for all.
    pub(super) fn tell_tracks(&mut self, desk: &mut Desk<'_>) {
        if self.worker != 0 {
            return;
        }
        let tracking = &desk.instance.tracking;
        let change = tracking.told().take().map(|(_, change)| change);
        if change.is_none() && !self.links.iter().flatten().any(|link| link.untold.tracks.owes()) {
            return;
        }
        for at in self.own.values().copied().collect::<Vec<_>>() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, untold: Untold { tracks, .. }, .. } = &mut **link;
            if let Some(change) = change {
                tracks.change(change);
            }
            if !conn.link.has_room(Class::Publish) {
                continue;
            }
            let Some(payload) = tracks.next_payload(tracking) else { continue };
            let sent = conn.link.send(Head::of(Kind::Tracks), |out| {
                out.extend_from_slice(&payload);
                Ok(())
            });
            if sent.is_err() {
                // It had room and was open; if it cannot say this, it is told anew.
                tracks.open(tracking);
            }
            self.mark(at);
        }
        if change.is_some() {
            self.confirm(&Heard { tracks: true, ..Heard::default() }, desk);
        }
    }

    /// Takes over what the peer of a link told of whether its clients track, and answers once this node takes down what it changes. While a script has the store for itself
    /// that waits, and the worker does not: whoever is to end the script may be its client.
    pub(super) fn hear_tracks(&mut self, at: usize, desk: &mut Desk<'_>) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let Some(told) = link.peer_tracks else { return };
        let (state, instance) = (&mut *desk.state, desk.instance);
        let own = (&instance.store, &mut state.local, instance.clock.unix_ms());
        let is_busy = || instance.scripts.standing.is_busy();
        let source = (link.source, link.node);
        let Some(change) = instance.tracking.hear_tracks(source, told, own, is_busy) else {
            self.owe_hearing = true;
            return;
        };
        link.peer_tracks = None;
        let mut heard = Vec::new();
        encode_heard(change, &mut heard);
        // If it is lost, clients of the peer wait for as long as they would for a node that is gone, and doubt what they read.
        answer(&mut link.conn.link, Head::of(Kind::TracksHeard), &heard);
        self.mark(at);
    }

    /// Tries again what had to wait.
    pub(super) fn hear_waiting_tracks(&mut self, desk: &mut Desk<'_>) {
        if std::mem::take(&mut self.owe_hearing) {
            (0..self.links.len()).for_each(|at| self.hear_tracks(at, desk));
        }
    }

    /// Carries the names of keys that this worker has changed to the nodes whose clients track.
    pub(super) fn carry_changes(&mut self, desk: &mut Desk<'_>) {
        let tracking = &desk.instance.tracking;
        if let Some(frames) = tracking.take_outgoing(desk.state.index) {
            for node in tracking.nodes() {
                if let Some(at) = self.own.get(&node)
                    && let Some(Some(link)) = self.links.get_mut(*at)
                {
                    link.untold.news.add(&frames);
                    self.owe_news = true;
                }
            }
        }
        if !std::mem::take(&mut self.owe_news) {
            return;
        }
        for at in self.own.values().copied().collect::<Vec<_>>() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, untold: Untold { news, .. }, .. } = &mut **link;
            if !news.owes() {
                continue;
            }
            while conn.link.has_room(Class::Publish)
                && let Some(payload) = news.next_payload()
            {
                let sent = conn.link.send(Head::of(Kind::Changed), |out| {
                    out.extend_from_slice(&payload);
                    Ok(())
                });
                if sent.is_err() {
                    // It had room and was open; what it cannot name may be anything.
                    news.open(true);
                    break;
                }
            }
            self.owe_news |= news.owes();
            self.mark(at);
        }
    }
}
