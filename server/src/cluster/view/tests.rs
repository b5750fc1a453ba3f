//! What a view answers, through the life of a ring.

use super::*;
use crate::cluster::testing::{member, members, view};

fn slots() -> impl Iterator<Item = Slot> {
    (0..SLOT_COUNT as u16).filter_map(Slot::new)
}

fn ids(view: &View, indexes: impl Iterator<Item = MemberIndex>) -> Vec<u64> {
    indexes.map(|index| view.member(index).unwrap().id.0).collect()
}

/// The slots' lists by names, so that views of different nodes compare.
fn lists(view: &View) -> Vec<Vec<u64>> {
    slots().map(|slot| ids(view, view.list(slot).iter().copied())).collect()
}

fn change(members: &mut [Member], id: u64, change: impl Fn(&mut Member)) {
    change(members.iter_mut().find(|member| member.id.0 == id).unwrap());
}

#[test]
fn a_steady_ring() {
    let view = view(5);
    assert_eq!((view.version(), view.my_id(), view.copies()), (1, NodeId(1), 3));
    assert!(view.transition().is_none());
    for slot in slots() {
        assert_eq!(view.list(slot).len(), 3);
        assert_eq!(view.acting(slot), Some(view.list(slot)[0]));
        assert!(view.next_list(slot).is_empty());
        let mut targets: Vec<_> = view.effect_targets(slot).collect();
        assert!(!targets.contains(&view.me()));
        if view.is_mine(slot) {
            targets.push(view.me());
        }
        assert_eq!(targets.len(), 3);
    }
    let covered: usize = view.runs().iter().map(|run| usize::from(run.last - run.first) + 1).sum();
    assert_eq!(covered, SLOT_COUNT);
}

#[test]
fn nodes_agree_whatever_order_they_learn_of_each_other_in() {
    let mut reversed = members(6);
    reversed.reverse();
    // A record of an earlier life of one of them is ignored.
    reversed.push(Member { incarnation: 0, weight: 9, ..member(3) });
    let (a, b) = (view(6), View::build(reversed, NodeId(4), 3));
    assert_eq!(lists(&a), lists(&b));
    assert_eq!(a.layout().checksum(), b.layout().checksum());
}

#[test]
fn the_dead_and_the_unready_keep_their_places_and_do_not_serve() {
    let mut list = members(4);
    change(&mut list, 2, |m| m.alive = false);
    change(&mut list, 3, |m| m.ready = false);
    let view_of_4 = view(4);
    let view = View::build(list, NodeId(1), 3);
    assert_eq!(lists(&view), lists(&view_of_4));
    for slot in slots() {
        let live = ids(&view, view.live(slot));
        let keeps = ids(&view, view.list(slot).iter().copied());
        assert_eq!(
            live,
            keeps.iter().copied().filter(|&id| id == 1 || id == 4).collect::<Vec<_>>()
        );
        assert_eq!(view.acting(slot), view.live(slot).next());
        // Who is not ready needs the effects in order to become so.
        let targets = ids(&view, view.effect_targets(slot));
        assert_eq!(targets, keeps.into_iter().filter(|&id| id > 2).collect::<Vec<_>>());
    }
}

#[test]
fn nobody_serves_when_all_who_keep_a_slot_are_gone() {
    let mut list = members(4);
    (2..=4).for_each(|id| change(&mut list, id, |m| m.alive = false));
    let view = View::build(list, NodeId(1), 3);
    let down = slots().filter(|&slot| view.acting(slot).is_none()).count();
    assert!(down > 2500, "{down}");
    let covered: usize = view.runs().iter().map(|run| usize::from(run.last - run.first) + 1).sum();
    assert_eq!(covered + down, SLOT_COUNT);
    assert!(view.runs().windows(2).all(|pair| pair[0].last < pair[1].first));
}

