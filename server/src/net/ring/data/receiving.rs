//! What comes by a link, one turn of reading at a time: that it is open, responses, frames.

use super::telling::Heard;
use super::{DataLink, DataLinks, Desk, replication};
use crate::net::ring::conn::Lost;
use crate::net::ring::frames::{on_own_frame, on_peers_frame};
use crate::net::ring::shared::Mail;
use crate::node::link::Event;
use std::ops::ControlFlow;
use std::time::Duration;
use torc_protocol::peer::request::response_flags;
use torc_protocol::peer::{Frame, Kind};

/// The control thread hears of a peer's signs of life so often.
const TELL_HEARD: Duration = Duration::from_secs(1);

impl DataLinks {
    /// Takes what the socket has, as much as is one turn.
    pub(super) fn read(&mut self, at: usize, desk: &mut Desk<'_>) {
        let now = self.shared.now();
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        let DataLink { conn, node, index, key, tickets, is_up, told_heard, untold, source, .. } =
            &mut **link;
        let owe_news = &mut self.owe_news;
        let (tells, of_peer) = (self.worker == 0, (*source, *node));
        let (state, instance) = (&mut *desk.state, desk.instance);
        let (mut malformed, mut heard) = (false, Heard::default());
        let received = conn.receive(desk.buffer, now, &*self.shared, &mut |link, event| {
            let handled = match event {
                Event::Open(_) => {
                    *is_up = true;
                    let tells_by_it = tells && index.is_some();
                    untold.open(instance, tells_by_it);
                    if tells_by_it {
                        heard = Heard::ALL;
                    }
                    *owe_news |= index.is_some();
                    if let (Some(peer), Some((local, replicator))) = (*index, replication(state)) {
                        replicator.link_up(local, peer);
                        link.start_effects();
                        state.on_link_up(instance, peer);
                        self.shared.tell(Mail::DataLinkUp(*node));
                    }
                    true
                }
                Event::Clock(_) => true,
                Event::Response(Frame { header, payload })
                    if header.flags & response_flags::MORE != 0 =>
                {
                    if let Some(&ticket) = tickets.get(&header.id) {
                        state.on_response_part(instance, ticket, payload);
                    }
                    true
                }
                Event::Response(Frame { header, payload }) => {
                    if let Some(ticket) = tickets.remove(&header.id) {
                        state.on_response(instance, ticket, header.flags, payload);
                    }
                    true
                }
                Event::Frame(frame) => match *index {
                    None if frame.header.kind == Some(Kind::Tracks) => {
                        untold.tracks.peer_tells(frame.payload).is_ok()
                    }
                    Some(peer) => untold
                        .answered(instance, frame, &mut heard)
                        .unwrap_or_else(|| on_own_frame(state, instance, peer, frame)),
                    None => on_peers_frame(state, instance, (*key, of_peer), link, frame),
                },
            };
            malformed |= !handled;
            if handled { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if *is_up && now.monotonic >= *told_heard + TELL_HEARD {
            *told_heard = now.monotonic;
            self.shared.tell(Mail::Heard(*node));
        }
        self.confirm(&heard, desk);
        self.hear_tracks(at, desk);
        match received {
            Ok(()) if malformed => self.lost(at, &Lost::Malformed, desk),
            Ok(()) => {
                self.mark(at);
                self.settle(at);
            }
            Err(lost) => self.lost(at, &lost, desk),
        }
    }
}
