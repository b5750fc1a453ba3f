//! What a worker's links do for copies: the effects that they are sent, questions how they stand, how far they are behind; see [`crate::node::replicator`].

use super::{DataLinks, Desk, replication};
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use crate::net::ring::shared::Mail;
use crate::node::link::{EffectSource, Pulled};
use crate::node::replicator::Replicator;
use crate::node::standing::{Gap, Question};
use crate::replication::journal::WorkerJournal;
use crate::store::Local;
use torc_protocol::peer::{Head, Kind};

impl DataLinks {
    /// Marks the own links if the journal has something new.
    pub(super) fn note_effects(&mut self, desk: &mut Desk<'_>) {
        let Some(journal) = journal(&mut desk.state.local) else { return };
        let end = journal.log().next_position();
        if end != self.effects_seen {
            self.effects_seen = end;
            self.own_places().into_iter().for_each(|at| self.mark(at));
        }
    }

    /// Asks peers how their copies stand, if anything waits for that, and tells the control thread of gaps that were found.
    pub(super) fn ask_standings(&mut self, desk: &mut Desk<'_>) {
        let Some((_, replicator)) = replication(desk.state) else { return };
        let gaps = replicator.take_gaps();
        if !replicator.is_waiting() && gaps.is_empty() {
            return;
        }
        let Some(view) = desk.instance.cluster.view() else { return };
        let id_of = |peer: MemberIndex| view.member(peer).map(|member| member.id);
        for Gap { slot, peer, is_here } in gaps {
            if let Some(node) = id_of(peer) {
                self.shared.tell(Mail::Gap { slot, node, is_here });
            }
        }
        for Question { peer, round, payload } in replicator.questions(&view) {
            let at = id_of(peer).and_then(|node| self.own.get(&node).copied());
            let Some((at, link)) = at.and_then(|at| Some((at, self.links[at].as_mut()?))) else {
                continue;
            };
            let head = Head { id: round, ..Head::of(Kind::Question) };
            let sent = link.conn.link.send(head, |out| out.extend_from_slice(&payload));
            if let Err(error) = sent {
                // It is asked again a little later.
                tracing::trace!(?error, "a question is lost");
            }
            self.mark(at);
        }
    }

    /// Looks for acknowledgements that came to other workers.
    pub(super) fn look(&mut self, desk: &mut Desk<'_>) {
        let Some(view) = desk.instance.cluster.view() else { return };
        let Some((_, replicator)) = replication(desk.state) else { return };
        if !replicator.is_waiting() {
            return;
        }
        let waiters = replicator.look(&view);
        desk.state.on_acked(desk.instance, waiters);
    }

    /// Lets others see how far peers are behind.
    pub(super) fn tell_lags(&mut self, desk: &mut Desk<'_>) {
        let Some(journal) = journal(&mut desk.state.local) else { return };
        for link in self.links.iter_mut().flatten() {
            let Some(peer) = link.index else { continue };
            let lag = journal.log().lag(peer.0.into()).unwrap_or(0);
            let before = std::mem::replace(&mut link.lag, lag);
            desk.instance.cluster.count_lag(peer, before, lag);
        }
    }
}

/// The journal of this thread.
fn journal(local: &mut Local) -> Option<&mut WorkerJournal> {
    local.journal()?.as_any().downcast_mut()
}

/// The effects of one worker for one peer.
pub(super) struct Effects<'a> {
    pub local: &'a mut Local,
    pub replicator: &'a mut Replicator,
    pub view: &'a View,
    pub peer: MemberIndex,
}

impl EffectSource for Effects<'_> {
    fn pull(&mut self, bytes_max: usize, payload: &mut Vec<u8>) -> Pulled {
        let Effects { local, replicator, view, peer } = self;
        let read = replicator.read_effects(local, view, *peer, bytes_max, payload);
        match read.fell_off {
            true => Pulled::FellOff,
            false if read.count > 0 => Pulled::Batch,
            false => Pulled::Nothing,
        }
    }
}
