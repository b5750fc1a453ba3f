//! Models of what stands on the latches: steps of several writes, and watched keys. The mock does what `store::owned` and `store::watch` do to words.
//!
//! | trap | what it breaks | fails in |
//! |---|---|---|
//! | `open_store` | what a step stores in a key does not stay latched | `a_step_of_several_writes_is_seen_whole` |
//! | `bit_alone` | EXEC looks at the watched key's bit and not at whether it was told of a change | `no_change_of_a_watched_key_goes_by` |
//! | `late_telling` | a writer changes a watched key first and tells of it afterwards | `no_change_of_a_watched_key_goes_by` |

use super::{LATCH, Mock, Probe, contents, get_unlatched, item_at, model, probe};
use crate::base::sync::AtomicU64;
use crate::store::index::word;
use crate::store::index::word::WATCHED;
use std::sync::{Arc, Mutex};

impl Mock {
    /// Stores a value in a key whose latch this thread holds, and goes on holding it.
    fn store_held(&mut self, root: &AtomicU64, key: u64, value: u64) {
        let latch = if cfg!(torc_trap = "open_store") { 0 } else { LATCH };
        let new = self.word(key, value) | latch;
        loop {
            let Probe::Hit(hit) = probe(root, key) else { panic!("a latched key vanished") };
            if hit.replace(self, new | hit.word & WATCHED).is_ok() {
                return;
            }
        }
    }

    fn unlatch(&mut self, root: &AtomicU64, key: u64) {
        loop {
            let Probe::Hit(hit) = probe(root, key) else { panic!("a latched key vanished") };
            if hit.replace(self, hit.word & !LATCH).is_ok() {
                return;
            }
        }
    }

    fn watch(&mut self, root: &AtomicU64, key: u64) {
        loop {
            match probe(root, key) {
                // For the model's end: the other watcher of a key that is held is told of nothing.
                Probe::Hit(hit) if hit.word & (LATCH | WATCHED) != 0 => return,
                Probe::Hit(hit) => {
                    if hit.replace(self, hit.word | WATCHED).is_ok() {
                        return;
                    }
                }
                Probe::Miss(_) => panic!("the key is never removed"),
            }
        }
    }

    /// INCR of a key that may be watched; gives up after a few attempts, so that the model ends. Whether it was done.
    fn increment_watched(&mut self, root: &AtomicU64, key: u64, lists: &Lists) -> bool {
        for _ in 0..3 {
            if let Probe::Hit(hit) = probe(root, key)
                && hit.word & LATCH == 0
            {
                let new = self.word(key, item_at(word::pointer(hit.word)).value + 1);
                if cfg!(torc_trap = "late_telling") {
                    if hit.replace(self, new).is_ok() {
                        lists.tell(root, key);
                        return true;
                    }
                } else if hit.word & WATCHED != 0 {
                    if hit.replace(self, hit.word & !WATCHED).is_ok() {
                        lists.tell(root, key);
                    }
                } else if hit.replace(self, new).is_ok() {
                    return true;
                }
            }
        }
        false
    }
}

/// Who watches the key, and whether he was told of a change. Under a lock of std's: nothing that loom knows happens while it is held.
#[derive(Default)]
struct Lists(Mutex<[(bool, bool); 2]>);

impl Lists {
    fn enter(&self, who: usize) {
        self.0.lock().unwrap()[who].0 = true;
    }

    fn tell(&self, root: &AtomicU64, key: u64) {
        // A look at the key, so that loom lets others come to it first: it does not know the lock.
        let _ = probe(root, key);
        for (listed, told) in self.0.lock().unwrap().iter_mut() {
            *told |= *listed;
            *listed = false;
        }
    }

    fn is_told(&self, who: usize) -> bool {
        self.0.lock().unwrap()[who].1
    }
}

#[test]
fn a_step_of_several_writes_is_seen_whole() {
    model(
        &[0, 1],
        || {
            vec![
                Box::new(|root, mut mock| {
                    mock.latch(root, 0);
                    mock.latch(root, 1);
                    mock.store_held(root, 0, 7);
                    mock.store_held(root, 1, 1);
                    mock.store_held(root, 0, 1);
                    mock.unlatch(root, 0);
                    mock.unlatch(root, 1);
                }),
                Box::new(|root, _| {
                    let first = get_unlatched(root, 0);
                    assert!(first < Some(7), "the middle of a step was seen");
                    assert!(get_unlatched(root, 1) >= first, "half of a step was seen");
                }),
            ]
        },
        |root| assert_eq!(contents(root), [(0, 1), (1, 1)]),
    );
}

/// Key 1 counts how often the watcher's step ran, key 2 what the writer did.
#[test]
fn no_change_of_a_watched_key_goes_by() {
    model(
        &[0, 1, 2],
        || {
            let shared = Arc::new(Lists::default());
            let (first, second, third) = (shared.clone(), shared.clone(), shared);
            vec![
                Box::new(move |root, mut mock| {
                    first.enter(0);
                    mock.watch(root, 0);
                    let before = get_unlatched(root, 0).expect("never removed");
                    mock.latch(root, 0);
                    let Probe::Hit(hit) = probe(root, 0) else { panic!("never removed") };
                    let told = !cfg!(torc_trap = "bit_alone") && first.is_told(0);
                    if hit.word & WATCHED != 0 && !told {
                        mock.store_held(root, 0, before + 1);
                        mock.increment(root, 1);
                    }
                    mock.unlatch(root, 0);
                }),
                Box::new(move |root, mut mock| {
                    if mock.increment_watched(root, 0, &second) {
                        mock.increment(root, 2);
                    }
                }),
                Box::new(move |root, mut mock| {
                    third.enter(1);
                    mock.watch(root, 0);
                }),
            ]
        },
        |root| {
            let all = contents(root);
            assert_eq!(all[0].1, all[1].1 + all[2].1, "a change was lost");
        },
    );
}
