//! A reader and a writer that race: no value that was read stays unknown to be old. And news that there is no room for.

use super::*;
use crate::admin::clients::Endpoint;
use crate::admin::mailbox::Mailbox;
use crate::store::{Expiry, NewValue, StoreOptions};
use std::sync::Barrier;

const NOW: u64 = 1_700_000_000_000;
const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];

#[test]
fn whoever_read_an_old_value_is_told() {
    let rounds = if cfg!(debug_assertions) { 300 } else { 5_000 };
    let store = Store::new(StoreOptions { seed: 3, threads: 3, ..StoreOptions::default() });
    let (tracking, clients) = (Tracking::new(2), Clients::default());
    let mut local = store.local();
    assert!(!tracking.enter(&store, &mut local), "others may be in a batch");
    store.hold_everything(&mut local);
    assert!(tracking.enter(&store, &mut local));
    let guard = local.pin();
    store.release(&mut local, &guard, NOW);
    drop(guard);
    let together = Barrier::new(2);
    // Counted, for a panic here would leave the writer waiting.
    let mut missed = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut local = store.local();
            local.serve_awoken();
            for round in 1..rounds {
                together.wait();
                for key in KEYS {
                    let guard = local.pin();
                    let mut keyspace = store.keyspace(&mut local, &guard, 0, NOW);
                    keyspace.set(key, NewValue::Integer(round), Expiry::Never);
                    drop(guard);
                    let changes = local.take_changes();
                    tracking.settle(&clients, &mut Runner::nobody(0), changes, |_| true);
                }
                together.wait();
            }
        });
        for round in 1..rounds {
            together.wait();
            let seen = KEYS.map(|key| {
                let guard = local.pin();
                tracking.reads(key, 1);
                let entry = store.keyspace(&mut local, &guard, 0, NOW).read(key);
                entry.is_some_and(|entry| {
                    let text = entry.string().map(|it| it.bytes(&mut itoa::Buffer::new()).to_vec());
                    text.is_ok_and(|text| text == round.to_string().as_bytes())
                })
            });
            together.wait();
            for (key, is_new) in KEYS.into_iter().zip(seen) {
                let waits = tracking.table.take(key, None).is_some();
                missed += usize::from(!is_new && waits);
            }
        }
    });
    assert_eq!(missed, 0, "old values were read, and nobody is told");
}

#[test]
fn lost_news_are_made_good_where_they_would_have_been_heard() {
    let (tracking, clients) = (Tracking::new(2), Clients::default());
    let attached = [Mailbox::new(Box::new(|| {})).0, Mailbox::new(Box::new(|| {})).0];
    clients.mailboxes.attach(attached.into());
    let tracker = |worker, flags, redirect| {
        let client = clients.register(Endpoint::default(), worker, NOW);
        client.set_tracking(flags, redirect);
        client
    };
    let (none, here) = (tracker(0, 0, 0), tracker(0, flag::TRACKING, 0));
    let there = tracker(1, flag::TRACKING, 0);
    let prefixes = tracker(1, flag::TRACKING | flag::TRACKING_PREFIXES, none.id);
    let broken = tracker(0, flag::TRACKING, 99);
    // 70 MiB for the first worker, one key for the second.
    let mut large = vec![b'k'; 1 << 20];
    for number in 0..70 {
        large[0] = number;
        tracking.reads(&large, here.id);
        let changed = ChangedKey { key: large.as_slice().into(), by: By::Nobody };
        tracking.settle(&clients, &mut Runner::nobody(1), vec![changed], |_| true);
    }
    tracking.reads(b"k", there.id);
    let changed = ChangedKey { key: (*b"k").into(), by: By::Nobody };
    tracking.settle(&clients, &mut Runner::nobody(1), vec![changed], |_| true);
    let lost = clients.mailboxes.workers().iter().map(|it| it.take_feed().1.trackers);
    assert_eq!(lost.collect::<Vec<_>>(), [true, false]);
    let told = |worker| {
        let pushes = tracking.make_good(&clients, worker).into_iter();
        pushes.map(|push| (push.client, push.told)).collect::<Vec<_>>()
    };
    let all = |redirected| Told::Invalid { keys: push::all_keys(Protocol::Resp2), redirected };
    let is_broken = Told::Broken { redirect: 99 };
    let expected = [(here.id, all(false)), (none.id, all(true)), (broken.id, is_broken)];
    assert_eq!(told(0), expected);
    assert_eq!(told(1), [(there.id, all(false))]);
    assert!(broken.is_redirect_broken() && !prefixes.is_redirect_broken());
}

/// A part of a client's command that runs at its own node as a visitor finds a key past its deadline. The client may go by what it read before, NOLOOP or not.
#[test]
fn what_expires_under_a_visitor_is_told_to_its_client() {
    let (tracking, clients) = (Tracking::new(1), Clients::default());
    clients.mailboxes.attach([Mailbox::new(Box::new(|| {})).0].into());
    tracking.start(crate::cluster::NodeId(7));
    let client = clients.register(Endpoint::default(), 0, NOW);
    client.set_tracking(flag::TRACKING | flag::TRACKING_NOLOOP, 0);
    let author = tracking.author(client.id);
    for (by, is_told) in [(By::Nobody, true), (By::Runner, false)] {
        tracking.reads(b"k", client.id);
        let mut visitor = Runner { client: client.id + 1, author, ..Runner::nobody(0) };
        let changed = ChangedKey { key: (*b"k").into(), by };
        tracking.settle(&clients, &mut visitor, vec![changed], |_| true);
        let (fed, _) = clients.mailboxes.workers()[0].take_feed();
        assert_eq!(!fed.is_empty(), is_told, "{by:?}");
    }
}
