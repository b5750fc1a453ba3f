//! One snapshot of the ring: who is in it, who keeps what, who serves it.
//!
//! A view is built whole by a pure function, never changed, and replaced by its [`View::successor`]. Workers load it once a batch and read it
//! without a lock. It knows no more than membership tells: which node holds a slot's baton *at this moment* is in
//! [`super::route`], and while nodes agree and nothing moves, that is [`View::acting`].
//!
//! Joins and leaves happen one at a time, in the order (since, id), so that all nodes which know the same members see the same
//! two layouts: the one in force, and the one it becomes when the member that moves is done.

#[cfg(test)]
mod tests;

use super::NodeId;
use super::layout::{Layout, Placement};
use super::member::{Member, MemberState};
use super::render::Cached;
use std::sync::{Arc, OnceLock};
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Members of a view at most: what fits a word of the route table. Whoever admits members refuses more.
pub const MEMBER_COUNT_MAX: usize = 4096;

/// A member's place in the views of this process. It stays the member's for as long as successive views have that
/// member, and means nothing to other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberIndex(pub u16);

/// A snapshot.
#[derive(Debug)]
pub struct View {
    version: u64,
    me: MemberIndex,
    copies: usize,
    /// By [`MemberIndex`]; a gap where a member was forgotten.
    members: Box<[Option<Member>]>,
    /// By [`MemberIndex`]: [`ALIVE`] and [`SERVES`], side by side for those who ask about every slot.
    bits: Box<[u8]>,
    current: Lists,
    transition: Option<Transition>,
    runs: OnceLock<Box<[Run]>>,
    pub(super) cached: Cached,
}

const ALIVE: u8 = 1;
const SERVES: u8 = 2;

fn bits_of(member: &Member) -> u8 {
    (if member.alive { ALIVE } else { 0 }) | (if member.can_serve() { SERVES } else { 0 })
}

/// The member that joins or leaves, and what the layout becomes.
#[derive(Debug)]
struct Transition {
    subject: MemberIndex,
    next: Lists,
}

/// A layout in terms of this process's member indexes.
#[derive(Debug, Clone)]
struct Lists {
    layout: Arc<Layout>,
    /// What the layout was computed from.
    placed: Arc<[(NodeId, u16, Box<str>)]>,
    table: Arc<[MemberIndex]>,
}

impl Lists {
    fn of(&self, slot: Slot) -> &[MemberIndex] {
        let copies = self.layout.copies();
        &self.table[slot.index() * copies..][..copies]
    }
}

/// Neighbouring slots with the same live nodes in the same order; see [`View::live`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The first slot.
    pub first: u16,
    /// The last slot.
    pub last: u16,
}

impl View {
    /// The view of `members`, seen by `me`, with `copies` copies of each slot.
    ///
    /// # Panics
    /// If `me` is not among the members: a node always knows itself.
    pub fn build(members: Vec<Member>, me: NodeId, copies: usize) -> View {
        View::assemble(members, me, copies, None)
    }

    /// The view that replaces this one. Members keep their indexes, and layouts that stay the same are not computed again.
    ///
    /// # Panics
    /// As [`View::build`].
    pub fn successor(&self, members: Vec<Member>, copies: usize) -> View {
        View::assemble(members, self.my_id(), copies, Some(self))
    }

    fn assemble(members: Vec<Member>, me: NodeId, copies: usize, before: Option<&View>) -> View {
        let members = indexed(members, me, before);
        let index_of = |id: NodeId| {
            let at = members.iter().position(|member| member.as_ref().is_some_and(|m| m.id == id));
            at.map(|at| MemberIndex(at as u16))
        };
        let me = index_of(me).expect("a node is a member of its own view");
        let earlier: Vec<&Lists> = before
            .filter(|view| view.copies == copies)
            .map(|view| [Some(&view.current), view.transition.as_ref().map(|t| &t.next)])
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let lists = |counts: &dyn Fn(&Member) -> bool| lists_of(&members, counts, copies, &earlier);
        let current = lists(&Member::is_placed);
        let transition = subject(&members).map(|subject| {
            let joins = |m: &Member| m.state == MemberState::Joining && m.id == subject;
            let stays = |m: &Member| m.is_placed() && m.id != subject;
            Transition {
                subject: index_of(subject).expect("the subject is a member"),
                next: lists(&|m| joins(m) || stays(m)),
            }
        });
        let bits = members.iter().map(|member| member.as_ref().map_or(0, bits_of)).collect();
        View {
            version: before.map_or(1, |view| view.version + 1),
            me,
            copies,
            members,
            bits,
            current,
            transition,
            runs: OnceLock::new(),
            cached: Cached::default(),
        }
    }

