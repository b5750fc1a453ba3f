//! Pages of 64 KiB for the slab, cut from chunks of 2 MiB that a processor can map as one.
//!
//! Keys lie anywhere. With the kernel's pages of 4 KiB nearly every look-up misses the TLB, and a prefetch waits for the walk through the page tables as a load does. So
//! the kernel is asked for huge pages, which fault in whole: not for the first chunks, beside which one that has just been begun would be much, nor at first for the last that a limit leaves room for.
//!
//! The lowest chunk with a free page gives the next one, so that others empty, and an empty one goes back to the allocator. Pages that stay free in a chunk that does not
//! empty give their memory back by [`Pages::purge`]. That breaks a huge page up, which is why it waits until nobody has wanted them for a while; and since the kernel, left
//! to itself, would put the huge page together again with zeros in the gaps, the chunk is kept to small pages until it is full once more.
//!
//! While there is growth, the next chunk is got ready beforehand by a thread of its own ([`Spare`]): the first write to a huge page waits for all of it.

use super::backing::{Backing, CHUNK_BYTES, Wish};
use super::spare::Spare;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// What blocks of one class are cut from; aligned to as much.
pub(super) const PAGE_BYTES: usize = 64 * 1024;
const PAGES_EACH: usize = CHUNK_BYTES / PAGE_BYTES;
const ALL: u32 = u32::MAX;
const _: () = assert!(PAGES_EACH == ALL.count_ones() as usize);
/// Chunks that are left to small pages: up to 16 MiB, each byte counts that an empty node has more than it needs.
const CHUNKS_SMALL: usize = 8;
/// Free pages with which the next chunk is got ready: at 100 MB a second of growth, 10 ms are left to do so.
const SPARE_AT: usize = PAGES_EACH / 2;
/// The last chunks that a limit leaves room for begin as small pages, and become huge ones once they are full: one of them never is, and a huge page takes all of its memory at
/// once.
const CHUNKS_LAST: usize = 2;
/// Chunks that one [`Pages::purge`] looks at, at most: each may take a few system calls.
const CHUNKS_PURGED_MAX: usize = 64;

/// Sets of pages, a bit each.
struct Chunk {
    backing: Backing,
    /// Not handed out.
    free: u32,
    /// Those of them that were, and have their memory still.
    kept: u32,
    /// Those of them that had been given back before the last purge.
    aged: u32,
}

/// All chunks of one slab.
pub(super) struct Pages {
    /// By address.
    chunks: BTreeMap<usize, Chunk>,
    /// Addresses of those that have a free page.
    roomy: BTreeSet<usize>,
    /// Pages that are free, over all chunks.
    free_count: usize,
    spare: Spare,
    /// Where the next purge goes on.
    purged_to: usize,
}

impl Pages {
    /// No chunks yet.
    pub fn new() -> Self {
        Pages {
            chunks: BTreeMap::new(),
            roomy: BTreeSet::new(),
            free_count: 0,
            spare: Spare::new(),
            purged_to: 0,
        }
    }

    /// A page of [`PAGE_BYTES`], aligned to as much. Its content is arbitrary. From `bytes_expected` of memory on, no more growth is reckoned with.
    pub fn take(&mut self, bytes_expected: usize) -> *mut u8 {
        let address = self.roomy.first().copied().unwrap_or_else(|| self.grow(bytes_expected));
        let chunk = self.chunks.get_mut(&address).expect("a chunk with room is one of the chunks");
        // Those that have memory first.
        let index = if chunk.kept != 0 { chunk.kept } else { chunk.free }.trailing_zeros();
        let others = !(1 << index);
        chunk.free &= others;
        chunk.kept &= others;
        chunk.aged &= others;
        if chunk.free == 0 {
            self.roomy.remove(&address);
            if chunk.backing.asked() == Some(Wish::SmallPages) {
                chunk.backing.ask(Wish::HugePage);
            }
        }
        let page = chunk.backing.base().wrapping_add(index as usize * PAGE_BYTES);
        self.free_count -= 1;
        let count = self.chunks.len();
        if self.free_count == SPARE_AT
            && count >= CHUNKS_SMALL
            && count * CHUNK_BYTES < bytes_expected
        {
            self.spare.order();
        }
        page
    }