#[test]
fn joins_happen_one_at_a_time() {
    let mut list = members(3);
    list.push(Member { state: MemberState::Joining, since: 20, ..member(9) });
    list.push(Member { state: MemberState::Joining, since: 10, ..member(10) });
    let first = View::build(list.clone(), NodeId(1), 3);
    let subject =
        |view: &View| view.transition().map(|(index, _)| view.member(index).unwrap().id.0);
    assert_eq!(subject(&first), Some(10));
    let ten = first.find(NodeId(10)).unwrap().0;
    for slot in slots() {
        // The joiner gets the effects of what it will keep, and serves nothing by the view.
        assert_eq!(
            first.effect_targets(slot).any(|i| i == ten),
            first.next_list(slot).contains(&ten)
        );
        assert_ne!(first.acting(slot), Some(ten));
    }
    let next = lists_of_next(&first);
    change(&mut list, 10, |m| m.state = MemberState::Active);
    let second = first.successor(list.clone(), 3);
    assert_eq!(lists(&second), next);
    assert!(Arc::ptr_eq(&second.current.layout, &first.transition.as_ref().unwrap().next.layout));
    assert_eq!((subject(&second), second.version()), (Some(9), 2));
    // A joiner that died holds nobody up.
    change(&mut list, 9, |m| m.alive = false);
    assert_eq!(subject(&second.successor(list, 3)), None);
}

fn lists_of_next(view: &View) -> Vec<Vec<u64>> {
    slots().map(|slot| ids(view, view.next_list(slot).iter().copied())).collect()
}

#[test]
fn a_leave_undoes_the_join() {
    let mut list = members(4);
    change(&mut list, 4, |m| {
        m.state = MemberState::Leaving;
        m.since = 5;
    });
    let leaving = View::build(list.clone(), NodeId(1), 3);
    // Until it has left it serves as before.
    assert_eq!(lists(&leaving), lists(&view(4)));
    assert!(slots().any(|slot| leaving.acting(slot) == Some(leaving.find(NodeId(4)).unwrap().0)));
    assert_eq!(lists_of_next(&leaving), lists(&view(3)));
    change(&mut list, 4, |m| m.state = MemberState::Left);
    let left = leaving.successor(list, 3);
    assert_eq!(lists(&left), lists(&view(3)));
    assert!(left.transition().is_none());
}

/// Routes name members by index, and a worker may hold an older view than the one that a route was written for.
#[test]
fn indexes_stay_with_their_members() {
    let first = view(3);
    let index = |view: &View, id: u64| view.find(NodeId(id)).unwrap().0;
    let before = [1, 2, 3].map(|id| index(&first, id));
    let without_2 = vec![member(3), member(1), member(0)];
    let second = first.successor(without_2, 3);
    assert_eq!([1, 3].map(|id| index(&second, id)), [before[0], before[2]]);
    // The index of the one who went is not given to the one who came at the same time, but later to another.
    assert!(second.member(before[1]).is_none());
    assert_eq!(index(&second, 0), MemberIndex(3));
    let third = second.successor(vec![member(1), member(3), member(0), member(7)], 3);
    assert_eq!(index(&third, 7), before[1]);
    assert_eq!(index(&third, 0), MemberIndex(3));
    assert_eq!(
        lists(&third),
        lists(&View::build(vec![member(0), member(1), member(3), member(7)], NodeId(1), 3))
    );
}

#[test]
fn layouts_that_stay_are_not_computed_again() {
    let first = view(5);
    let mut list = members(5);
    change(&mut list, 3, |m| m.alive = false);
    let second = first.successor(list, 3);
    assert!(Arc::ptr_eq(&first.current.layout, &second.current.layout));
    let third = second.successor(members(5), 2);
    assert_eq!(third.layout().copies(), 2);
}

#[test]
fn before_anybody_is_placed_nobody_serves() {
    let alone = Member { state: MemberState::Joining, ready: false, ..member(1) };
    let view = View::build(vec![alone], NodeId(1), 3);
    let slot = Slot::new(0).unwrap();
    assert_eq!(
        (view.acting(slot), view.list(slot).len(), view.next_list(slot).len()),
        (None, 0, 1)
    );
    assert!(view.runs().is_empty() && view.is_mine(slot));
}