    /// Rises by one with each view of this process.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// This node.
    pub fn me(&self) -> MemberIndex {
        self.me
    }

    /// This node's name.
    pub fn my_id(&self) -> NodeId {
        self.member(self.me).expect("a node is a member of its own view").id
    }

    /// Copies that each slot is to have.
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// A member; `None` if it was forgotten or came only after this view.
    pub fn member(&self, index: MemberIndex) -> Option<&Member> {
        self.members.get(usize::from(index.0))?.as_ref()
    }

    /// All members with their indexes, in the order of the indexes.
    pub fn members(&self) -> impl Iterator<Item = (MemberIndex, &Member)> {
        let numbered = self.members.iter().enumerate();
        numbered.filter_map(|(at, member)| Some((MemberIndex(at as u16), member.as_ref()?)))
    }

    /// The member of that name. Linear in the number of members.
    pub fn find(&self, id: NodeId) -> Option<(MemberIndex, &Member)> {
        self.members().find(|(_, member)| member.id == id)
    }

    /// The layout in force, for its checksum and its figures.
    pub fn layout(&self) -> &Layout {
        &self.current.layout
    }

    /// The layout to come and the member that joins or leaves by it.
    pub fn transition(&self) -> Option<(MemberIndex, &Layout)> {
        self.transition.as_ref().map(|t| (t.subject, &*t.next.layout))
    }

    /// The nodes that keep `slot`, whether alive or not, in order of preference. Empty if no member is placed.
    #[inline]
    pub fn list(&self, slot: Slot) -> &[MemberIndex] {
        self.current.of(slot)
    }

    /// The nodes that will keep `slot` when the transition is done; empty without one.
    #[inline]
    pub fn next_list(&self, slot: Slot) -> &[MemberIndex] {
        self.transition.as_ref().map_or(&[], |t| t.next.of(slot))
    }

    /// Whether this node keeps `slot`, or will.
    pub fn is_mine(&self, slot: Slot) -> bool {
        self.list(slot).contains(&self.me) || self.next_list(slot).contains(&self.me)
    }

    /// Whether a member is taken for running.
    #[inline]
    pub fn is_alive(&self, index: MemberIndex) -> bool {
        self.has(index, ALIVE)
    }

    #[inline]
    fn has(&self, index: MemberIndex, bit: u8) -> bool {
        self.bits.get(usize::from(index.0)).is_some_and(|bits| bits & bit != 0)
    }

    /// Those of [`View::list`] that can serve, in order of preference.
    #[inline]
    pub fn live(&self, slot: Slot) -> impl Iterator<Item = MemberIndex> {
        self.list(slot).iter().copied().filter(|&index| self.has(index, SERVES))
    }

    /// The acting primary: the first on the list that is alive, placed and ready.
    #[inline]
    pub fn acting(&self, slot: Slot) -> Option<MemberIndex> {
        self.live(slot).next()
    }

    /// Where this node sends the effects of `slot`: all that keep it or will, but for itself and the dead.
    #[inline]
    pub fn effect_targets(&self, slot: Slot) -> impl Iterator<Item = MemberIndex> {
        let now = self.list(slot);
        let then = self.next_list(slot).iter().filter(|index| !now.contains(index));
        let all = now.iter().chain(then).copied();
        all.filter(|&index| index != self.me && self.has(index, ALIVE))
    }