    /// Takes a page back.
    ///
    /// # Safety
    /// `page` came from [`Pages::take`] of this, and nobody uses it any more.
    pub unsafe fn give(&mut self, page: *mut u8) {
        let within = page.addr() % CHUNK_BYTES;
        let address = page.addr() - within;
        let chunk = self.chunks.get_mut(&address).expect("a page lies in the chunk it is cut from");
        let bit = 1 << (within / PAGE_BYTES);
        debug_assert_eq!(chunk.free & bit, 0, "a page is given back once");
        chunk.free |= bit;
        chunk.kept |= bit;
        self.free_count += 1;
        if chunk.free != ALL {
            self.roomy.insert(address);
            return;
        }
        self.roomy.remove(&address);
        self.chunks.remove(&address);
        self.free_count -= PAGES_EACH;
    }

    /// Gives back to the kernel what pages have that were free at the last call already and still are. To be called every second or so.
    pub fn purge(&mut self) {
        self.spare.purge();
        let from = (Bound::Excluded(self.purged_to), Bound::Unbounded);
        let mut last = 0;
        for (count, &address) in self.roomy.range(from).enumerate() {
            if count == CHUNKS_PURGED_MAX {
                break;
            }
            last = address;
            if let Some(chunk) = self.chunks.get_mut(&address) {
                chunk.purge();
            }
        }
        // After the last of them, the first again.
        self.purged_to = if self.roomy.last() == Some(&last) { 0 } else { last };
    }

    #[cold]
    fn grow(&mut self, bytes_expected: usize) -> usize {
        let count = self.chunks.len();
        let backing = self.spare.take().unwrap_or_else(|| {
            let mut backing = Backing::new();
            // Growth is reckoned with up to three quarters of the limit; see `Heap::trim`.
            let limit = bytes_expected.saturating_add(bytes_expected / 3);
            if (count + CHUNKS_LAST) * CHUNK_BYTES > limit {
                backing.ask(Wish::SmallPages);
            } else if count >= CHUNKS_SMALL {
                backing.ask(Wish::HugePage);
            }
            backing
        });
        let address = backing.base().addr();
        self.chunks.insert(address, Chunk { backing, free: ALL, kept: 0, aged: 0 });
        self.roomy.insert(address);
        self.free_count += PAGES_EACH;
        address
    }
}

