//! The memory of one chunk of pages, and what the kernel is asked to do with it.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

/// What a processor can map as one; aligned to as much.
pub(super) const CHUNK_BYTES: usize = 2 * 1024 * 1024;
/// The least that a kernel maps.
const SMALL_BYTES: usize = 4096;

/// [`CHUNK_BYTES`] from the allocator, which go back when this is dropped.
pub(super) struct Backing {
    base: *mut u8,
    /// What the kernel was asked to back it with; until then it does as it likes.
    asked: Option<Wish>,
}

/// What the kernel is asked to do with memory. A kernel that does not know how says so, and nothing but time or memory is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    HugePage,
    SmallPages,
    /// Take it; what is read there next is 0.
    Nothing,
}

// SAFETY: owned, and reached by nobody but through this and by whom it lends its parts to.
unsafe impl Send for Backing {}

impl Backing {
    /// Content is arbitrary.
    pub fn new() -> Self {
        // SAFETY: the layout's size is not 0.
        let base = unsafe { alloc(layout()) };
        if base.is_null() {
            handle_alloc_error(layout());
        }
        Backing { base, asked: None }
    }

    /// The first byte.
    pub fn base(&self) -> *mut u8 {
        self.base
    }

    /// What was asked for last.
    pub fn asked(&self) -> Option<Wish> {
        self.asked
    }

    /// Has the kernel back it with a huge page or with small ones from now on.
    pub fn ask(&mut self, wish: Wish) {
        debug_assert_ne!(wish, Wish::Nothing, "that is for `forget`");
        advise(self.base, CHUNK_BYTES, wish);
        self.asked = Some(wish);
    }

    /// Gives the kernel the memory of `bytes` from `offset`, of which nothing is in use.
    pub fn forget(&self, offset: usize, bytes: usize) {
        debug_assert!(offset + bytes <= CHUNK_BYTES);
        advise(self.base.wrapping_add(offset), bytes, Wish::Nothing);
    }

    /// Has the kernel find memory for all of it now. Nothing of it is in use.
    pub fn touch(&mut self) {
        for offset in (0..CHUNK_BYTES).step_by(SMALL_BYTES) {
            // SAFETY: within the allocation, and nobody else has any of it. Volatile, for what is written is of no use but to the kernel.
            unsafe { self.base.add(offset).write_volatile(0) };
        }
    }

    /// Whether all of it has memory.
    #[cfg(all(test, target_os = "linux"))]
    pub fn has_memory(&self) -> bool {
        let mut pages = [0; CHUNK_BYTES / SMALL_BYTES];
        // SAFETY: the range is one allocation, and there is a byte for each of its pages.
        let refused = unsafe { libc::mincore(self.base.cast(), CHUNK_BYTES, pages.as_mut_ptr()) };
        assert_eq!(refused, 0);
        pages.iter().all(|page| page & 1 == 1)
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        if self.asked == Some(Wish::HugePage) {
            // The allocator has other uses for it.
            self.ask(Wish::SmallPages);
        }
        // SAFETY: allocated by `new` with this layout; whoever had a part of it gave it back.
        unsafe { dealloc(self.base, layout()) };
    }
}

fn layout() -> Layout {
    Layout::from_size_align(CHUNK_BYTES, CHUNK_BYTES).expect("a constant layout that is valid")
}

/// `from` and `bytes` are a part of a chunk of which nothing is in use, unless the wish keeps what is there.
#[cfg(target_os = "linux")]
fn advise(from: *mut u8, bytes: usize, wish: Wish) {
    use rustix::mm::{Advice, madvise};
    let advice = match wish {
        Wish::HugePage => Advice::LinuxHugepage,
        Wish::SmallPages => Advice::LinuxNoHugepage,
        Wish::Nothing => Advice::LinuxDontNeed,
    };
    // SAFETY: the memory is the caller's alone, and no content of it is in use where it is given away.
    let _ = unsafe { madvise(from.cast(), bytes, advice) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize, _: Wish) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_with_touching_and_goes_with_forgetting() {
        for wish in [None, Some(Wish::HugePage), Some(Wish::SmallPages)] {
            let mut backing = Backing::new();
            wish.into_iter().for_each(|it| backing.ask(it));
            backing.touch();
            assert!(backing.has_memory());
            backing.forget(0, CHUNK_BYTES);
            assert!(!backing.has_memory());
            backing.touch();
            backing.forget(CHUNK_BYTES - SMALL_BYTES, SMALL_BYTES);
            assert!(!backing.has_memory());
        }
    }
}
