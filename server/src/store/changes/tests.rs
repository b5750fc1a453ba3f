//! Each way to change a key is taken down, and nothing else is.

use super::*;
use crate::base::version::Version;
use crate::store::{
    Amended, Change, Collection, Edit, Expiry, Keyspace, Kind, NewValue, Share, Spliced,
    StoreOptions, WrongType,
};
use crate::types::collection::{Set, Stamp};

const NOW: u64 = 1_700_000_000_000;

/// A store that tells, and a thread that tells itself.
fn store() -> (Store, Local) {
    let store = Store::new(StoreOptions { seed: 8, threads: 2, ..StoreOptions::default() });
    let mut local = store.local();
    local.serve_awoken();
    store.hold_everything(&mut local);
    store.tell_changes(&mut local);
    let guard = local.pin();
    store.release(&mut local, &guard, NOW);
    drop(guard);
    (store, local)
}

/// What `work` changes, as text.
fn told(
    store: &Store,
    local: &mut Local,
    now: u64,
    work: impl FnOnce(&mut Keyspace<'_, '_>),
) -> String {
    let guard = local.pin();
    work(&mut store.keyspace(local, &guard, 0, now));
    drop(guard);
    let told = local.take_changes().into_iter().map(|ChangedKey { key, by }| {
        let key = String::from_utf8_lossy(&key).into_owned();
        if by == By::Nobody { format!("{key}!") } else { key }
    });
    told.collect::<Vec<_>>().join(" ")
}

fn add(keyspace: &mut Keyspace<'_, '_>, key: &[u8], members: std::ops::Range<u32>) {
    let added = keyspace.edit(key, |set: &mut Edit<'_, Set>| {
        members.clone().for_each(|n| {
            set.add(format!("member{n}").as_bytes());
        });
        Ok::<_, WrongType>(())
    });
    added.unwrap();
}

#[test]
fn writes_are_told_and_reads_are_not() {
    let (store, mut local) = store();
    let mut check = |now, expected: &str, work: &dyn Fn(&mut Keyspace<'_, '_>)| {
        assert_eq!(told(&store, &mut local, now, work), expected);
    };
    let value = NewValue::Integer(1);
    let set = |ks: &mut Keyspace<'_, '_>, key: &[u8], expiry| {
        ks.set(key, NewValue::Integer(1), expiry);
    };
    check(NOW, "a", &|ks| set(ks, b"a", Expiry::Never));
    check(NOW, "a", &|ks| set(ks, b"a", Expiry::Never));
    check(NOW, "", &|ks| assert!(ks.read(b"a").is_some() && ks.read(b"b").is_none()));
    let change = |ks: &mut Keyspace<'_, '_>, key: &[u8], change: fn() -> Change<'static>| {
        let done: Result<(), ()> = ks.update(key, |_| Ok((change(), ())));
        done.unwrap();
    };
    check(NOW, "", &|ks| change(ks, b"a", || Change::Keep));
    check(NOW, "a", &|ks| change(ks, b"a", || Change::Add { sum: 2, by: 1 }));
    check(NOW, "a", &|ks| change(ks, b"a", || Change::Expire(Expiry::At(NOW + 10))));
    check(NOW, "a", &|ks| change(ks, b"a", || Change::Delete));
    check(NOW, "", &|ks| assert!(!ks.remove(b"a")));
    // What is edited where it lies.
    check(NOW, "s", &|ks| add(ks, b"s", 0..2_000));
    check(NOW, "s", &|ks| add(ks, b"s", 2_000..2_001));
    check(NOW, "", &|ks| add(ks, b"s", 0..2_000));
    let append = |ks: &mut Keyspace<'_, '_>, bytes: &[u8]| {
        let done: Result<(), WrongType> = ks.edit_string(b"t", |edit| {
            edit.append(bytes);
            Ok(())
        });
        done.unwrap();
    };
    check(NOW, "t", &|ks| append(ks, &[b'x'; 10_000]));
    check(NOW, "t", &|ks| append(ks, b"y"));
    // Several keys, of which one is only looked at.
    check(NOW, "b t", &|ks| {
        let mut transaction = ks.transaction(&[b"b", b"s", b"t"]);
        transaction.put(b"b", value, Expiry::Never);
        transaction.delete(b"t");
        transaction.commit();
    });
    // Whose time has come: found by a read, or by a write that takes its place.
    check(NOW, "p", &|ks| set(ks, b"p", Expiry::At(NOW + 5)));
    check(NOW + 5, "p!", &|ks| assert!(ks.read(b"p").is_none()));
    check(NOW, "p", &|ks| set(ks, b"p", Expiry::At(NOW + 5)));
    check(NOW + 5, "p", &|ks| set(ks, b"p", Expiry::Never));
    // Or held by a step that does nothing with it.
    check(NOW, "q", &|ks| set(ks, b"q", Expiry::At(NOW + 5)));
    check(NOW + 5, "q!", &|ks| ks.transaction(&[b"q"]).commit());
}

#[test]
fn what_other_nodes_change_is_told() {
    let (store, mut local) = store();
    let limits = store.shapes().limits(Kind::Set);
    let grow = |ks: &mut Keyspace<'_, '_>, members: std::ops::Range<u32>| {
        let done = ks.amend(b"s", Kind::Set, Version::ZERO, |value| {
            let Collection::Set(set) = value else { unreachable!("it is a set") };
            for n in members.clone() {
                set.insert(format!("member{n}").as_bytes(), Stamp::NONE, &limits);
            }
        });
        assert_eq!(done, Amended::Done);
    };
    let mut check = |expected: &str, work: &dyn Fn(&mut Keyspace<'_, '_>)| {
        assert_eq!(told(&store, &mut local, NOW, work), expected);
    };
    check("s", &|ks| grow(ks, 0..2_000));
    check("s", &|ks| grow(ks, 2_000..2_001));
    let append = |ks: &mut Keyspace<'_, '_>| {
        let done: Result<(), WrongType> = ks.edit_string(b"t", |edit| {
            edit.append(&[b'x'; 10_000]);
            Ok(())
        });
        done.unwrap();
    };
    check("t", &append);
    let splice = |ks: &mut Keyspace<'_, '_>| {
        let base = store.origin_version();
        let done = ks.splice(b"t", base, base, 10_000, (5, b"yy"));
        assert_eq!(done, Spliced::Done);
    };
    check("t", &splice);
}

#[test]
fn what_is_swept_is_told() {
    let (store, mut local) = store();
    let set = |ks: &mut Keyspace<'_, '_>| {
        ks.set(b"a", NewValue::Integer(1), Expiry::At(NOW + 5));
    };
    assert_eq!(told(&store, &mut local, NOW, set), "a");
    let guard = local.pin();
    while store.sweep(&mut local, &guard, NOW + 5, Share { index: 0, of: 1 }, || true) {}
    drop(guard);
    assert_eq!(told(&store, &mut local, NOW, |_| {}), "a!");
}

#[test]
fn what_tells_nobody_leaves_it_to_others() {
    let (store, mut local) = store();
    let mut other = store.local();
    assert_eq!(told(&store, &mut other, NOW, |ks| add(ks, b"s", 0..1)), "");
    assert!(store.has_foreign_changes());
    let foreign = store.take_foreign_changes();
    assert_eq!(foreign.iter().map(|change| &*change.key).collect::<Vec<_>>(), [b"s"]);
    assert!(!store.has_foreign_changes());
    store.keep_changes();
    assert_eq!(told(&store, &mut local, NOW, |ks| add(ks, b"s", 0..9)), "", "nobody asks");
}
