//! Up to where collections stay packed: the settings of Redis that say so, changeable while all threads run.

use super::entry::Kind;
use super::hash::element_hash;
use crate::types::collection::Limits;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// See the module's description.
#[derive(Debug)]
pub struct Shapes {
    hash_entries: AtomicU64,
    hash_value: AtomicU64,
    set_entries: AtomicU64,
    set_value: AtomicU64,
    set_integers: AtomicU64,
    zset_entries: AtomicU64,
    zset_value: AtomicU64,
    list_size: AtomicI64,
    stream_bytes: AtomicU64,
    stream_entries: AtomicU64,
}

impl Default for Shapes {
    fn default() -> Self {
        Shapes {
            hash_entries: AtomicU64::new(512),
            hash_value: AtomicU64::new(64),
            set_entries: AtomicU64::new(128),
            set_value: AtomicU64::new(64),
            set_integers: AtomicU64::new(512),
            zset_entries: AtomicU64::new(128),
            zset_value: AtomicU64::new(64),
            list_size: AtomicI64::new(-2),
            stream_bytes: AtomicU64::new(4096),
            stream_entries: AtomicU64::new(100),
        }
    }
}

// Relaxed throughout: each is read on its own, and a change may take a batch to be seen.
impl Shapes {
    /// Most fields of a packed hash, and the longest field or value.
    pub fn set_hash(&self, entries: u64, value_bytes: u64) {
        self.hash_entries.store(entries, Ordering::Relaxed);
        self.hash_value.store(value_bytes, Ordering::Relaxed);
    }

    /// Most members of a packed set, the longest of them, and most members of a set of integers.
    pub fn set_set(&self, entries: u64, value_bytes: u64, integers: u64) {
        self.set_entries.store(entries, Ordering::Relaxed);
        self.set_value.store(value_bytes, Ordering::Relaxed);
        self.set_integers.store(integers, Ordering::Relaxed);
    }

    /// Most members of a packed sorted set, and the longest of them.
    pub fn set_zset(&self, entries: u64, value_bytes: u64) {
        self.zset_entries.store(entries, Ordering::Relaxed);
        self.zset_value.store(value_bytes, Ordering::Relaxed);
    }

    /// Most elements of a packed list if positive, else one of Redis's sizes in bytes: -1 to -5 for 4 to 64 KiB.
    pub fn set_list(&self, size: i64) {
        self.list_size.store(size, Ordering::Relaxed);
    }

    /// Most bytes and most entries of a leaf of a stream; 0 for no limit.
    pub fn set_stream(&self, bytes: u64, entries: u64) {
        self.stream_bytes.store(bytes, Ordering::Relaxed);
        self.stream_entries.store(entries, Ordering::Relaxed);
    }

    /// Up to where a collection of type `kind` stays packed, or, of a stream, up to where its leaves grow.
    pub fn limits(&self, kind: Kind) -> Limits {
        let number = |setting: &AtomicU64| {
            usize::try_from(setting.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
        };
        let limits = |entries_max, element_bytes_max| Limits {
            entries_max,
            element_bytes_max,
            bytes_max: usize::MAX,
            integers_max: 0,
            hash: element_hash,
        };
        match kind {
            Kind::Hash => limits(number(&self.hash_entries), number(&self.hash_value)),
            Kind::Set => Limits {
                integers_max: number(&self.set_integers),
                ..limits(number(&self.set_entries), number(&self.set_value))
            },
            Kind::Zset => limits(number(&self.zset_entries), number(&self.zset_value)),
            Kind::Stream => {
                let limit = |setting| match number(setting) {
                    0 => usize::MAX,
                    limit => limit,
                };
                Limits {
                    bytes_max: limit(&self.stream_bytes),
                    ..limits(limit(&self.stream_entries), usize::MAX)
                }
            }
            Kind::List | Kind::String => match self.list_size.load(Ordering::Relaxed) {
                // 0 counts as 1, and what is below -5 as that, as in Redis.
                size @ 0.. => limits(size.max(1) as usize, usize::MAX),
                size => Limits {
                    bytes_max: 2048 << size.unsigned_abs().min(5),
                    ..limits(usize::MAX, usize::MAX)
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lists_size_counts_elements_or_names_a_class_of_bytes() {
        let shapes = Shapes::default();
        let all = usize::MAX;
        for (size, expected) in [
            (0, (1, all)),
            (1, (1, all)),
            (128, (128, all)),
            (-1, (all, 4 << 10)),
            (-2, (all, 8 << 10)),
            (-5, (all, 64 << 10)),
            (-6, (all, 64 << 10)),
            (i64::MIN, (all, 64 << 10)),
        ] {
            shapes.set_list(size);
            let limits = shapes.limits(Kind::List);
            assert_eq!((limits.entries_max, limits.bytes_max), expected, "{size}");
        }
    }
}
