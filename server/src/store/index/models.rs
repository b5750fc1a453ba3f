//! Models of the index, checked by loom over every interleaving of two or three threads (preemptions bounded to 3, with three threads to 2).
//!
//! Run: `RUSTFLAGS="--cfg torc_loom" cargo test --release -p torc-server --lib index::models`. Under this cfg a bucket has four words (two at home,
//! one and one in overflow lines), a table two buckets and a branch two children, so that a handful of keys reaches them all.
//!
//! Bugs can be put back to see the models fail, these six and those of `steps` and `store::gate`: add `--cfg torc_trap="NAME"` to RUSTFLAGS.
//!
//! | trap | what it breaks | fails in |
//! |---|---|---|
//! | `stale_ctrl` | a match does not load ctrl again: a claim that is taken back was returned | `a_key_once_seen_stays` |
//! | `free_undone` | a claim that is taken back is freed at once, though a reader may hold it | `a_key_once_seen_stays` |
//! | `late_swing` | a late helper stores the root instead of swinging it from the old table: removed keys come back, new ones go | `helpers_race_with_a_removal` |
//! | `unfrozen_copy` | words are copied without being frozen: a replace is lost | `no_replace_is_lost_to_a_rebuild` |
//! | `leak` | the loser of a rebuild keeps its copy | `helpers_with_overflow_leak_nothing` |
//! | `blind_witness` | a snapshot does not look at its words again: it shows half a transaction | `a_snapshot_shows_no_mixed_view` |
//!
//! Memory is a mock: lines and entries know whether they were freed, and say so when they are touched afterwards.

mod steps;

use super::table::Memory;
use super::word::{self, LATCH};
use super::{Insert, Probe};
use crate::base::sync::AtomicU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An allocation of lines, in loom's atomics.
#[repr(align(64))]
pub struct Lines {
    /// Eight a line.
    pub words: Vec<AtomicU64>,
    freed: AtomicBool,
}

/// An entry: what the index must not look into but its callers do.
#[repr(align(64))]
struct Item {
    key: u64,
    hash: u64,
    value: u64,
    freed: AtomicBool,
}

/// All that was ever allocated in one execution, freed when it ends.
#[derive(Default)]
struct World {
    lines: Mutex<Vec<(usize, bool)>>,
    items: Mutex<Vec<usize>>,
}

/// One thread's memory.
#[derive(Clone)]
struct Mock(Arc<World>);

fn lines_at<'a>(address: usize) -> &'a Lines {
    // SAFETY: made by `allocate_lines`, and freed only when its World is dropped.
    unsafe { &*std::ptr::with_exposed_provenance::<Lines>(address) }
}

fn item_at<'a>(address: u64) -> &'a Item {
    // SAFETY: made by `Mock::item`, and freed only when its World is dropped.
    let item = unsafe { &*std::ptr::with_exposed_provenance::<Item>(address as usize) };
    assert!(!item.freed.load(Ordering::Relaxed), "an entry was used after it was freed");
    item
}

impl Lines {
    /// The words, unless they were freed.
    pub fn checked(&self) -> &[AtomicU64] {
        assert!(!self.freed.load(Ordering::Relaxed), "a line was used after it was freed");
        &self.words
    }
}

impl Memory for Mock {
    fn allocate_lines(&mut self, lines: usize) -> *mut u8 {
        let words = (0..lines * 8).map(|_| AtomicU64::new(u64::MAX)).collect();
        let lines = Box::into_raw(Box::new(Lines { words, freed: AtomicBool::new(false) }));
        self.0.lines.lock().unwrap().push((lines.expose_provenance(), false));
        lines.cast()
    }

    fn free_lines(&mut self, address: *mut u8, _lines: usize) {
        assert!(
            !lines_at(address.addr()).freed.swap(true, Ordering::Relaxed),
            "a line was freed twice"
        );
    }

