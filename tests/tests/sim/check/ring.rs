//! All nodes see the same ring, all are ready, and one serves each slot.

use crate::world::World;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_server::cluster::route::Route;

pub fn check(world: &mut World) {
    let mut wrongs = Vec::new();
    let nodes = || world.seats.iter().filter_map(|seat| seat.node.as_ref());
    let mut sums = std::collections::BTreeSet::new();
    for node in nodes() {
        let view = node.view();
        sums.insert(view.layout().checksum());
        if let Some((subject, _)) = view.transition() {
            let subject = view.member(subject).map(|member| (member.id.0 - 1, member.state));
            wrongs.push(format!("ring: {} sees {subject:?} on the move", node.number));
        }
        for other in nodes() {
            match view.find(other.id) {
                Some((_, member)) if member.can_serve() && member.alive => {}
                it => {
                    let it = it.map(|(_, m)| (m.alive, m.ready, m.state));
                    wrongs.push(format!("ring: {} sees {} as {it:?}", node.number, other.number));
                }
            }
        }
        let unsettled = node.core.duties().unsettled();
        if unsettled > 0 {
            wrongs.push(format!("ring: {} has {unsettled} unsettled slots", node.number));
        }
    }
    if sums.len() > 1 {
        wrongs.push(format!("ring: {} layouts are in force", sums.len()));
    }
    let mut bad = 0;
    for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
        let servers = world.servers(slot);
        let named = |node: &crate::node::Node| match node.instance.cluster.routes().get(slot) {
            Route::Serve => Some(node.number),
            Route::Forward(index) => {
                node.view().member(index).map(|member| member.id.0 as usize - 1)
            }
            _ => None,
        };
        let names: Vec<_> = nodes().map(named).collect();
        let open = |it: &crate::node::Node| {
            let duties = it.core.duties();
            let listed = it.view().list(slot).contains(&it.view().me());
            listed && !duties.is_synced(slot)
        };
        if world.trace && (servers.len() != 1 || nodes().any(open)) {
            for node in nodes() {
                let duty = node.core.duties().describe(slot);
                let list: Vec<u64> = node
                    .view()
                    .list(slot)
                    .iter()
                    .filter_map(|&i| node.view().member(i).map(|m| m.id.0 - 1))
                    .collect();
                eprintln!("slot {} at {}, list {list:?}: {duty}", slot.index(), node.number);
            }
        }
        if servers.len() != 1 || names.iter().any(|&name| name != Some(servers[0])) {
            bad += 1;
            if bad <= 2 {
                wrongs.push(format!(
                    "ring: slot {} is served by {servers:?}, routes say {names:?}",
                    slot.index()
                ));
            }
        }
    }
    if bad > 2 {
        wrongs.push(format!("ring: {bad} slots are routed wrongly"));
    }
    wrongs.into_iter().for_each(|it| world.wrong(it));
}
