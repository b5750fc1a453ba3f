//! Questions about other nodes' copies, and the answers, between workers.

use super::net::Line;
use super::node::node_id;
use super::world::World;
use torc_protocol::peer::frame::Header;
use torc_protocol::peer::{Head, Kind};
use torc_server::node::core::Input;
use torc_server::node::standing::{Gap, Question};

impl World {
    /// Sends what a node's worker wants to ask, and tells its core of the gaps that were found.
    pub fn ask_standings(&mut self, number: usize) {
        let Some(node) = self.node(number) else { return };
        let view = node.view();
        let id_of = |peer| view.member(peer).map(|member| member.id);
        let gaps = node.replicator().take_gaps();
        let questions = node.replicator().questions(&view);
        for Gap { slot, peer, is_here } in gaps {
            if let Some(node) = id_of(peer) {
                self.core(number, Input::Gap { slot, node, is_here });
            }
        }
        for Question { peer, round, payload } in questions {
            let Some(to) = id_of(peer).map(super::node::number_of) else { continue };
            let line = Line { dialler: number, other: to, control: false };
            self.post(line, number, Head { id: round, ..Head::of(Kind::Question) }, &payload);
        }
    }

    /// A question or an answer came to `to`.
    pub fn standing(
        &mut self,
        line: Line,
        (from, to): (usize, usize),
        header: Header,
        payload: &[u8],
    ) {
        let Some(node) = self.node(to) else { return };
        if header.kind == Some(Kind::Question) {
            let mut answer = Vec::new();
            node.replicator().answer(payload, &mut answer).unwrap();
            let head = Head { id: header.id, ..Head::of(Kind::Standing) };
            return self.post(line, to, head, &answer);
        }
        let view = node.view();
        if let Some(peer) = node.index_of(node_id(from)) {
            let waiters = node.replicator().told(&view, peer, header.id, payload).unwrap();
            node.acked(waiters);
            self.drain(to);
        }
    }
}
