//! What peers are told of this node by the links to them, and how far they have heard; for clients that track, what peers tell too. What there is to tell, and when, is for [`super::interest`], [`super::libraries`] and
//! [`super::tracking`].

use super::{DataLinks, Desk};
use crate::admin::Instance;
use crate::admin::pubsub::PeerLink;
use crate::node::tracks::{End, LinkTracks, confirm_tracks};
use crate::script::library::LibraryLink;
use torc_protocol::peer::libraries::decode_libraries_heard;
use torc_protocol::peer::message::decode_heard;
use torc_protocol::peer::{Frame, Kind};

/// What is still to be told by a link.
pub(super) struct Untold {
    /// What this node's subscribers listen to.
    pub interest: PeerLink,
    /// What this node knows of libraries.
    pub libraries: LibraryLink,
    /// Whether this node's clients track, keys that this worker has changed, and what the peer tells of the like.
    pub tracks: LinkTracks,
}

/// Of what a link's peer has heard more, or is to hear no more.
#[derive(Default)]
pub(super) struct Heard {
    pub interest: bool,
    pub libraries: bool,
    pub tracks: bool,
}

impl Heard {
    /// As when a link opens or is lost.
    pub const ALL: Heard = Heard { interest: true, libraries: true, tracks: true };
}

impl Untold {
    /// Of a link that is not open yet, or one that a peer has opened.
    pub fn new(end: End) -> Self {
        Untold {
            interest: PeerLink::default(),
            libraries: LibraryLink::default(),
            tracks: LinkTracks::new(end),
        }
    }

    /// The link is open. If it is one of those by which the node tells, all that there is is to be told.
    pub fn open(&mut self, instance: &Instance, tells: bool) {
        if tells {
            self.interest.open(instance.pubsub.interests());
            self.libraries.open(&instance.scripts.libraries);
        }
        self.tracks.open(&instance.tracking);
    }

    /// The link is lost.
    pub fn lose(&mut self, instance: &Instance) {
        self.interest.lose();
        self.libraries.lose();
        self.tracks.lose(instance);
    }

    /// Takes the peer's answer to what it was told. `None` if `frame` is no such answer, else whether it made sense.
    pub fn answered(
        &mut self,
        instance: &Instance,
        frame: Frame<'_>,
        heard: &mut Heard,
    ) -> Option<bool> {
        let Frame { header, payload } = frame;
        match header.kind? {
            Kind::Heard => {
                heard.interest = true;
                Some(decode_heard(payload).map(|change| self.interest.confirmed(change)).is_ok())
            }
            Kind::LibrariesHeard => {
                heard.libraries = true;
                let answer = decode_libraries_heard(payload);
                let taken = answer.map(|(number, wanted)| self.libraries.answered(number, wanted));
                Some(taken.is_ok())
            }
            Kind::TracksHeard => {
                heard.tracks = true;
                Some(self.tracks.confirmed(&instance.tracking, payload).is_ok())
            }
            _ => None,
        }
    }
}

impl DataLinks {
    /// Takes down up to where all peers have heard, and wakes the workers whose clients may be told so.
    pub(super) fn confirm(&self, heard: &Heard, desk: &Desk<'_>) {
        if self.worker != 0 {
            // Nothing was told by this worker's links, so that an answer to it is a mistake of the peer's, and says nothing of the others.
            return;
        }
        let Instance { pubsub, scripts, tracking, .. } = desk.instance;
        let own = || {
            let links = self.links.iter().flatten().filter(|link| link.index.is_some());
            links.map(|link| &link.untold)
        };
        let interest = heard.interest && pubsub.confirm(own().map(|it| &it.interest));
        let libraries = heard.libraries && scripts.libraries.confirm(own().map(|it| &it.libraries));
        let tracks = heard.tracks && confirm_tracks(tracking, own().map(|it| &it.tracks));
        if interest || libraries || tracks {
            self.shared.wake_workers();
        }
    }
}
