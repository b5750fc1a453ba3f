//! Clients that want to hear of every change of keys with a prefix (BCAST), read by them or not.

use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Keys that were changed since they were last told, and who changed each last; 0 is nobody of whom NOLOOP could speak.
pub type ChangedSince = BTreeMap<Box<[u8]>, u64>;

/// See the module.
#[derive(Debug, Default)]
pub struct Prefixes {
    clients: RwLock<BTreeMap<Box<[u8]>, BTreeSet<u64>>>,
}

impl Prefixes {
    /// `client` wants to hear of keys that begin with `prefix`.
    pub fn add(&self, prefix: &[u8], client: u64) {
        self.clients.write().entry(prefix.into()).or_default().insert(client);
    }

    /// It does not any more.
    pub fn remove(&self, prefix: &[u8], client: u64) {
        let mut all = self.clients.write();
        if let Some(clients) = all.get_mut(prefix) {
            clients.remove(&client);
            if clients.is_empty() {
                all.remove(prefix);
            }
        }
    }

    /// Whether somebody wants to hear of `key`.
    pub fn concern(&self, key: &[u8]) -> bool {
        self.clients.read().keys().any(|prefix| key.starts_with(prefix))
    }

    /// Number of prefixes.
    pub fn count(&self) -> usize {
        self.clients.read().len()
    }

    /// Calls `each` for every prefix of which there are keys among the `changed`, with its clients and these keys, in order.
    pub fn for_each(
        &self,
        changed: &ChangedSince,
        mut each: impl FnMut(&BTreeSet<u64>, &[(&[u8], u64)]),
    ) {
        for (prefix, clients) in &*self.clients.read() {
            let keys: Vec<(&[u8], u64)> = changed
                .range::<[u8], _>((Bound::Included(&**prefix), Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, &by)| (&**key, by))
                .collect();
            if !keys.is_empty() {
                each(clients, &keys);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_gets_its_keys() {
        let prefixes = Prefixes::default();
        for (prefix, client) in [(&b"a"[..], 1), (b"ab", 2), (b"", 3), (b"z", 4), (b"ab", 5)] {
            prefixes.add(prefix, client);
        }
        prefixes.remove(b"ab", 5);
        prefixes.remove(b"", 3);
        assert_eq!(prefixes.count(), 3);
        assert!(prefixes.concern(b"abc") && prefixes.concern(b"a") && !prefixes.concern(b"b"));
        assert!(!prefixes.concern(b"_ab"), "a prefix stands at the beginning");
        let changed: ChangedSince = [(b"abc", 9), (b"aa_", 0), (b"b__", 9)]
            .into_iter()
            .map(|(key, by)| (key.as_slice().into(), by))
            .collect();
        let mut told = Vec::new();
        prefixes.for_each(&changed, |clients, keys| {
            let keys: Vec<_> = keys.iter().map(|(key, by)| (key.to_vec(), *by)).collect();
            told.push((clients.iter().copied().collect::<Vec<_>>(), keys));
        });
        let expected = [
            (vec![1], vec![(b"aa_".to_vec(), 0), (b"abc".to_vec(), 9)]),
            (vec![2], vec![(b"abc".to_vec(), 9)]),
        ];
        assert_eq!(told, expected);
    }
}
