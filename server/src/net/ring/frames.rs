//! What peers' frames ask of a worker, and the answers that go back by the same link.

use super::data::replication;
use crate::admin::Instance;
use crate::admin::pubsub;
use crate::cluster::NodeId;
use crate::cluster::view::MemberIndex;
use crate::command::function::load_peers_library;
use crate::node::WorkerState;
use crate::node::link::Link;
use crate::script::library::Wanted;
use torc_protocol::peer::message::encode_heard;
use torc_protocol::peer::{Frame, Head, Kind, libraries, publish};

/// A frame on a link that this worker dialled. Returns whether it made sense.
pub(super) fn on_own_frame(
    state: &mut WorkerState,
    instance: &Instance,
    peer: MemberIndex,
    frame: Frame<'_>,
) -> bool {
    let Some((_, replicator)) = replication(state) else { return true };
    let Frame { header, payload } = frame;
    let waiters = match (header.kind, instance.cluster.view()) {
        (Some(Kind::Ack), _) => replicator.receive_acks(peer, payload),
        (Some(Kind::Standing), Some(view)) => replicator.told(&view, peer, header.id, payload),
        _ => return true,
    };
    match waiters {
        Ok(waiters) => {
            state.on_acked(instance, waiters);
            true
        }
        Err(error) => {
            tracing::warn!(%error, kind = ?header.kind, "a peer sent what this node does not understand");
            false
        }
    }
}

/// A frame on a link that a peer dialled. Returns whether it made sense.
pub(super) fn on_peers_frame(
    state: &mut WorkerState,
    instance: &Instance,
    (key, (source, node)): (u64, (u64, NodeId)),
    link: &mut Link,
    frame: Frame<'_>,
) -> bool {
    let Frame { header, payload } = frame;
    match header.kind {
        Some(Kind::Publish) => return on_publish(state, instance, payload),
        Some(Kind::Interest) => match instance.pubsub.hear(source, node, payload) {
            Ok(Some(change)) => {
                let sent = link.send(Head::of(Kind::Heard), |out| encode_heard(change, out));
                if let Err(error) = sent {
                    // The next change is confirmed along with this one; until then clients wait for as long as they would for a node that is gone.
                    tracing::debug!(?error, "a confirmation is lost");
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "a peer sent malformed interest");
                return false;
            }
        },
        Some(Kind::Libraries) => return on_libraries(instance, link, payload),
        Some(Kind::Changed) => {
            let heard = instance.tracking.hear_changed(&instance.clients, state.index, payload);
            if let Err(error) = heard {
                tracing::warn!(%error, "a peer sent malformed names of changed keys");
                return false;
            }
        }
        Some(Kind::Request) => state.on_request(instance, key, header.id, header.slot, payload),
        Some(Kind::Taken) => return state.on_taken(instance, key, header.id, payload),
        Some(Kind::Effects) => {
            let Some((local, replicator)) = replication(state) else { return true };
            let mut acks = Vec::new();
            if let Err(error) = replicator.receive_effects(local, payload, &mut acks) {
                tracing::warn!(%error, "a peer sent malformed effects");
                return false;
            }
            if !acks.is_empty() {
                // If it is lost, later acknowledgements cover these.
                answer(link, Head::of(Kind::Ack), &acks);
            }
        }
        Some(Kind::Question) => {
            let Some((_, replicator)) = replication(state) else { return true };
            let mut standings = Vec::new();
            if let Err(error) = replicator.answer(payload, &mut standings) {
                tracing::warn!(%error, "a peer sent a malformed question");
                return false;
            }
            // If it is lost, the question comes again.
            answer(link, Head { id: header.id, ..Head::of(Kind::Standing) }, &standings);
        }
        // Of a later revision, or of control links.
        _ => {}
    }
    true
}

/// What the peer has of libraries, or texts of them. Returns whether it made sense.
fn on_libraries(instance: &Instance, link: &mut Link, payload: &[u8]) -> bool {
    let bytes_max = instance.settings.script_cache_max();
    let load = |source| load_peers_library(instance, source);
    match instance.scripts.libraries.hear(payload, bytes_max, load) {
        Ok(Wanted { number, names }) => {
            let mut heard = Vec::new();
            let names = names.iter().map(String::as_bytes);
            libraries::encode_libraries_heard(number, names, &mut heard);
            // If it is lost, the peer tells again what it has.
            answer(link, Head::of(Kind::LibrariesHeard), &heard);
            true
        }
        Err(error) => {
            tracing::warn!(%error, "a peer sent malformed libraries");
            false
        }
    }
}

/// Sends a frame back by the link that something came by.
pub(super) fn answer(link: &mut Link, head: Head, payload: &[u8]) {
    let sent = link.send(head, |out| out.extend_from_slice(payload));
    if let Err(error) = sent {
        tracing::debug!(?error, kind = ?head.kind, "a frame is lost");
    }
}

/// A message that a client of the peer published. Returns whether it made sense.
fn on_publish(state: &WorkerState, instance: &Instance, payload: &[u8]) -> bool {
    let published = match publish::decode(payload) {
        Ok(published) => published,
        Err(error) => {
            tracing::warn!(%error, "a peer sent a malformed message of a channel");
            return false;
        }
    };
    // A later revision may have kinds that this one does not know.
    if let Some(kind) = pubsub::Kind::from_byte(published.kind) {
        let mailboxes = &instance.clients.mailboxes;
        let publish::Published { channel, message, .. } = published;
        instance.pubsub.publish_from_peer(mailboxes, state.index, kind, channel, message);
    }
    true
}