impl Chunk {
    fn purge(&mut self) {
        let mut left = self.aged;
        self.kept &= !left;
        self.aged = self.kept;
        if left != 0 && self.backing.asked() == Some(Wish::HugePage) {
            self.backing.ask(Wish::SmallPages);
        }
        while left != 0 {
            // Neighbours in one call.
            let first = left.trailing_zeros();
            let count = (left >> first).trailing_ones();
            left &= !(ALL >> (u32::BITS - count) << first);
            self.backing.forget(first as usize * PAGE_BYTES, count as usize * PAGE_BYTES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    /// Marks a page, so that whoever else writes to it is noticed.
    fn write(page: *mut u8, mark: u8) {
        // SAFETY: the test has the page.
        unsafe { page.write_bytes(mark, PAGE_BYTES) };
    }

    fn is(page: *mut u8, mark: u8) -> bool {
        // SAFETY: the test has the page, and wrote all of it.
        let bytes = unsafe { std::slice::from_raw_parts(page, PAGE_BYTES) };
        bytes.iter().all(|&byte| byte == mark)
    }

    #[test]
    fn pages_are_distinct_whatever_is_given_back_and_purged_meanwhile() {
        let (mut pages, mut rng) = (Pages::new(), Rng::seeded(3));
        let mut live: Vec<(*mut u8, u8)> = Vec::new();
        for round in 0..4_000_u32 {
            match rng.below(100) {
                0..55 => {
                    let page = pages.take(usize::MAX);
                    assert_eq!(page.addr() % PAGE_BYTES, 0);
                    write(page, round as u8);
                    live.push((page, round as u8));
                }
                55..97 if !live.is_empty() => {
                    let at = rng.below(live.len() as u64) as usize;
                    let (page, mark) = live.swap_remove(at);
                    assert!(is(page, mark));
                    // SAFETY: taken above, and forgotten.
                    unsafe { pages.give(page) };
                }
                _ => pages.purge(),
            }
            let free = pages.chunks.values().map(|it| it.free.count_ones() as usize);
            assert_eq!(pages.free_count, free.sum::<usize>());
        }
        let chunks = live.len().div_ceil(PAGES_EACH);
        assert!(pages.chunks.len() <= 2 * chunks, "{} for {chunks}", pages.chunks.len());
        for (page, mark) in live {
            assert!(is(page, mark));
            // SAFETY: as above.
            unsafe { pages.give(page) };
        }
        assert!(pages.chunks.is_empty() && pages.roomy.is_empty());
    }

    #[test]
    fn what_stays_free_is_purged_and_nothing_else() {
        let mut pages = Pages::new();
        let mut taken: Vec<*mut u8> = (0..PAGES_EACH).map(|_| pages.take(usize::MAX)).collect();
        taken.iter().for_each(|&page| write(page, 1));
        let again = taken.swap_remove(7);
        let given: Vec<_> = [3, 4, 20].map(|at| taken[at]).to_vec();
        for &page in given.iter().chain([&again]) {
            // SAFETY: not used any more, but for a look at what is there while the chunk lives.
            unsafe { pages.give(page) };
        }
        pages.purge();
        assert!(given.iter().all(|&page| is(page, 1)), "the first only sees them");
        // The one that is wanted again is the lowest of those with memory, whichever that is.
        let wanted = pages.take(usize::MAX);
        write(wanted, 2);
        pages.purge();
        assert!(is(wanted, 2));
        let purged = given.iter().chain([&again]).filter(|&&page| page != wanted);
        if cfg!(target_os = "linux") {
            purged.for_each(|&page| assert!(is(page, 0)));
        }
        let others = taken.iter().filter(|&page| !given.contains(page) && *page != wanted);
        others.for_each(|&page| assert!(is(page, 1)));
    }

    #[test]
    fn the_next_chunk_is_got_ready_while_there_is_growth() {
        let mut pages = Pages::new();
        let small = CHUNKS_SMALL * PAGES_EACH - SPARE_AT;
        let take = |pages: &mut Pages, count| {
            for _ in 0..count {
                pages.take(usize::MAX);
            }
        };
        take(&mut pages, small - 1);
        assert!(!pages.spare.is_ordered(), "before there is need");
        take(&mut pages, 1);
        assert!(pages.spare.is_ordered() && pages.chunks.len() == CHUNKS_SMALL);
        pages.spare.wait();
        take(&mut pages, SPARE_AT + 1);
        assert!(
            !pages.spare.is_ordered() && pages.chunks.len() == CHUNKS_SMALL + 1,
            "it is the chunk that was got ready"
        );
        take(&mut pages, PAGES_EACH - 1 - SPARE_AT);
        assert!(pages.spare.is_ordered(), "and the one after it");
        pages.spare.wait();
        (0..2).for_each(|_| pages.purge());
        assert!(!pages.spare.is_ordered(), "given back once growth has ended");
    }

    #[test]
    fn where_no_growth_is_expected_no_chunk_is_got_ready() {
        let mut pages = Pages::new();
        let bytes = (CHUNKS_SMALL + 2) * CHUNK_BYTES;
        let mut ordered = 0;
        for _ in 0..(CHUNKS_SMALL + 4) * PAGES_EACH {
            pages.take(bytes);
            if pages.spare.is_ordered() {
                ordered = pages.chunks.len();
                pages.spare.wait();
            }
        }
        assert_eq!(ordered, CHUNKS_SMALL + 1);
        assert!(!pages.spare.is_ordered(), "what was ordered before is used");
    }

    #[test]
    fn the_last_chunks_before_a_limit_are_no_huge_pages_until_they_are_full() {
        let mut pages = Pages::new();
        let limit = (CHUNKS_SMALL + CHUNKS_LAST + 2) * CHUNK_BYTES;
        let small = |pages: &Pages| {
            let asked = pages.chunks.values().map(|chunk| chunk.backing.asked());
            asked.filter(|asked| *asked == Some(Wish::SmallPages)).count()
        };
        for _ in 0..(CHUNKS_SMALL + 3) * PAGES_EACH {
            pages.take(limit / 4 * 3);
            assert_eq!(small(&pages), 0);
            if pages.spare.is_ordered() {
                pages.spare.wait();
            }
        }
        for _ in 0..PAGES_EACH - 1 {
            pages.take(limit / 4 * 3);
            assert_eq!(small(&pages), 1);
        }
        pages.take(limit / 4 * 3);
        assert_eq!(small(&pages), 0, "it is full");
    }

    #[test]
    fn each_purge_goes_on_where_the_last_one_stopped() {
        let mut pages = Pages::new();
        let count = (CHUNKS_PURGED_MAX + 3) * PAGES_EACH;
        let taken: Vec<_> = (0..count).map(|_| pages.take(usize::MAX)).collect();
        for &page in taken.iter().step_by(PAGES_EACH) {
            // SAFETY: taken above and not used.
            unsafe { pages.give(page) };
        }
        let kept = |pages: &Pages| pages.chunks.values().filter(|it| it.kept != 0).count();
        assert_eq!(kept(&pages), CHUNKS_PURGED_MAX + 3);
        // Two rounds over all of them take four calls: first they are seen, then purged.
        (0..4).for_each(|_| pages.purge());
        assert_eq!(kept(&pages), 0);
    }
}
