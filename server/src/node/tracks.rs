//! What a data link tells a peer, and hears of it, for clients that track; see [`crate::admin::tracking`].
//!
//! ```text
//!   own link         opened ─▶ Tracks, Changed (all)      names ─▶ Changed      TracksHeard ─▶ confirmed, doubt
//!   the peer's link  Tracks ─▶ heard ─▶ TracksHeard       Changed ─▶ this node's clients
//!   either           lost ─▶ doubt
//! ```
//!
//! Who tracks is told by the first worker's links alone; names of changed keys go on the links of the worker that changed them.
//!
//! **Invariant.** Of any time in which a peer may have changed keys and told nobody here, this node's clients are told, once it is over, that all keys may have changed.
//! **Does not know** the link: whoever has it says when it opens and is lost, and sends what there is.

use crate::admin::Instance;
use crate::admin::tracking::{NewsLink, Tracking, TracksLink};
use crate::cluster::NodeId;
use crate::store::Local;
use std::sync::Arc;
use torc_protocol::peer::Malformed;
use torc_protocol::peer::changes::decode_tracks;
use torc_protocol::peer::message::{decode_heard, encode_heard};

/// Which link it is.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The peer.
    pub node: NodeId,
    /// Names the link among those by which peers tell theirs; later ones have higher numbers.
    pub source: u64,
    /// This worker has dialled it; else the peer has.
    pub is_own: bool,
    /// The worker tells for all whether clients of this node track.
    pub tells: bool,
}

/// What comes of a peer's word.
#[derive(Debug)]
pub enum Hearing {
    /// There was none.
    Nothing,
    /// It waits for a script that has the store for itself.
    Later,
    /// This is to be sent back: from now on the peer is told.
    Answer(Vec<u8>),
}

/// See the module.
#[derive(Debug)]
pub struct LinkTracks {
    end: End,
    is_up: bool,
    /// Whether this node's clients track, as far as it is still to be told.
    tracks: TracksLink,
    /// Keys that this worker has changed, in the same way.
    news: NewsLink,
    /// What the peer told of whether its clients track, as of which change, if that was not taken over yet.
    peer_tracks: Option<(bool, u64)>,
}

impl LinkTracks {
    /// Of an own link, which is not open yet, or of a peer's, which is.
    pub fn new(end: End) -> Self {
        LinkTracks {
            end,
            is_up: !end.is_own,
            tracks: TracksLink::default(),
            news: NewsLink::default(),
            peer_tracks: None,
        }
    }

    /// The link opened. It owes something then if it is an own one.
    pub fn open(&mut self, tracking: &Tracking) {
        self.is_up = true;
        if self.end.is_own {
            self.news.open(tracking.has_node(self.end.node));
            if self.end.tells {
                self.tracks.open(tracking);
            }
        }
    }

    /// The link is lost.
    pub fn lose(&mut self, instance: &Instance) {
        let End { node, source, is_own, tells } = self.end;
        self.tracks.lose();
        self.news.lose();
        self.peer_tracks = None;
        instance.tracking.lose_source(source, node, &instance.store);
        if std::mem::take(&mut self.is_up) && (!is_own || tells) {
            // Names of changed keys may have been on their way; or the peer forgets that clients track here.
            instance.tracking.doubt();
        }
    }

    /// The peer confirms what it was told.
    ///
    /// # Errors
    /// The payload is malformed; nothing was done.
    pub fn confirmed(&mut self, tracking: &Tracking, payload: &[u8]) -> Result<(), Malformed> {
        if self.tracks.confirmed(decode_heard(payload)?) {
            tracking.doubt();
        }
        Ok(())
    }

    /// The peer tells whether its clients track. [`LinkTracks::hear`] takes that over.
    ///
    /// # Errors
    /// The payload is malformed; nothing was done.
    pub fn peer_tells(&mut self, payload: &[u8]) -> Result<(), Malformed> {
        self.peer_tracks = Some(decode_tracks(payload)?);
        Ok(())
    }

    /// Takes over what the peer told, and answers once this node takes down what it changes. While a script has the store for itself that waits, and the worker does not:
    /// whoever is to end the script may be its client.
    pub fn hear(&mut self, instance: &Instance, local: &mut Local) -> Hearing {
        let Some(told) = self.peer_tracks else { return Hearing::Nothing };
        let own = (&instance.store, local, instance.clock.unix_ms());
        let is_busy = || instance.scripts.standing.is_busy();
        let source = (self.end.source, self.end.node);
        let Some(change) = instance.tracking.hear_tracks(source, told, own, is_busy) else {
            return Hearing::Later;
        };
        self.peer_tracks = None;
        let mut heard = Vec::new();
        encode_heard(change, &mut heard);
        Hearing::Answer(heard)
    }

    /// Whether the peer is to be told whether this node's clients track.
    pub fn owes_word(&self) -> bool {
        self.tracks.owes()
    }

    /// That, if there is something to tell.
    pub fn next_word(&mut self, tracking: &Tracking) -> Option<Vec<u8>> {
        self.tracks.next_payload(tracking)
    }

    /// What [`LinkTracks::next_word`] gave could not be sent: it is told anew.
    pub fn word_failed(&mut self, tracking: &Tracking) {
        self.tracks.open(tracking);
    }

    /// Whether the peer is to be told of changed keys.
    pub fn owes_news(&self) -> bool {
        self.news.owes()
    }

    /// These, one payload at a time.
    pub fn next_news(&mut self) -> Option<Arc<[u8]>> {
        self.news.next_payload()
    }

    /// What [`LinkTracks::next_news`] gave could not be sent: what it named may be anything.
    pub fn news_failed(&mut self) {
        self.news.open(true);
    }
}

/// Has all `own` links of the telling worker tell what has changed about whether this node's clients track. Returns whether anything has.
pub fn note_tracks<'l>(tracking: &Tracking, own: impl Iterator<Item = &'l mut LinkTracks>) -> bool {
    let Some((_, change)) = tracking.told().take() else { return false };
    own.for_each(|link| link.tracks.change(change));
    true
}

/// Takes down up to where the peers of all `own` links of the telling worker have heard who tracks. Returns whether that is more than before: clients may be told so.
pub fn confirm_tracks<'l>(tracking: &Tracking, own: impl Iterator<Item = &'l LinkTracks>) -> bool {
    tracking.confirm(own.map(|link| &link.tracks))
}

/// Has those of a worker's `own` links that lead to nodes whose clients track name the keys that it has changed. Returns whether there are any.
pub fn note_news<'l>(
    tracking: &Tracking,
    worker: usize,
    own: impl Iterator<Item = &'l mut LinkTracks>,
) -> bool {
    let Some(frames) = tracking.take_outgoing(worker) else { return false };
    let nodes = tracking.nodes();
    own.filter(|link| nodes.contains(&link.end.node)).for_each(|link| link.news.add(&frames));
    true
}
