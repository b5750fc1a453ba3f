//! Requests of the plane and responses to its visitors: how they get onto links, and what becomes of those that nobody will answer.

use super::{DataLinks, Desk, PLACE_BITS};
use crate::node::link::{Ask, Failed};
use crate::node::plane::{Failure, Taking};
use torc_protocol::peer::request::response_flags;

impl DataLinks {
    /// Carries requests to the links that this worker dials. Returns whether there were any.
    pub(super) fn carry_requests(&mut self, desk: &mut Desk<'_>) -> bool {
        let mut any = false;
        while let Some(send) = desk.state.next_send() {
            any = true;
            if !self.own.contains_key(&send.to) {
                // The view that names the node may be newer than the last look at it.
                self.match_members(desk);
            }
            let at = self.own.get(&send.to).copied();
            let Some((at, link)) = at.and_then(|at| Some((at, self.links[at].as_mut()?))) else {
                desk.state.on_failure(desk.instance, send.ticket, Failure::Unreachable);
                continue;
            };
            let now = self.shared.now();
            let ask =
                Ask { slot: send.slot, deadline: Some(send.deadline), blocking: send.blocking };
            let asked =
                link.conn.link.request(now, ask, |out| out.extend_from_slice(&send.payload));
            match asked {
                Ok(id) => {
                    link.tickets.insert(id, send.ticket);
                    self.mark(at);
                }
                Err(error) => desk.state.on_failure(desk.instance, send.ticket, error.into()),
            }
        }
        any
    }

    /// Carries responses to the links by which they were asked for. Returns whether there were any.
    pub(super) fn carry_responses(&mut self, desk: &mut Desk<'_>) -> bool {
        let mut any = false;
        while let Some(response) = desk.state.next_response() {
            any = true;
            let at = (response.link & ((1 << PLACE_BITS) - 1)) as usize;
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            if link.key != response.link {
                continue;
            }
            let (id, slot, flags) = (response.id, response.slot, response.flags);
            let responded = link
                .conn
                .link
                .respond(id, slot, flags, |out| out.extend_from_slice(&response.payload));
            if let Err(error) = responded {
                tracing::debug!(node = %link.node, ?error, "a response is lost");
            }
            link.owes_room |= flags & response_flags::MORE != 0;
            self.mark(at);
        }
        any
    }

    /// Tells nodes how far clients have taken the long responses that they write.
    pub(super) fn carry_takings(&mut self, desk: &mut Desk<'_>) {
        while let Some(Taking { to, ticket, taken }) = desk.state.next_taking() {
            let Some(&at) = self.own.get(&to) else { continue };
            let Some(link) = &mut self.links[at] else { continue };
            let id = link.tickets.iter().find(|(_, of)| **of == ticket).map(|(&id, _)| id);
            // Of one whose link is lost the plane knows.
            let Some(id) = id else { continue };
            if taken.unwanted {
                link.tickets.remove(&id);
            }
            if let Err(error) = link.conn.link.taken(id, taken) {
                tracing::debug!(node = %link.node, ?error, "word of what was taken is lost");
            }
            self.mark(at);
        }
    }

    /// Tells the plane of requests that ended without a response.
    pub(super) fn report_failures(&mut self, at: usize, desk: &mut Desk<'_>) {
        for Failed { id, why } in std::mem::take(&mut self.failed) {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            if let Some(ticket) = link.tickets.remove(&id) {
                desk.state.on_failure(desk.instance, ticket, why.into());
            }
        }
    }

    /// Before a link is dropped: requests that waited for a connection have none to wait for.
    pub(super) fn fail_waiting(&mut self, at: usize, desk: &mut Desk<'_>) {
        let Some(Some(link)) = self.links.get_mut(at) else { return };
        for (_, ticket) in std::mem::take(&mut link.tickets) {
            desk.state.on_failure(desk.instance, ticket, Failure::Unreachable);
        }
    }
}
