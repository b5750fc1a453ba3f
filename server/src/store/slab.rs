//! Memory for entries and mini-tables: size classes 8 bytes apart, pages of one class.
//!
//! A general allocator rounds the 88 bytes of a common entry to 96; over an index of 14 bytes a key that is the difference
//! between 103 and 111 bytes a key. [`Pages`] are given back as soon as they are empty. Threads keep
//! magazines of free blocks ([`Heap`]), so the shared lists ([`Slab`]) are locked once in dozens of operations; a block may be
//! freed by another thread than the one that allocated it.
//!
//! ```text
//! page: | header 64 B | block | block | … |      free blocks link through their first 4 bytes (offsets in the page)
//! ```
//!
//! Under AddressSanitizer (`--cfg torc_asan`) every block is its own system allocation, so that misuse is caught.

use super::pages::{PAGE_BYTES, Pages};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const HEADER_BYTES: usize = 64;
/// Classes are 8 bytes apart up to here,
const FINE_BYTES_MAX: usize = 512;
/// and 64 bytes apart up to here; larger blocks come from the global allocator.
const SLAB_BYTES_MAX: usize = 4096;
const FINE_CLASSES: usize = FINE_BYTES_MAX / 8;
const CLASS_COUNT: usize = FINE_CLASSES + (SLAB_BYTES_MAX - FINE_BYTES_MAX) / 64;
/// Alignment of blocks whose class is a multiple of 64, and of everything larger.
const ALIGN: usize = 64;
const NONE: u32 = u32::MAX;

/// The class whose blocks hold `bytes` (1 ..= SLAB_BYTES_MAX).
fn class_of(bytes: usize) -> usize {
    if bytes <= FINE_BYTES_MAX {
        bytes.div_ceil(8).max(1) - 1
    } else {
        FINE_CLASSES + (bytes - FINE_BYTES_MAX).div_ceil(64) - 1
    }
}

fn class_bytes(class: usize) -> usize {
    if class < FINE_CLASSES {
        (class + 1) * 8
    } else {
        FINE_BYTES_MAX + (class - FINE_CLASSES + 1) * 64
    }
}

/// Bytes that a block of `bytes` really takes, rounding included.
pub fn block_bytes(bytes: usize) -> usize {
    if bytes <= SLAB_BYTES_MAX {
        class_bytes(class_of(bytes))
    } else {
        // jemalloc's classes: four to a doubling.
        let step = (bytes.next_power_of_two() >> 3).max(ALIGN);
        bytes.div_ceil(step) * step
    }
}

fn large_layout(bytes: usize) -> Layout {
    // Entries and tables stay far below isize::MAX; a wrong size must not become a small allocation.
    Layout::from_size_align(bytes, ALIGN).expect("a block is smaller than the address space")
}

fn allocate_large(bytes: usize) -> *mut u8 {
    let layout = large_layout(bytes);
    // SAFETY: the layout's size is not 0.
    let block = unsafe { alloc(layout) };
    if block.is_null() {
        handle_alloc_error(layout)
    }
    block
}

/// A page's header, guarded by its class's lock.
#[repr(C)]
struct Page {
    class: u32,
    /// Offset of the first free block, or NONE.
    free: u32,
    /// Offset of the first block never handed out.
    fresh: u32,
    /// Blocks handed out. Atomic, since `is_stray` reads it without the lock.
    used: AtomicU32,
    prev: *mut Page,
    next: *mut Page,
}

/// Pages of one class that have a free block, as a doubly linked list.
struct Class {
    partial: *mut Page,
}

// SAFETY: the pages that `partial` reaches are owned by the Slab and touched only under the class's lock.
unsafe impl Send for Class {}

/// The shared lists of pages.
pub struct Slab {
    classes: Vec<Mutex<Class>>,
    /// The first page of each class's list, from which blocks are taken, for those who do not hold the lock.
    heads: Vec<AtomicPtr<Page>>,
    /// Where pages come from. Locked, if need be, by who holds a class's lock, and never the other way round.
    pages: Mutex<Pages>,
    /// Pages of all classes.
    page_count: AtomicUsize,
    /// Up to which size the store is expected to grow; see [`Pages::take`].
    bytes_expected: AtomicUsize,
}

impl std::fmt::Debug for Slab {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slab").finish_non_exhaustive()
    }
}

