//! What the first worker's links tell peers of libraries of functions; see [`crate::script::library`].

use super::telling::{Heard, Untold};
use super::{DataLink, DataLinks, Desk};
use torc_protocol::peer::{Class, Head, Kind};

impl DataLinks {
    /// Tells peers of libraries what they have not been told. The first worker does that for all.
    pub(super) fn tell_libraries(&mut self, desk: &mut Desk<'_>) {
        if self.worker != 0 {
            return;
        }
        let known = &desk.instance.scripts.libraries;
        let changes = known.told().take();
        if changes.is_none()
            && !self.links.iter().flatten().any(|link| link.untold.libraries.owes())
        {
            return;
        }
        for at in self.own_places() {
            let Some(Some(link)) = self.links.get_mut(at) else { continue };
            let DataLink { conn, untold: Untold { libraries, .. }, .. } = &mut **link;
            if let Some((names, change)) = &changes {
                libraries.change(names, *change);
            }
            let mut told = false;
            while conn.link.has_room(Class::Publish)
                && let Some(payload) = libraries.next_payload(known)
            {
                let sent = conn
                    .link
                    .send(Head::of(Kind::Libraries), |out| out.extend_from_slice(&payload));
                if let Err(error) = sent {
                    // It had room and was open. What is lost is asked for when the link tells again.
                    tracing::warn!(?error, "a peer could not be told of a library");
                    break;
                }
                told = true;
            }
            if told {
                self.mark(at);
            }
        }
        if changes.is_some() {
            self.confirm(&Heard { libraries: true, ..Heard::default() }, desk);
        }
    }

    /// Tells peers once more what there is, in case something was lost.
    pub(super) fn tell_libraries_again(&mut self, desk: &Desk<'_>) {
        if self.worker == 0 {
            let known = &desk.instance.scripts.libraries;
            self.links
                .iter_mut()
                .flatten()
                .for_each(|link| link.untold.libraries.tell_again(known));
        }
    }
}