    /// The slots that anyone serves, as ranges of equal [`View::live`] lists, rising. Computed once a view.
    pub fn runs(&self) -> &[Run] {
        self.runs.get_or_init(|| {
            let mut runs: Vec<Run> = Vec::new();
            let mut before: Option<Slot> = None;
            for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
                let index = slot.index() as u16;
                if self.acting(slot).is_none() {
                    before = None;
                    continue;
                }
                match (before, runs.last_mut()) {
                    (Some(other), Some(run)) if self.live(other).eq(self.live(slot)) => {
                        run.last = index
                    }
                    _ => runs.push(Run { first: index, last: index }),
                }
                before = Some(slot);
            }
            runs.into()
        })
    }

    /// For each member the ranges of slots it is acting primary of, by [`MemberIndex`].
    pub fn acting_ranges(&self) -> Vec<Vec<Run>> {
        let mut ranges: Vec<Vec<Run>> = vec![Vec::new(); self.members.len()];
        for run in self.runs() {
            let first = Slot::new(run.first).and_then(|slot| self.acting(slot));
            let Some(index) = first else { continue };
            let own = &mut ranges[usize::from(index.0)];
            match own.last_mut() {
                Some(last) if last.last + 1 == run.first => last.last = run.last,
                _ => own.push(*run),
            }
        }
        ranges
    }
}

/// Gives each member its place: that of the view before, or the first that is free.
fn indexed(mut members: Vec<Member>, me: NodeId, before: Option<&View>) -> Box<[Option<Member>]> {
    // The order of the list must not matter, nor a second record of one node. This node comes first, so that a
    // list beyond the bound cannot leave it out.
    members
        .sort_by_key(|member| (member.id != me, member.id, std::cmp::Reverse(member.incarnation)));
    members.dedup_by_key(|member| member.id);
    members.truncate(MEMBER_COUNT_MAX);
    let length = before.map_or(0, |view| view.members.len()).max(members.len());
    let mut places: Vec<Option<Member>> = vec![None; length];
    let mut newcomers = Vec::new();
    for member in members {
        match before.and_then(|view| view.find(member.id)) {
            Some((index, _)) => places[usize::from(index.0)] = Some(member),
            None => newcomers.push(member),
        }
    }
    // A place that the view before still used is given away only by a later view, when nobody can mistake the one for the other any more.
    let was_used =
        |at: usize| before.is_some_and(|view| view.member(MemberIndex(at as u16)).is_some());
    let mut at = 0;
    for member in newcomers {
        while at < places.len() && (places[at].is_some() || was_used(at)) {
            at += 1;
        }
        if at == places.len() {
            places.push(None);
        }
        places[at] = Some(member);
    }
    places.truncate(MEMBER_COUNT_MAX);
    places.into()
}

/// Who joins or leaves first. The dead wait until they are back or forgotten, so that they hold nobody up.
fn subject(members: &[Option<Member>]) -> Option<NodeId> {
    let moving = members.iter().flatten().filter(|member| {
        member.alive && matches!(member.state, MemberState::Joining | MemberState::Leaving)
    });
    moving.map(|member| (member.since, member.id)).min().map(|(_, id)| id)
}

/// The layout of those members that count, taken from `earlier` if it is one of these.
fn lists_of(
    members: &[Option<Member>],
    counts: &dyn Fn(&Member) -> bool,
    copies: usize,
    earlier: &[&Lists],
) -> Lists {
    let mut placed: Vec<(NodeId, u16, Box<str>)> = members
        .iter()
        .flatten()
        .filter(|member| counts(member))
        .map(|member| (member.id, member.weight, member.zone.clone()))
        .collect();
    placed.sort_unstable();
    // Members keep their indexes, so the table is as good as the layout.
    if let Some(same) = earlier.iter().find(|lists| *lists.placed == *placed) {
        return (*same).clone();
    }
    let placements: Vec<Placement<'_>> = placed
        .iter()
        .map(|(node_id, weight, zone)| Placement { node_id: *node_id, weight: *weight, zone })
        .collect();
    let layout = Layout::compute(&placements, copies);
    let index_of = |id: &NodeId| {
        let at = members.iter().position(|member| member.as_ref().is_some_and(|m| m.id == *id));
        MemberIndex(at.expect("the layout names members") as u16)
    };
    let indexes: Vec<MemberIndex> = layout.nodes().iter().map(index_of).collect();
    let table = layout.table().iter().map(|&node| indexes[usize::from(node)]).collect();
    Lists { layout: Arc::new(layout), placed: placed.into(), table }
}
