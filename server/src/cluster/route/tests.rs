//! Verdicts in the words that go over the wire.

use super::*;
use crate::cluster::testing::{members, view};
use torc_protocol::command::resolve;
use torc_protocol::request::Span;

fn slot(index: u16) -> Slot {
    Slot::new(index).unwrap()
}

#[test]
fn words_hold_what_was_put_in() {
    let routes = Routes::default();
    let last = MemberIndex(MEMBER_COUNT_MAX as u16 - 1);
    for route in [
        Route::Serve,
        Route::Forward(MemberIndex(0)),
        Route::Forward(last),
        Route::Wait,
        Route::Down,
    ] {
        routes.set(slot(5), route);
        assert_eq!((routes.get(slot(5)), routes.is_readable(slot(5))), (route, false));
        routes.set_readable(slot(5), true);
        assert_eq!((routes.get(slot(5)), routes.is_readable(slot(5))), (route, true));
        routes.set(slot(5), Route::Down);
        assert!(routes.is_readable(slot(5)), "readable or not is no matter of the route");
        routes.set_readable(slot(5), false);
    }
    assert_eq!(routes.get(slot(4)), Route::Down);
}

/// The verdict on `command` where "foo" is served by member 2, "bar" by this node, "wait" by nobody for the moment and anything else by nobody.
fn check(port: Port, wants_copy: bool, scatters: bool, command: &str, expected: &str) {
    // By the view, too, member 2 serves "foo": it alone is ready.
    let mut members = members(3);
    members.iter_mut().for_each(|member| member.ready = member.id.0 == 2);
    let view = View::build(members, crate::cluster::NodeId(1), 3);
    let routes = Routes::default();
    let other = view.find(crate::cluster::NodeId(2)).unwrap().0;
    routes.set(slot_of(b"foo"), Route::Forward(other));
    routes.set_readable(slot_of(b"foo"), true);
    routes.set(slot_of(b"bar"), Route::Serve);
    routes.set(slot_of(b"wait"), Route::Wait);
    routes.set(slot_of(b"unknown"), Route::Forward(MemberIndex(77)));
    let (mut bytes, mut spans) = (Vec::new(), Vec::new());
    for word in command.split(' ') {
        spans.push(Span { start: bytes.len() as u32, len: word.len() as u32 });
        bytes.extend_from_slice(word.as_bytes());
    }
    let args = Args::new(&bytes, &spans);
    let spec = resolve(&args).unwrap();
    let ask = Ask::new(port, spec, KeySlots::of(spec, &args).unwrap(), wants_copy, scatters);
    let verdict = decide(&view, &routes, ask);
    let found = match verdict.error(&view, Transport::Plain) {
        Some(error) => String::from_utf8(error.line().into_owned()).unwrap(),
        None => match verdict {
            Verdict::Forward(index) => format!("forward to {}", view.member(index).unwrap().id.0),
            Verdict::Wait(slot) => format!("wait for {}", slot.index()),
            other => format!("{other:?}"),
        },
    };
    assert_eq!(found, expected, "{command} by {port:?}");
}

const CROSS_SLOT: &str = "CROSSSLOT Keys in request don't hash to the same slot";
const DOWN: &str = "CLUSTERDOWN Hash slot not served";

#[test]
fn the_plain_port_answers_for_any_node() {
    let plain = |command: &str, expected: &str| check(Port::Plain, false, false, command, expected);
    plain("GET foo", "forward to 2");
    plain("GET bar", "Local");
    plain("PING", "Local");
    plain("GET wait", &format!("wait for {}", slot_of(b"wait").index()));
    plain("GET unknown", &format!("wait for {}", slot_of(b"unknown").index()));
    plain("GET nobody", DOWN);
    plain("MSET {foo}a 1 {foo}b 2", "forward to 2");
    plain("RENAME foo bar", CROSS_SLOT);
    check(Port::Plain, false, true, "MGET foo bar", "Scatter");
    check(Port::Plain, true, false, "GET foo", "Local");
    check(Port::Plain, true, false, "SET foo x", "forward to 2");
}

#[test]
fn the_cluster_port_redirects_as_redis_does() {
    let cluster =
        |command: &str, expected: &str| check(Port::Cluster, false, true, command, expected);
    cluster("GET foo", "MOVED 12182 127.0.0.1:8002");
    cluster("GET bar", "Local");
    cluster("INFO", "Local");
    cluster("GET nobody", DOWN);
    cluster("MGET foo bar", CROSS_SLOT);
    cluster("MGET bar nobody", CROSS_SLOT);
    // The first key's slot is looked at before the second key.
    cluster("MGET nobody bar", DOWN);
    check(Port::Cluster, true, false, "GET foo", "Local");
    check(Port::Cluster, true, false, "GET bar", "Local");
    check(Port::Cluster, true, false, "SET foo x", "MOVED 12182 127.0.0.1:8002");
}

/// A joining node was sent clients by the one that had given it the baton, and sent them back to that one, by the view, until it served: clients gave up after a few rounds.
#[test]
fn a_baton_on_its_way_redirects_nobody() {
    let view = view(3);
    let slot = slot_of(b"foo");
    let routes = Routes::default();
    let args_bytes = b"GETfoo";
    let spans = [Span { start: 0, len: 3 }, Span { start: 3, len: 3 }];
    let args = Args::new(args_bytes, &spans);
    let spec = resolve(&args).unwrap();
    let verdict = |index| {
        routes.set(slot, Route::Forward(index));
        let slots = KeySlots::of(spec, &args).unwrap();
        decide(&view, &routes, Ask::new(Port::Cluster, spec, slots, false, false))
    };
    let acting = view.acting(slot).unwrap();
    for (index, _) in view.members().filter(|(index, _)| *index != view.me()) {
        let expected = match index == acting {
            true => Verdict::Moved(slot, index),
            false => Verdict::Forward(index),
        };
        assert_eq!(verdict(index), expected);
    }
}
