//! What the first worker's links tell peers of this node's subscribers, and the messages that every worker's links carry to those of peers; see [`crate::admin::pubsub`].

use super::telling::Untold;
use super::{DataLink, DataLinks, Desk};
use torc_protocol::peer::{Class, Head, Kind};

impl DataLinks {
    /// Carries messages of this worker's clients to the nodes that have subscribers. What finds no open link or no room is lost, as messages of channels may be.
    pub(super) fn carry_messages(&mut self, desk: &mut Desk<'_>) {
        let pubsub = &desk.instance.pubsub;
        let Some(outgoing) = pubsub.take_outgoing(desk.state.index) else { return };
        let mut dropped = outgoing.dropped();
        for (node, payload) in outgoing.messages() {
            let at = self.own.get(node).copied();
            let link = at.and_then(|at| Some((at, self.links[at].as_mut()?)));
            let sent = link.is_some_and(|(_, link)| {
                let sent = link
                    .conn
                    .link
                    .send(Head::of(Kind::Publish), |out| out.extend_from_slice(payload));
                sent.is_ok()
            });
            match at {
                Some(at) if sent => self.mark(at),
                _ => dropped += 1,
            }
        }
        if dropped > 0 {
            pubsub.count_dropped(dropped);
        }
    }

    /// Tells peers what this node's subscribers listen to. The first worker does that for all.
    pub(super) fn tell_interest(&mut self, desk: &mut Desk<'_>) {
        if self.worker != 0 {
            return;
        }
        let pubsub = &desk.instance.pubsub;
        let changes = pubsub.take_changes();
        for at in self.own_places() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, untold: Untold { interest, .. }, .. } = &mut **link;
            if let Some((changes, change)) = &changes {
                interest.change((changes, *change), || pubsub.interests());
            }
            let mut told = false;
            while conn.link.has_room(Class::Publish)
                && let Some(payload) = interest.next_payload()
            {
                let sent =
                    conn.link.send(Head::of(Kind::Interest), |out| out.extend_from_slice(&payload));
                if sent.is_err() {
                    // It had room and was open; if it cannot say this, it is told anew.
                    interest.open(pubsub.interests());
                    break;
                }
                told = true;
            }
            if told {
                self.mark(at);
            }
        }
    }
}
