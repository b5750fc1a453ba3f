//! Which clients have read which keys since these last changed.
//!
//! Bounded by `tracking-table-max-keys`: whoever adds a key beyond that takes another one out, at random, whose readers are told as if it had changed.
//! A client that is gone, or tracks no more, stays in the lists until their keys change: it is found out when it is to be told.

use crate::base::rng::Rng;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use torc_protocol::slot::slot_of;

/// Keys are spread over so many locks.
const SHARDS: usize = 64;

type Key = Arc<[u8]>;

/// A key's readers, by id and in order.
pub type Readers = Vec<u64>;

#[derive(Debug)]
struct Entry {
    readers: Readers,
    /// Where `order` has the key.
    place: usize,
}

#[derive(Debug, Default)]
struct Shard {
    by_key: HashMap<Key, Entry>,
    /// All keys, in no order that means anything: one is drawn by its place.
    order: Vec<Key>,
}

impl Shard {
    fn take(&mut self, key: &[u8]) -> Option<Readers> {
        let Entry { readers, place } = self.by_key.remove(key)?;
        self.order.swap_remove(place);
        if let Some(moved) = self.order.get(place)
            && let Some(entry) = self.by_key.get_mut(moved)
        {
            entry.place = place;
        }
        Some(readers)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    keys: AtomicUsize,
    items: AtomicUsize,
}

impl Default for Table {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Table { shards, keys: AtomicUsize::new(0), items: AtomicUsize::new(0) }
    }
}

// The counts are relaxed: figures of their own, and a bound that a few keys more do not hurt.
impl Table {
    fn shard(&self, key: &[u8]) -> &Mutex<Shard> {
        &self.shards[slot_of(key).index() % SHARDS]
    }

    /// Notes that `client` reads `key`, before it does. Whether it was not noted already.
    pub fn add(&self, key: &[u8], client: u64) -> bool {
        let mut shard = self.shard(key).lock();
        let Shard { by_key, order } = &mut *shard;
        let readers = match by_key.get_mut(key) {
            Some(entry) => &mut entry.readers,
            None => {
                let key = Key::from(key);
                order.push(Key::clone(&key));
                self.keys.fetch_add(1, Ordering::Relaxed);
                let entry = Entry { readers: Readers::new(), place: order.len() - 1 };
                &mut by_key.entry(key).or_insert(entry).readers
            }
        };
        let Err(at) = readers.binary_search(&client) else { return false };
        readers.insert(at, client);
        self.items.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Takes a key out that was changed. Its readers, if it had any; of these `kept` goes on as one, without a moment in which it is none.
    pub fn take(&self, key: &[u8], kept: Option<u64>) -> Option<Readers> {
        let mut shard = self.shard(key).lock();
        if let Some(kept) = kept
            && let Some(entry) = shard.by_key.get_mut(key)
            && entry.readers.binary_search(&kept).is_ok()
        {
            let readers = std::mem::replace(&mut entry.readers, vec![kept]);
            self.items.fetch_sub(readers.len() - 1, Ordering::Relaxed);
            return Some(readers);
        }
        let readers = shard.take(key);
        drop(shard);
        self.count_out(readers.as_ref());
        readers
    }

    /// Takes out any key.
    pub fn take_any(&self, rng: &mut Rng) -> Option<(Key, Readers)> {
        let first = rng.bits() as usize;
        for index in 0..SHARDS {
            let mut shard = self.shards[first.wrapping_add(index) % SHARDS].lock();
            if shard.order.is_empty() {
                continue;
            }
            let place = rng.bits() as usize % shard.order.len();
            let key = Key::clone(&shard.order[place]);
            let readers = shard.take(&key);
            drop(shard);
            self.count_out(readers.as_ref());
            return readers.map(|readers| (key, readers));
        }
        None
    }

    /// Forgets all keys.
    pub fn clear(&self) {
        for shard in &self.shards {
            let Shard { by_key, .. } = std::mem::take(&mut *shard.lock());
            by_key.values().for_each(|entry| self.count_out(Some(&entry.readers)));
        }
    }

    fn count_out(&self, readers: Option<&Readers>) {
        if let Some(readers) = readers {
            self.keys.fetch_sub(1, Ordering::Relaxed);
            self.items.fetch_sub(readers.len(), Ordering::Relaxed);
        }
    }

    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// Sum of the numbers of readers of all keys.
    pub fn items(&self) -> usize {
        self.items.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_told_once_and_counted() {
        let table = Table::default();
        assert!(table.add(b"a", 2) && table.add(b"a", 1) && !table.add(b"a", 2));
        assert!(table.add(b"b", 2));
        assert_eq!((table.keys(), table.items()), (2, 3));
        assert_eq!(table.take(b"a", None), Some(vec![1, 2]));
        assert_eq!(table.take(b"a", None), None);
        assert_eq!((table.keys(), table.items()), (1, 1));
        // Who goes on as a reader does so whoever else has read it, and nobody who has not.
        assert!(table.add(b"b", 1) && table.add(b"b", 3));
        assert_eq!(table.take(b"b", Some(3)), Some(vec![1, 2, 3]));
        assert_eq!((table.keys(), table.items()), (1, 1));
        assert_eq!(table.take(b"b", Some(3)), Some(vec![3]));
        assert_eq!(table.take(b"b", Some(7)), Some(vec![3]));
        assert_eq!((table.keys(), table.items()), (0, 0));
        assert!(table.add(b"b", 2));
        table.clear();
        assert_eq!((table.keys(), table.items(), table.take(b"b", None)), (0, 0, None));
    }

    #[test]
    fn any_key_is_every_key_in_the_end() {
        let table = Table::default();
        let name = |n: u32| n.to_string().into_bytes();
        (0..1_000).for_each(|n| assert!(table.add(&name(n), 7)));
        (0..1_000).step_by(3).for_each(|n| assert!(table.take(&name(n), None).is_some()));
        let mut rng = Rng::seeded(1);
        let mut left = table.keys();
        while let Some((key, readers)) = table.take_any(&mut rng) {
            left -= 1;
            assert_eq!((table.keys(), readers), (left, vec![7]));
            assert_eq!(table.take(&key, None), None);
        }
        assert_eq!(left, 0);
    }
}