    fn retire_lines(&mut self, address: *mut u8, _lines: usize) {
        let mut all = self.0.lines.lock().unwrap();
        let line = all.iter_mut().find(|(known, _)| *known == address.addr()).expect("known");
        assert!(!std::mem::replace(&mut line.1, true), "a line was retired twice");
    }

    fn is_stray(&self, _address: *mut u8, _lines: usize) -> bool {
        false
    }

    fn hash_of(&self, pointer: u64) -> u64 {
        item_at(pointer).hash
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for &(address, _) in self.lines.get_mut().unwrap().iter() {
            // SAFETY: from Box::into_raw, dropped once.
            drop(unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut::<Lines>(address)) });
        }
        for &address in self.items.get_mut().unwrap().iter() {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(std::ptr::with_exposed_provenance_mut::<Item>(address)) });
        }
    }
}

/// Keys 0, 1, 2 … alternate between the halves of the hash space.
fn hash(key: u64) -> u64 {
    (key & 1) << 63 | (key >> 1 & 1) << 62 | key << 46
}

impl Mock {
    fn item(&self, key: u64, value: u64) -> u64 {
        let item = Item { key, hash: hash(key), value, freed: AtomicBool::new(false) };
        let address = Box::into_raw(Box::new(item)).expose_provenance();
        self.0.items.lock().unwrap().push(address);
        address as u64
    }

    fn word(&self, key: u64, value: u64) -> u64 {
        word::slot_word(self.item(key, value), hash(key), false)
    }

    /// What the store does with a claim that was taken back.
    fn discard(&self, new: u64) {
        if cfg!(torc_trap = "free_undone") {
            item_at(word::pointer(new)).freed.store(true, Ordering::Relaxed);
        }
    }

    /// SET; whether the key was absent.
    fn set(&mut self, root: &AtomicU64, key: u64, value: u64) -> bool {
        loop {
            let new = self.word(key, value);
            match probe(root, key) {
                Probe::Hit(hit) if hit.word & LATCH != 0 => loom::thread::yield_now(),
                Probe::Hit(hit) => {
                    if hit.replace(self, new).is_ok() {
                        return false;
                    }
                    loom::thread::yield_now();
                }
                Probe::Miss(vacancy) => match vacancy.insert(self, new) {
                    Insert::Done => return true,
                    _ => {
                        self.discard(new);
                        loom::thread::yield_now();
                    }
                },
            }
        }
    }

    /// DEL; whether the key was there.
    fn remove(&mut self, root: &AtomicU64, key: u64) -> bool {
        loop {
            match probe(root, key) {
                Probe::Hit(hit) if hit.word & LATCH != 0 => loom::thread::yield_now(),
                Probe::Hit(hit) => {
                    if hit.remove(self).is_ok() {
                        return true;
                    }
                    loom::thread::yield_now();
                }
                Probe::Miss(_) => return false,
            }
        }
    }

    /// INCR.
    fn increment(&mut self, root: &AtomicU64, key: u64) {
        loop {
            if let Probe::Hit(hit) = probe(root, key) {
                let value = item_at(word::pointer(hit.word)).value;
                let new = self.word(key, value + 1);
                if hit.replace(self, new).is_ok() {
                    return;
                }
            }
            loom::thread::yield_now();
        }
    }

    /// Takes the key's latch; returns its value.
    fn latch(&mut self, root: &AtomicU64, key: u64) -> u64 {
        loop {
            match probe(root, key) {
                Probe::Hit(hit) if hit.word & LATCH == 0 => {
                    if hit.replace(self, hit.word | LATCH).is_ok() {
                        return item_at(word::pointer(hit.word)).value;
                    }
                }
                _ => loom::thread::yield_now(),
            }
        }
    }

