//! A claim: what a node that wants to serve a slot has heard from those who might serve it.
//!
//! ```text
//!            asked                 yields                        its versions are known here
//!   voice ─────────▶ Awaited ───────────────▶ Yielded, Wanted ─────────────────────────────▶ Yielded, Known
//!                       │  stops, grants                                                       ▲
//!                       └────────────────────▶ Yielded, Needed ────────────────────────────────┘
//! ```
//!
//! **Nobody is passed over who may serve.** A voice that does not answer is done without only when its node is dead by the view, or when there has been no link to it for
//! [`UNREACHABLE`] and it is not the one that serves by the view. What a voice *knows* is another matter: that of nodes which did not serve is waited for no longer than
//! [`FENCE`], and merged when it comes; that of the node which served until now is waited for.

use super::super::reach::Reach;
use crate::cluster::View;
use crate::cluster::view::MemberIndex;
use std::time::Duration;

/// What nodes know that did not serve is waited for so long. A client's request waits for it, and a large slot can take seconds.
pub const FENCE: Duration = Duration::from_millis(200);

/// A node to which there is no link for so long is not asked, if it does not serve by the view. A link that broke is back within a tenth of it, where the other end lives
/// and can be reached.
pub const UNREACHABLE: Duration = Duration::from_secs(1);

/// What a node knows that stopped serving for a claim's sake is waited for so long after the link to it was lost, though the view takes it for alive.
const LOST: Duration = Duration::from_secs(3);

/// Who has not answered is asked again after so long: a message can be dropped.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Whether what a voice knows is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knows {
    /// Everything.
    Known,
    /// Not yet, and it never served.
    Wanted,
    /// Not yet, and it served until now.
    Needed,
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    node: MemberIndex,
    /// What it said; nothing, while it is awaited.
    said: Option<Knows>,
}

/// See the module's description.
#[derive(Debug, Clone)]
pub struct Claim {
    stamp: u64,
    began: Duration,
    asked: Duration,
    voices: Vec<Voice>,
    /// Somebody served, and stopped for it.
    taken: bool,
}

impl Claim {
    /// A claim that asks nobody yet.
    pub fn new(stamp: u64, now: Duration) -> Claim {
        Claim { stamp, began: now, asked: now, voices: Vec::new(), taken: false }
    }

    /// Which claim it is, and before which others it goes; see [`super::machine`].
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Makes `node` a voice; whether it is a new one, and to be asked.
    pub fn add(&mut self, node: MemberIndex) -> bool {
        let is_new = !self.voices.iter().any(|voice| voice.node == node);
        if is_new {
            self.voices.push(Voice { node, said: None });
        }
        is_new
    }

    /// The dead have no voice.
    pub fn keep(&mut self, is_alive: impl Fn(MemberIndex) -> bool) {
        self.voices.retain(|voice| is_alive(voice.node));
    }

    /// Whether `node` has been asked and has not answered.
    pub fn awaits(&self, node: MemberIndex) -> bool {
        self.voices.iter().any(|voice| voice.node == node && voice.said.is_none())
    }

    /// Whom to ask again now.
    pub fn ask_again(&mut self, now: Duration) -> Vec<MemberIndex> {
        if now < self.asked + ASK_AGAIN {
            return Vec::new();
        }
        self.asked = now;
        let awaited = self.voices.iter().filter(|voice| voice.said.is_none());
        awaited.map(|voice| voice.node).collect()
    }

    /// Somebody served until now.
    pub fn take(&mut self) {
        self.taken = true;
    }

    /// Whether somebody served until now.
    pub fn is_taken(&self) -> bool {
        self.taken
    }

    /// `node` does not serve, or not any more.
    pub fn yielded(&mut self, node: MemberIndex, knows: Knows) {
        self.add(node);
        for voice in self.voices.iter_mut().filter(|voice| voice.node == node) {
            // Who granted and is asked again still has what is needed.
            let is_needed = voice.said == Some(Knows::Needed) && knows != Knows::Known;
            voice.said = Some(if is_needed { Knows::Needed } else { knows });
        }
    }

    /// What `node` knew when it was pulled from is known.
    pub fn heard(&mut self, node: MemberIndex) {
        let wanted = self.voices.iter_mut().filter(|it| it.said == Some(Knows::Wanted));
        wanted.filter(|it| it.node == node).for_each(|it| it.said = Some(Knows::Known));
    }

    /// Whether `node` is still to be pulled from.
    pub fn pulls(&self, node: MemberIndex) -> bool {
        let open = |said| matches!(said, Some(Knows::Wanted | Knows::Needed));
        self.voices.iter().any(|voice| voice.node == node && open(voice.said))
    }

    /// Whether nobody is in the way any more. `holder` is who serves by the view.
    pub fn is_granted(
        &self,
        view: &View,
        holder: Option<MemberIndex>,
        reach: &Reach,
        now: Duration,
    ) -> bool {
        let gone_for = |node| view.member(node).map_or(LOST, |it| reach.gone_for(it.id, now));
        self.voices.iter().all(|&Voice { node, said }| match said {
            None => holder != Some(node) && gone_for(node) >= UNREACHABLE,
            Some(Knows::Known) => true,
            Some(Knows::Wanted) => now >= self.began + FENCE,
            Some(Knows::Needed) => gone_for(node) >= LOST,
        })
    }
}
