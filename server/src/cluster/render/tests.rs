//! The replies byte for byte, in the formats that a Redis 7.0 with `cluster-enabled yes` gave.

use super::Transport::{Plain, Tls};
use super::*;
use crate::cluster::testing::{member, members, view};
use crate::cluster::{NodeId, View};

fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[test]
fn slots_of_one_node() {
    let view = view(1);
    let id = NodeId(1).text();
    let expected = |map: &str| {
        format!(
            "*1\\r\\n*3\\r\\n:0\\r\\n:16383\\r\\n*4\\r\\n$9\\r\\n127.0.0.1\\r\\n:8001\\r\\n$40\\r\\n{id}\\r\\n{map}0\\r\\n"
        )
    };
    assert_eq!(escaped(view.slots_reply(Protocol::Resp2, Plain)), expected("*"));
    assert_eq!(escaped(view.slots_reply(Protocol::Resp3, Plain)), expected("%"));
}

/// The entries of a RESP2 reply: first slot, last slot, names.
fn entries(reply: &[u8]) -> Vec<(u16, u16, Vec<String>)> {
    let text = String::from_utf8(reply.to_vec()).unwrap();
    let mut rest = text.split("\r\n").filter(|line| !line.starts_with('$'));
    let count: usize = rest.next().unwrap()[1..].parse().unwrap();
    let mut found = Vec::new();
    for _ in 0..count {
        let mut next = || rest.next().unwrap();
        let nodes = next()[1..].parse::<usize>().unwrap() - 2;
        let (first, last) = (next()[1..].parse().unwrap(), next()[1..].parse().unwrap());
        let names = (0..nodes).map(|_| [next(), next(), next(), next(), next()][3].to_string());
        found.push((first, last, names.collect()));
    }
    assert_eq!(rest.next(), Some(""));
    found
}

#[test]
fn slots_name_the_acting_primary_first() {
    let mut list = members(4);
    list[1].alive = false;
    let view = View::build(list, NodeId(1), 3);
    let reply = view.slots_reply(Protocol::Resp2, Plain);
    assert!(std::ptr::eq(reply, view.slots_reply(Protocol::Resp2, Plain)), "rendered once");
    let mut owners = vec![0; SLOT_COUNT];
    let mut alone = 0;
    for (first, last, names) in entries(reply) {
        for slot in first..=last {
            let live = view.live(Slot::new(slot).unwrap());
            let live: Vec<String> =
                live.map(|index| view.member(index).unwrap().id.text()).collect();
            assert!(names == live || (first == last && names == live[..1]), "{slot}: {names:?}");
            alone += usize::from(names.len() < live.len());
            owners[usize::from(slot)] += 1;
        }
    }
    assert!(owners.iter().all(|&count| count == 1));
    assert_eq!(alone, 6, "two slots of each of the three live nodes");
}

/// redis-py took all nodes but one for replicas, and counted keys on that one alone.
#[test]
fn slots_mention_each_node_as_a_primary_first_and_last() {
    for nodes in [2, 3, 5, 40, 300] {
        let entries = entries(view(nodes).slots_reply(Protocol::Resp2, Plain));
        for reversed in [false, true] {
            let mut seen = std::collections::BTreeSet::new();
            let mut check = |names: &[String]| {
                assert!(seen.contains(&names[0]) || names.len() == 1);
                let copies = names[1..].iter().filter(|&name| !seen.contains(name)).count();
                assert_eq!(copies, 0, "a copy is mentioned before it was a primary, {nodes} nodes");
                seen.insert(names[0].clone());
            };
            if reversed {
                entries.iter().rev().for_each(|(_, _, names)| check(names));
            } else {
                entries.iter().for_each(|(_, _, names)| check(names));
            }
            assert_eq!(seen.len() as u64, nodes);
        }
    }
}

#[test]
fn shards_of_one_node() {
    let id = NodeId(1).text();
    let expected = format!(
        "*1\\r\\n%2\\r\\n$5\\r\\nslots\\r\\n*2\\r\\n:0\\r\\n:16383\\r\\n$5\\r\\nnodes\\r\\n*1\\r\\n%7\\r\\n\
         $2\\r\\nid\\r\\n$40\\r\\n{id}\\r\\n$4\\r\\nport\\r\\n:8001\\r\\n$2\\r\\nip\\r\\n$9\\r\\n127.0.0.1\\r\\n\
         $8\\r\\nendpoint\\r\\n$9\\r\\n127.0.0.1\\r\\n$4\\r\\nrole\\r\\n$6\\r\\nmaster\\r\\n\
         $18\\r\\nreplication-offset\\r\\n:0\\r\\n$6\\r\\nhealth\\r\\n$6\\r\\nonline\\r\\n"
    );
    let view = view(1);
    assert_eq!(escaped(view.shards_reply(Protocol::Resp3)), expected);
    let resp2 = expected.replace("%2", "*4").replace("%7", "*14");
    assert_eq!(escaped(view.shards_reply(Protocol::Resp2)), resp2);
}