    /// Stores a value in a key whose latch this thread holds, and releases it.
    fn release(&mut self, root: &AtomicU64, key: u64, value: u64) {
        let new = self.word(key, value);
        loop {
            let Probe::Hit(hit) = probe(root, key) else { panic!("a latched key vanished") };
            assert!(hit.word & LATCH != 0, "a latch was lost");
            if hit.replace(self, new).is_ok() {
                return;
            }
        }
    }
}

fn probe(root: &AtomicU64, key: u64) -> Probe<'_> {
    super::probe(root, hash(key), |pointer| item_at(pointer).key == key)
}

fn get(root: &AtomicU64, key: u64) -> Option<u64> {
    match probe(root, key) {
        Probe::Hit(hit) => Some(item_at(word::pointer(hit.word)).value),
        Probe::Miss(_) => None,
    }
}

/// GET as the store does it: waits for a transaction.
fn get_unlatched(root: &AtomicU64, key: u64) -> Option<u64> {
    loop {
        match probe(root, key) {
            Probe::Hit(hit) if hit.word & LATCH != 0 => loom::thread::yield_now(),
            Probe::Hit(hit) => return Some(item_at(word::pointer(hit.word)).value),
            Probe::Miss(_) => return None,
        }
    }
}

/// Every key and value, each key once.
fn contents(root: &AtomicU64) -> Vec<(u64, u64)> {
    let mut all = Vec::new();
    let mut from = Some(0);
    while let Some(position) = from {
        from = super::visit_bucket(root, position, |hit| {
            let item = item_at(word::pointer(hit.word));
            all.push((item.key, item.value));
        });
    }
    all.sort_unstable();
    all
}

fn ignore(_: bool) {}

type Work = Box<dyn FnOnce(&AtomicU64, Mock) + Send>;

/// Runs `threads` at once, from a root that holds `keys` with value 0, in every order; then `check`s the contents. Every line must be
/// reachable, retired or freed at the end.
fn model(keys: &'static [u64], threads: fn() -> Vec<Work>, check: fn(&AtomicU64)) {
    let mut builder = loom::model::Builder::new();
    // Three threads at bound 3 take minutes.
    builder.preemption_bound = Some(if threads().len() > 2 { 2 } else { 3 });
    builder.max_branches = 20_000;
    builder.check(move || {
        let mut mock = Mock(Arc::new(World::default()));
        let root = loom::sync::Arc::new(AtomicU64::new(0));
        for &key in keys {
            mock.set(&root, key, 0);
        }
        let handles: Vec<_> = threads()
            .into_iter()
            .map(|work| {
                let (root, mock) = (root.clone(), mock.clone());
                loom::thread::spawn(move || work(&root, mock))
            })
            .collect();
        for handle in handles {
            handle.join().expect("a model's thread panicked");
        }
        check(&root);
        let mut reachable = Vec::new();
        let word = root.load(Ordering::Relaxed);
        super::for_each_table(word, &mut |address, _| reachable.push(address.addr()));
        for &(address, retired) in mock.0.lines.lock().unwrap().iter() {
            let freed = lines_at(address).freed.load(Ordering::Relaxed);
            let states = [reachable.contains(&address), retired, freed];
            assert_eq!(
                states.iter().filter(|&&is| is).count(),
                1,
                "reachable, retired, freed: {states:?}"
            );
        }
    });
}

#[test]
fn two_inserts_of_one_key_make_one() {
    model(
        &[],
        || {
            vec![
                Box::new(|root, mut mock| ignore(mock.set(root, 0, 1))),
                Box::new(|root, mut mock| ignore(mock.set(root, 0, 2))),
            ]
        },
        |root| assert_eq!(contents(root).len(), 1),
    );
}