impl Slab {
    /// No pages yet.
    pub fn new() -> Arc<Self> {
        let classes = (0..CLASS_COUNT).map(|_| Mutex::new(Class { partial: std::ptr::null_mut() }));
        let heads = (0..CLASS_COUNT).map(|_| AtomicPtr::default());
        Arc::new(Slab {
            classes: classes.collect(),
            heads: heads.collect(),
            pages: Mutex::new(Pages::new()),
            page_count: AtomicUsize::new(0),
            bytes_expected: AtomicUsize::new(usize::MAX),
        })
    }

    /// Pages in use.
    pub fn page_count(&self) -> usize {
        // Relaxed: a statistic.
        self.page_count.load(Ordering::Relaxed)
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `count` blocks; returns how many pages had to be made for them.
    fn refill(&self, class: usize, into: &mut Vec<*mut u8>, count: usize) -> usize {
        let mut made = 0;
        let mut list = self.classes[class].lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            if list.partial.is_null() {
                // Relaxed: a hint.
                let bytes_expected = self.bytes_expected.load(Ordering::Relaxed);
                list.push(new_page(self.pages().take(bytes_expected), class));
                made += 1;
            }
            let page = list.partial;
            // SAFETY: pages on the list are live, and the lock makes this thread their only user.
            unsafe {
                into.push(take_block(page));
                if !has_room(page) {
                    list.unlink(page);
                }
            }
        }
        // Relaxed, both: a hint and a statistic.
        self.heads[class].store(list.partial, Ordering::Relaxed);
        self.page_count.fetch_add(made, Ordering::Relaxed);
        made
    }

    fn flush(&self, class: usize, blocks: impl Iterator<Item = *mut u8>) {
        let mut list = self.classes[class].lock().unwrap_or_else(PoisonError::into_inner);
        for block in blocks {
            let page = block.wrapping_sub(block.addr() % PAGE_BYTES).cast::<Page>();
            // SAFETY: the block came from `take_block` of this 64 KiB-aligned page and is unused; the lock is held.
            unsafe {
                let was_full = !has_room(page);
                put_block(page, block);
                if was_full {
                    list.push(page);
                }
                // The last partial page stays, or a lone block would map and unmap a page each time.
                let alone = list.partial == page && (*page).next.is_null();
                if used(page) == 0 && !alone {
                    list.unlink(page);
                    self.pages().give(page.cast());
                    // Relaxed: a statistic.
                    self.page_count.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
        // Relaxed: a hint.
        self.heads[class].store(list.partial, Ordering::Relaxed);
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let pages = self.pages.get_mut().unwrap_or_else(PoisonError::into_inner);
        for class in &mut self.classes {
            let list = class.get_mut().unwrap_or_else(PoisonError::into_inner);
            while !list.partial.is_null() {
                let page = list.partial;
                // SAFETY: every block was given back before the last owner of the Slab went, so that all pages are on their
                // lists; pages with blocks still out would leak rather than dangle.
                unsafe {
                    list.unlink(page);
                    if used(page) == 0 {
                        pages.give(page.cast());
                    }
                }
            }
        }
    }
}

impl Class {
    fn push(&mut self, page: *mut Page) {
        // SAFETY: the caller holds the lock; `page` is live and not on the list.
        unsafe {
            (*page).prev = std::ptr::null_mut();
            (*page).next = self.partial;
            if !self.partial.is_null() {
                (*self.partial).prev = page;
            }
        }
        self.partial = page;
    }

    /// # Safety
    /// `page` is on this list and the lock is held.
    unsafe fn unlink(&mut self, page: *mut Page) {
        // SAFETY: neighbours of a page on the list are live pages of the list.
        unsafe {
            let (prev, next) = ((*page).prev, (*page).next);
            if prev.is_null() {
                self.partial = next;
            } else {
                (*prev).next = next;
            }
            if !next.is_null() {
                (*next).prev = prev;
            }
        }
    }
}

/// Makes memory that [`Pages`] gave a page of a class.
fn new_page(memory: *mut u8, class: usize) -> *mut Page {
    let page = memory.cast::<Page>();
    let header = Page {
        class: class as u32,
        free: NONE,
        fresh: HEADER_BYTES as u32,
        used: AtomicU32::new(0),
        prev: std::ptr::null_mut(),
        next: std::ptr::null_mut(),
    };
    // SAFETY: nobody else's, aligned, and larger than the header.
    unsafe { page.write(header) };
    page
}

/// # Safety
/// `page` is live and its class's lock is held.
unsafe fn has_room(page: *mut Page) -> bool {
    // SAFETY: as the caller promises.
    let page = unsafe { &*page };
    page.free != NONE || page.fresh as usize + class_bytes(page.class as usize) <= PAGE_BYTES
}

/// Blocks handed out.
///
/// # Safety
/// `page` is live.
unsafe fn used(page: *mut Page) -> u32 {
    // SAFETY: as the caller promises. Relaxed: exact under the lock, a hint without it.
    unsafe { (*page).used.load(Ordering::Relaxed) }
}

/// # Safety
/// `page` is live and its class's lock is held.
unsafe fn count(page: *mut Page, by: i32) {
    // SAFETY: as the caller promises. Relaxed: only the lock's holder writes.
    unsafe { (*page).used.store(used(page).wrapping_add_signed(by), Ordering::Relaxed) };
}

/// # Safety
/// `page` is live and has room, and its class's lock is held.
unsafe fn take_block(page: *mut Page) -> *mut u8 {
    // SAFETY: as the caller promises; offsets stay within the page.
    unsafe {
        count(page, 1);
        if (*page).free != NONE {
            let block = page.cast::<u8>().add((*page).free as usize);
            (*page).free = block.cast::<u32>().read();
            return block;
        }
        let block = page.cast::<u8>().add((*page).fresh as usize);
        (*page).fresh += class_bytes((*page).class as usize) as u32;
        block
    }
}

/// # Safety
/// `block` was taken from `page` and nobody uses it any more; the class's lock is held.
unsafe fn put_block(page: *mut Page, block: *mut u8) {
    // SAFETY: as the caller promises; a block is 8-aligned and at least 8 bytes.
    unsafe {
        block.cast::<u32>().write((*page).free);
        (*page).free = (block.addr() % PAGE_BYTES) as u32;
        count(page, -1);
    }
}

/// One thread's magazines of free blocks.
pub struct Heap {
    slab: Arc<Slab>,
    /// The class whose magazine `trim` empties next.
    trim_class: usize,
    /// Pages made for this heap since `take_pages_made`.
    pages_made: usize,
    magazines: Vec<Vec<*mut u8>>,
}

// SAFETY: the blocks in a magazine belong to the heap alone and have no thread affinity.
unsafe impl Send for Heap {}

impl std::fmt::Debug for Heap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Heap").finish_non_exhaustive()
    }
}

/// Blocks that move between a magazine and the shared lists at once: about 4 KiB, 2 to 32 blocks.
fn batch(class: usize) -> usize {
    (4096 / class_bytes(class)).clamp(2, 32)
}

impl Heap {
    /// Empty magazines over `slab`.
    pub fn new(slab: Arc<Slab>) -> Self {
        Heap { slab, trim_class: 0, pages_made: 0, magazines: vec![Vec::new(); CLASS_COUNT] }
    }