#[test]
fn nodes_line_by_line() {
    let mut list = members(3);
    list[2].alive = false;
    list[1].ready = false;
    list.push(Member { state: MemberState::Joining, ..member(4) });
    list.push(Member { state: MemberState::Left, ..member(5) });
    let view = View::build(list, NodeId(1), 3);
    let lines = [
        format!("{} 127.0.0.1:8001@9001 myself,master - 0 0 1 connected 0-16383", NodeId(1)),
        format!("{} 127.0.0.1:8002@9002 master - 0 0 2 connected", NodeId(2)),
        format!("{} 127.0.0.1:8003@9003 master,fail - 0 0 3 disconnected", NodeId(3)),
        format!("{} 127.0.0.1:8004@9004 master - 0 0 4 connected", NodeId(4)),
    ];
    assert_eq!(view.nodes_text(Plain), lines.map(|line| line + "\n").concat());
}

/// What redis-cli's check asks for: each slot at exactly one node, and the same lines from all of them.
#[test]
fn nodes_cover_every_slot_once_and_agree() {
    let mut texts: Vec<String> = Vec::new();
    for me in 1..=5 {
        let view = View::build(members(5), NodeId(me), 3);
        let mut owners = vec![0; SLOT_COUNT];
        for range in view.nodes_text(Plain).lines().flat_map(|line| line.split(' ').skip(8)) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (first.parse().unwrap()..=last.parse().unwrap())
                .for_each(|slot: usize| owners[slot] += 1);
        }
        assert!(owners.iter().all(|&count| count == 1));
        texts.push(view.nodes_text(Plain).replace("myself,", ""));
    }
    assert!(texts.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn info_counts_what_is_served() {
    let text = info(&view(3), BusCounts { sent: 5, received: 7 });
    assert_eq!(
        text,
        "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n\
         cluster_slots_fail:0\r\ncluster_known_nodes:3\r\ncluster_size:3\r\ncluster_current_epoch:3\r\n\
         cluster_my_epoch:1\r\ncluster_stats_messages_sent:5\r\ncluster_stats_messages_received:7\r\n\
         total_cluster_links_buffer_limit_exceeded:0\r\ntorc_cluster_members_moving:0\r\n"
    );
    let mut list = members(4);
    list[1..].iter_mut().for_each(|member| member.alive = false);
    let text = info(&View::build(list, NodeId(1), 3), BusCounts::default());
    assert!(text.starts_with("cluster_state:fail\r\ncluster_slots_assigned:16384\r\n"), "{text}");
    assert!(text.contains("cluster_size:1\r\n"));
}

#[test]
fn links_as_maps() {
    let link = Link {
        node: NodeId(2),
        outgoing: true,
        since: 9,
        is_writing: false,
        allocated_bytes: 64,
        used_bytes: 3,
    };
    let out = rendered(Protocol::Resp3, |reply| links(&[link], reply));
    assert_eq!(
        escaped(&out),
        format!(
            "*1\\r\\n%6\\r\\n$9\\r\\ndirection\\r\\n$2\\r\\nto\\r\\n$4\\r\\nnode\\r\\n$40\\r\\n{}\\r\\n$11\\r\\ncreate-time\\r\\n\
             :9\\r\\n$6\\r\\nevents\\r\\n$1\\r\\nr\\r\\n$21\\r\\nsend-buffer-allocated\\r\\n:64\\r\\n$16\\r\\nsend-buffer-used\\r\\n:3\\r\\n",
            NodeId(2)
        )
    );
}

/// Who came by TLS goes on by TLS: to the port for cluster clients, or to the one that forwards where there is no other.
#[test]
fn clients_by_tls_are_told_of_ports_with_tls() {
    let mut list = members(3);
    (list[0].tls_port, list[0].tls_cluster_port) = (6001, 9101);
    list[1].tls_port = 6002;
    (list[2].cluster_port, list[2].tls_cluster_port) = (0, 9103);
    let view = View::build(list, NodeId(1), 3);
    let ports = |transport| -> Vec<u16> {
        let lines = view.nodes_text(transport).lines();
        let port = |line: &str| line.split([':', '@']).nth(1)?.parse().ok();
        lines.map(|line| port(line).unwrap()).collect()
    };
    assert_eq!((ports(Plain), ports(Tls)), (vec![8001, 8002, 0], vec![9101, 6002, 9103]));
    for (transport, own, others) in [(Plain, 8001, [9101, 6001]), (Tls, 9101, [8001, 6001])] {
        let slots = escaped(view.slots_reply(Protocol::Resp2, transport));
        assert!(slots.contains(&format!(":{own}\\r\\n")), "{slots}");
        assert!(others.iter().all(|port| !slots.contains(&format!(":{port}\\r\\n"))), "{slots}");
    }
    // As in Redis 7.2, both kinds stand there, as far as there are any.
    let shards = escaped(view.shards_reply(Protocol::Resp3));
    let both = "%8\\r\\n$2\\r\\nid\\r\\n$40\\r\\n";
    assert_eq!(shards.matches(both).count(), 2, "{shards}");
    assert!(shards.contains("$4\\r\\nport\\r\\n:8001\\r\\n$8\\r\\ntls-port\\r\\n:9101\\r\\n"));
    assert!(shards.contains(&format!("{}\\r\\n$8\\r\\ntls-port\\r\\n:9103", NodeId(3).text())));
}