#[test]
fn a_key_once_seen_stays() {
    model(
        &[0],
        || {
            vec![
                Box::new(|root, mut mock| {
                    assert!(mock.remove(root, 0));
                    mock.set(root, 4, 1);
                }),
                Box::new(|root, mut mock| ignore(mock.set(root, 8, 1))),
                Box::new(|root, _| {
                    let first = get(root, 8);
                    assert!(
                        first.is_none() || get(root, 8).is_some(),
                        "a key was seen and then not"
                    );
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(4, 1), (8, 1)]),
    );
}

#[test]
fn an_insert_into_a_word_that_is_being_freed() {
    model(
        &[0, 4],
        || {
            vec![
                Box::new(|root, mut mock| assert!(mock.remove(root, 0))),
                Box::new(|root, mut mock| {
                    mock.set(root, 8, 1);
                    assert!(mock.remove(root, 4));
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(8, 1)]),
    );
}

#[test]
fn helpers_race_with_a_removal() {
    model(
        &[0, 1, 2],
        || {
            vec![
                Box::new(|root, mut mock| ignore(mock.set(root, 3, 1))),
                Box::new(|root, mut mock| {
                    mock.set(root, 5, 1);
                    assert!(mock.remove(root, 0));
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(1, 0), (2, 0), (3, 1), (5, 1)]),
    );
}

#[test]
fn helpers_with_overflow_leak_nothing() {
    model(
        &[0, 1, 4],
        || {
            vec![
                Box::new(|root, mut mock| ignore(mock.set(root, 8, 1))),
                Box::new(|root, mut mock| ignore(mock.set(root, 12, 1))),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 0), (1, 0), (4, 0), (8, 1), (12, 1)]),
    );
}

#[test]
fn a_full_table_becomes_a_branch() {
    model(
        &[0, 1, 2, 3, 4, 5, 6],
        || {
            vec![
                Box::new(|root, mut mock| ignore(mock.set(root, 8, 1))),
                Box::new(|root, mut mock| ignore(mock.set(root, 0, 1))),
            ]
        },
        |root| {
            assert_eq!(
                contents(root),
                [(0, 1), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (8, 1)]
            );
        },
    );
}

#[test]
fn no_replace_is_lost_to_a_rebuild() {
    model(
        &[0, 1, 2],
        || {
            vec![
                Box::new(|root, mut mock| assert!(!mock.set(root, 0, 7))),
                Box::new(|root, mut mock| ignore(mock.set(root, 3, 1))),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 7), (1, 0), (2, 0), (3, 1)]),
    );
}

#[test]
fn a_set_survives_the_expiry_of_what_it_replaced() {
    model(
        &[0],
        || {
            vec![
                Box::new(|root, mut mock| {
                    // The sweep removes the very entry that it found expired, or nothing.
                    if let Probe::Hit(hit) = probe(root, 0)
                        && item_at(word::pointer(hit.word)).value == 0
                    {
                        let _ = hit.remove(&mut mock);
                    }
                }),
                Box::new(|root, mut mock| ignore(mock.set(root, 0, 9))),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 9)]),
    );
}

#[test]
fn increments_add_up_across_a_rebuild() {
    model(
        &[0, 1, 2],
        || {
            vec![
                Box::new(|root, mut mock| mock.increment(root, 0)),
                Box::new(|root, mut mock| mock.increment(root, 0)),
                Box::new(|root, mut mock| ignore(mock.set(root, 3, 1))),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 2), (1, 0), (2, 0), (3, 1)]),
    );
}

#[test]
fn a_latch_holds_through_a_rebuild() {
    model(
        &[0, 1, 2],
        || {
            vec![
                Box::new(|root, mut mock| {
                    let value = mock.latch(root, 0);
                    mock.release(root, 0, value + 1);
                }),
                Box::new(|root, mut mock| ignore(mock.set(root, 3, 1))),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 1), (1, 0), (2, 0), (3, 1)]),
    );
}

#[test]
fn transactions_show_no_mixed_view() {
    model(
        &[0, 1],
        || {
            vec![
                Box::new(|root, mut mock| {
                    let (a, b) = (mock.latch(root, 0), mock.latch(root, 1));
                    assert_eq!(a, b, "a transaction saw half of another");
                    mock.release(root, 0, a + 1);
                    mock.release(root, 1, b + 1);
                }),
                Box::new(|root, _| {
                    // In the order of release: the second may be newer than the first, never older.
                    let first = get_unlatched(root, 0);
                    assert!(
                        get_unlatched(root, 1) >= first,
                        "a committed transaction was seen by half"
                    );
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 1), (1, 1)]),
    );
}

#[test]
fn two_transactions_on_the_same_keys_do_not_lock_up() {
    model(
        &[0, 1],
        || {
            let work = || -> Work {
                Box::new(|root, mut mock| {
                    let (a, b) = (mock.latch(root, 0), mock.latch(root, 1));
                    assert_eq!(a, b, "a transaction saw half of another");
                    mock.release(root, 0, a + 1);
                    mock.release(root, 1, b + 1);
                })
            };
            vec![work(), work()]
        },
        |root| assert_eq!(contents(root), [(0, 2), (1, 2)]),
    );
}

/// Looks both keys up and, once no transaction holds them, at their words again.
fn snapshot(root: &AtomicU64) -> Option<(u64, u64)> {
    let (Probe::Hit(first), Probe::Hit(second)) = (probe(root, 0), probe(root, 1)) else {
        panic!("the keys are never removed")
    };
    let (a, b) = (first.witness()?, second.witness()?);
    let values =
        (item_at(word::pointer(first.word)).value, item_at(word::pointer(second.word)).value);
    (a.holds() && b.holds()).then_some(values)
}

#[test]
fn a_snapshot_shows_no_mixed_view() {
    model(
        &[0, 1],
        || {
            vec![
                Box::new(|root, mut mock| {
                    let (a, b) = (mock.latch(root, 0), mock.latch(root, 1));
                    mock.release(root, 0, a + 1);
                    mock.release(root, 1, b + 1);
                }),
                Box::new(|root, _| {
                    if let Some((a, b)) = snapshot(root) {
                        assert_eq!(a, b, "a snapshot saw half of a transaction");
                    }
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 1), (1, 1)]),
    );
}

#[test]
fn a_snapshot_is_whole_across_a_rebuild() {
    model(
        &[0, 1, 2],
        || {
            vec![
                Box::new(|root, mut mock| {
                    let (a, b) = (mock.latch(root, 0), mock.latch(root, 1));
                    // The table is replaced while the latches hold.
                    assert!(mock.set(root, 3, 1));
                    mock.release(root, 1, b + 1);
                    mock.release(root, 0, a + 1);
                }),
                Box::new(|root, _| {
                    if let Some((a, b)) = snapshot(root) {
                        assert_eq!(a, b, "a snapshot saw half of a transaction");
                    }
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 1), (1, 1), (2, 0), (3, 1)]),
    );
}

/// That a key is absent is proven by its bucket's ctrl, which a placeholder changes.
#[test]
fn a_snapshot_sees_an_absent_key_come_to_be_with_the_other() {
    model(
        &[0],
        || {
            vec![
                Box::new(|root, mut mock| {
                    let value = mock.latch(root, 0);
                    assert!(mock.set(root, 1, 1), "absent until now");
                    mock.release(root, 0, value + 1);
                }),
                Box::new(|root, _| {
                    let (is_there, second) = match probe(root, 1) {
                        Probe::Hit(hit) => (true, hit.witness()),
                        Probe::Miss(vacancy) => (false, vacancy.witness()),
                    };
                    let Probe::Hit(first) = probe(root, 0) else { panic!("never removed") };
                    let (Some(a), Some(b)) = (first.witness(), second) else { return };
                    let is_new = item_at(word::pointer(first.word)).value == 1;
                    if a.holds() && b.holds() {
                        assert!(is_there || !is_new, "the first key was seen without the second");
                    }
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 1), (1, 1)]),
    );
}