    /// Pages that were made for this heap's blocks since the last call.
    #[inline]
    pub fn take_pages_made(&mut self) -> usize {
        std::mem::take(&mut self.pages_made)
    }

    /// Pages that exist, over all heaps.
    pub fn page_count(&self) -> usize {
        self.slab.page_count()
    }

    /// A block of at least `bytes` (not 0), 8-aligned; 64-aligned if `bytes` is a multiple of 64. Its content is arbitrary.
    #[inline]
    pub fn allocate(&mut self, bytes: usize) -> *mut u8 {
        if bytes > SLAB_BYTES_MAX || cfg!(torc_asan) {
            return allocate_large(bytes);
        }
        let class = class_of(bytes);
        if let Some(block) = self.magazines[class].pop() {
            return block;
        }
        self.refill(class)
    }

    #[cold]
    fn refill(&mut self, class: usize) -> *mut u8 {
        let magazine = &mut self.magazines[class];
        self.pages_made += self.slab.refill(class, magazine, batch(class));
        magazine.pop().expect("refill delivers at least one block")
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `block` came from a heap of the same slab, by `allocate(bytes)` with this `bytes`, and nobody uses it any more.
    #[inline]
    pub unsafe fn free(&mut self, block: *mut u8, bytes: usize) {
        if bytes > SLAB_BYTES_MAX || cfg!(torc_asan) {
            // SAFETY: allocated by `allocate_large` with this size.
            unsafe { dealloc(block, large_layout(bytes)) };
            return;
        }
        let class = class_of(bytes);
        let magazine = &mut self.magazines[class];
        magazine.push(block);
        if magazine.len() > 2 * batch(class) {
            let blocks = magazine.drain(..batch(class));
            self.slab.flush(class, blocks);
        }
    }

    /// Gives back the blocks of some magazines, in turn, and after each round what pages have that stayed free. A block in a magazine keeps its page, and after a change of sizes
    /// nobody asks for it again. `memory_max` is what the store may come to, 0 for no limit: well before it, growth is to find no more got ready than it needs.
    pub fn trim(&mut self, memory_max: u64) {
        /// With ten calls a second, every magazine once in 1.5 seconds.
        const CLASSES: usize = 8;
        let expected = if memory_max == 0 { usize::MAX } else { (memory_max / 4 * 3) as usize };
        // Relaxed: a hint.
        self.slab.bytes_expected.store(expected, Ordering::Relaxed);
        for _ in 0..CLASSES {
            let class = self.trim_class;
            self.trim_class = (class + 1) % CLASS_COUNT;
            if !self.magazines[class].is_empty() {
                self.slab.flush(class, self.magazines[class].drain(..));
            }
            if self.trim_class == 0 {
                self.slab.pages().purge();
            }
        }
    }

    /// Takes a block back that is one of few in its page: past the magazine, from which it would be handed out again.
    ///
    /// # Safety
    /// As for `free`.
    pub unsafe fn free_stray(&mut self, block: *mut u8, bytes: usize) {
        if self.is_stray(block, bytes) {
            self.slab.flush(class_of(bytes), std::iter::once(block));
        } else {
            // SAFETY: as the caller promises.
            unsafe { self.free(block, bytes) };
        }
    }

    /// Whether a block lies in a page that is less than half in use, and not the one from which the next blocks are taken.
    pub fn is_stray(&self, block: *mut u8, bytes: usize) -> bool {
        if bytes > SLAB_BYTES_MAX || cfg!(torc_asan) {
            return false;
        }
        let class = class_of(bytes);
        let page = block.wrapping_sub(block.addr() % PAGE_BYTES).cast::<Page>();
        let capacity = (PAGE_BYTES - HEADER_BYTES) / class_bytes(class);
        // Relaxed: a hint.
        let is_head = self.slab.heads[class].load(Ordering::Relaxed) == page;
        // SAFETY: the block is in use, so its page is live.
        !is_head && (unsafe { used(page) } as usize) < capacity / 2
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        for (class, magazine) in self.magazines.iter_mut().enumerate() {
            if !magazine.is_empty() {
                self.slab.flush(class, magazine.drain(..));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn classes_hold_their_sizes_and_waste_little() {
        for bytes in 1..=SLAB_BYTES_MAX {
            let class = class_of(bytes);
            assert!(class < CLASS_COUNT && class_bytes(class) >= bytes, "{bytes}");
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes} fits the class below");
        }
        assert_eq!(block_bytes(88), 88);
        assert!(block_bytes(5000) >= 5000);
    }

    #[test]
    fn no_growth_is_expected_near_the_limit() {
        let slab = Slab::new();
        let mut heap = Heap::new(slab.clone());
        for (memory_max, expected) in [(0, usize::MAX), (100 << 20, 75 << 20)] {
            heap.trim(memory_max);
            assert_eq!(slab.bytes_expected.load(Ordering::Relaxed), expected, "{memory_max}");
        }
    }

    #[test]
    fn blocks_are_distinct_aligned_and_reused_across_heaps() {
        let slab = Slab::new();
        let mut heaps = [Heap::new(slab.clone()), Heap::new(slab.clone())];
        let mut rng = Rng::seeded(7);
        let mut live: Vec<(*mut u8, usize, u8)> = Vec::new();
        for round in 0..20_000u32 {
            let heap = &mut heaps[rng.below(2) as usize];
            if rng.below(100) < 55 {
                let bytes = 1 + rng.below(6000) as usize;
                let block = heap.allocate(bytes);
                assert_eq!(block.addr() % 8, 0);
                assert!(!bytes.is_multiple_of(64) || block.addr().is_multiple_of(64));
                // SAFETY: the block has `bytes` bytes and is ours.
                unsafe { block.write_bytes(round as u8, bytes) };
                live.push((block, bytes, round as u8));
            } else if !live.is_empty() {
                let (block, bytes, mark) = live.swap_remove(rng.below(live.len() as u64) as usize);
                // SAFETY: written above and not shared; freed once.
                unsafe {
                    assert_eq!((*block, *block.add(bytes - 1)), (mark, mark));
                    heap.free(block, bytes);
                }
            }
        }
        for (block, bytes, _) in live {
            // SAFETY: as above.
            unsafe { heaps[0].free(block, bytes) };
        }
    }
}
