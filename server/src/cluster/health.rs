//! How whole a ring is: which slots have all their copies, and who keeps and serves how many.

use super::View;
use super::view::MemberIndex;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// Counts of slots, as one view has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Slots of which every node in their list is alive and keeps them.
    pub full: usize,
    /// Slots with fewer copies than that.
    pub short: usize,
    /// Slots without any.
    pub none: usize,
    /// By [`MemberIndex`]: slots that the member serves, and those that it is to keep.
    counts: Vec<(usize, usize)>,
}

impl Health {
    /// Walks over all slots.
    pub fn of(view: &View) -> Health {
        let count = view.members().map(|(index, _)| usize::from(index.0) + 1).max().unwrap_or(0);
        let mut health = Health { full: 0, short: 0, none: 0, counts: vec![(0, 0); count] };
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            let list = view.list(slot);
            match view.live(slot).count() {
                0 => health.none += 1,
                live if live == list.len() => health.full += 1,
                _ => health.short += 1,
            }
            list.iter().for_each(|index| health.counts[usize::from(index.0)].1 += 1);
            if let Some(index) = view.acting(slot) {
                health.counts[usize::from(index.0)].0 += 1;
            }
        }
        health
    }

    /// Slots that a member serves.
    pub fn serves(&self, member: MemberIndex) -> usize {
        self.counts.get(usize::from(member.0)).map_or(0, |counts| counts.0)
    }

    /// Slots that a member is to keep a copy of.
    pub fn keeps(&self, member: MemberIndex) -> usize {
        self.counts.get(usize::from(member.0)).map_or(0, |counts| counts.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::NodeId;
    use crate::cluster::member::Member;

    #[test]
    fn slots_are_counted_by_their_copies_and_by_who_has_them() {
        let member =
            |id: u64, alive| Member { alive, ..Member::on_loopback(NodeId(id), id as u16) };
        let of = |dead: u64, copies| {
            let members = (1..=3).map(|id| member(id, id != dead)).collect();
            Health::of(&View::build(members, NodeId(1), copies))
        };
        let (whole, broken) = (of(0, 3), of(3, 3));
        assert_eq!((whole.full, whole.short, whole.none), (SLOT_COUNT, 0, 0));
        assert_eq!((broken.full, broken.short, broken.none), (0, SLOT_COUNT, 0));
        let served =
            |health: &Health| (0..3).map(|index| health.serves(MemberIndex(index))).sum::<usize>();
        assert_eq!((served(&whole), served(&broken)), (SLOT_COUNT, SLOT_COUNT));
        assert_eq!((broken.serves(MemberIndex(2)), broken.keeps(MemberIndex(2))), (0, SLOT_COUNT));
        let alone = of(3, 1);
        assert!(alone.none > 0 && alone.none + alone.full == SLOT_COUNT, "{alone:?}");
    }
}
