//! The store against a map: any sequence of operations, on few keys of one slot and of many, must leave both with the same contents.
//!
//! `cargo +nightly fuzz run store` in `tests/fuzz`. Each operation takes four bytes; time only goes forward.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use torc_server::store::{
    Change, Entry, Expiry, Keyspace, NewValue, Share, Store, StoreOptions, WrongType,
};

type Model = HashMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

const SHARE: Share = Share { index: 0, of: 1 };

fn text(entry: Entry<'_>) -> Vec<u8> {
    entry.string().map(|text| text.bytes(&mut itoa::Buffer::new()).to_vec()).unwrap_or_default()
}

/// Keys of one slot if the top bit is set (so that its table grows, branches and shrinks), or of any.
fn key(byte: u8, more: u8) -> Vec<u8> {
    let number = u16::from(byte & 0x7f) << 3 | u16::from(more & 7);
    if byte & 0x80 != 0 { format!("{{t}}{number}").into_bytes() } else { format!("k{number}").into_bytes() }
}

/// Numbers, short text, text on both sides of the sizes at which the store changes form.
fn value(byte: u8) -> Vec<u8> {
    match byte % 5 {
        0 => byte.to_string().into_bytes(),
        1 => vec![byte; usize::from(byte)],
        2 => vec![byte; usize::from(byte) * 40],
        3 => format!("-{}", u64::from(byte) << 40).into_bytes(),
        _ => Vec::new(),
    }
}

fn operate(keyspace: &mut Keyspace<'_, '_>, model: &mut Model, now: u64, [op, a, b, c]: [u8; 4]) {
    let key = key(a, b);
    let live = model.get(&key).is_some_and(|(_, at)| at.is_none_or(|at| at > now));
    if !live {
        model.remove(&key);
    }
    let value = value(c);
    let at = now + 1 + u64::from(b);
    match op % 10 {
        0 | 1 => {
            let replaced = keyspace.set(&key, NewValue::Bytes(&value), Expiry::Never);
            assert_eq!(replaced, model.insert(key, (value, None)).is_some());
        }
        2 => {
            keyspace.set(&key, NewValue::Bytes(&value), Expiry::At(at));
            model.insert(key, (value, Some(at)));
        }
        3 => assert_eq!(keyspace.remove(&key), model.remove(&key).is_some()),
        4 => {
            let changed: Result<bool, ()> = keyspace.update(&key, |old| Ok((Change::Expire(Expiry::At(at)), old.is_some())));
            assert_eq!(changed, Ok(model.contains_key(&key)));
            if let Some(old) = model.get_mut(&key) {
                old.1 = Some(at);
            }
        }
        5 => {
            let len: Result<usize, WrongType> = keyspace.edit_string(&key, |edit| {
                edit.append(&value);
                Ok(edit.bytes().len())
            });
            if live || !value.is_empty() {
                let old = model.entry(key).or_default();
                old.0.extend_from_slice(&value);
                assert_eq!(len, Ok(old.0.len()));
            }
        }
        6 => {
            let other = self::key(c, b);
            let mut transaction = keyspace.transaction(&[&key, &other]);
            if let Some(entry) = transaction.read(&key) {
                transaction.put_entry(&other, entry, Expiry::Never);
                let moved = model.get(&key).cloned().unwrap_or_default();
                model.insert(other, (moved.0, None));
            }
            transaction.commit();
        }
        7 if op > 250 => {
            keyspace.flush();
            model.clear();
        }
        _ => {
            let found = keyspace.read(&key).map(|entry| (text(entry), entry.deadline()));
            assert_eq!(found.as_ref(), model.get(&key));
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let store = Store::new(StoreOptions { threads: 1, ..StoreOptions::default() });
    let mut local = store.local();
    let mut model = Model::new();
    let mut now = 1_700_000_000_000;
    for step in data.chunks_exact(4) {
        now += u64::from(step[1] & 1);
        {
            let guard = local.pin();
            let mut keyspace = store.keyspace(&mut local, &guard, 0, now);
            operate(&mut keyspace, &mut model, now, [step[0], step[1], step[2], step[3]]);
        }
        match step[0] {
            240..=244 => store.tidy(&mut local, SHARE),
            245..=249 => {
                let guard = local.pin();
                store.sweep(&mut local, &guard, now, SHARE, || step[2] & 1 == 0);
            }
            _ => {}
        }
    }
    model.retain(|_, (_, at)| at.is_none_or(|at| at > now));
    let mut seen = Model::new();
    let guard = local.pin();
    let mut keyspace = store.keyspace(&mut local, &guard, 0, now);
    let mut cursor = 0;
    loop {
        cursor = keyspace.scan(cursor, 7, |entry| {
            seen.insert(entry.key().to_vec(), (text(entry), entry.deadline()));
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen, model);
});
