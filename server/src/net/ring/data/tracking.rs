//! What a worker's links tell peers for clients that track, and hear of them; see [`crate::node::tracks`], which says what, and [`crate::admin::tracking`].

use super::telling::{Heard, Untold};
use super::{DataLink, DataLinks, Desk};
use crate::net::ring::frames::answer;
use crate::node::tracks::{Hearing, LinkTracks, note_news, note_tracks};
use torc_protocol::peer::{Class, Head, Kind};

impl DataLinks {
    fn own_tracks(&mut self) -> impl Iterator<Item = &mut LinkTracks> {
        let own = self.links.iter_mut().flatten().filter(|link| link.index.is_some());
        own.map(|link| &mut link.untold.tracks)
    }

    /// Tells peers whether clients of this node track, if they have not been told. The first worker does that for all.
    pub(super) fn tell_tracks(&mut self, desk: &mut Desk<'_>) {
        if self.worker != 0 {
            return;
        }
        let tracking = &desk.instance.tracking;
        let has_changed = note_tracks(tracking, self.own_tracks());
        if !has_changed && !self.own_tracks().any(|tracks| tracks.owes_word()) {
            return;
        }
        for at in self.own_places() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, untold: Untold { tracks, .. }, .. } = &mut **link;
            if !conn.link.has_room(Class::Publish) {
                continue;
            }
            let Some(payload) = tracks.next_word(tracking) else { continue };
            let sent =
                conn.link.send(Head::of(Kind::Tracks), |out| out.extend_from_slice(&payload));
            if sent.is_err() {
                // It had room and was open.
                tracks.word_failed(tracking);
            }
            self.mark(at);
        }
        if has_changed {
            self.confirm(&Heard { tracks: true, ..Heard::default() }, desk);
        }
    }

    /// Takes over what the peer of a link told of whether its clients track.
    pub(super) fn hear_tracks(&mut self, at: usize, desk: &mut Desk<'_>) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        match link.untold.tracks.hear(desk.instance, &mut desk.state.local) {
            Hearing::Nothing => {}
            Hearing::Later => self.owe_hearing = true,
            Hearing::Answer(heard) => {
                // If it is lost, clients of the peer wait for as long as they would for a node that is gone, and doubt what they read.
                answer(&mut link.conn.link, Head::of(Kind::TracksHeard), &heard);
                self.mark(at);
            }
        }
    }

    /// Tries again what had to wait.
    pub(super) fn hear_waiting_tracks(&mut self, desk: &mut Desk<'_>) {
        if std::mem::take(&mut self.owe_hearing) {
            (0..self.links.len()).for_each(|at| self.hear_tracks(at, desk));
        }
    }

    /// Carries the names of keys that this worker has changed to the nodes whose clients track.
    pub(super) fn carry_changes(&mut self, desk: &mut Desk<'_>) {
        let worker = desk.state.index;
        let has_news = note_news(&desk.instance.tracking, worker, self.own_tracks());
        if !std::mem::take(&mut self.owe_news) && !has_news {
            return;
        }
        for at in self.own_places() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, untold: Untold { tracks, .. }, .. } = &mut **link;
            if !tracks.owes_news() {
                continue;
            }
            while conn.link.has_room(Class::Publish)
                && let Some(payload) = tracks.next_news()
            {
                let sent =
                    conn.link.send(Head::of(Kind::Changed), |out| out.extend_from_slice(&payload));
                if sent.is_err() {
                    // It had room and was open.
                    tracks.news_failed();
                    break;
                }
            }
            self.owe_news |= tracks.owes_news();
            self.mark(at);
        }
    }
}
