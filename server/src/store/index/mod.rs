//! The lock-free index: what one root word knows of the keys of one slot.
//!
//! A root word names nothing, a [`table`] of up to 2^[`table::LG_MAX`] buckets, or a branch of 256 further such words,
//! each for the next 8 bits of the hash. Readers only load. Writers change one word by CAS:
//!
//! * **find** loads ctrl, reads the published words, and on a match loads ctrl again: had anything been published in
//!   between, the word might be a claim that is not (or never gets) published.
//! * **insert** claims an EMPTY word, then publishes it by a CAS of ctrl *from the value under which the key was found
//!   absent*; a key is therefore never published twice. A failed publisher takes its claim back. Its entry may have been read, so it
//!   must be retired, not freed, if it is dropped.
//! * **replace** is a CAS of the word; **remove** a CAS to DEAD, after which the remover alone clears the bit and frees the word.
//! * **rebuild** (growth, shrinking, more overflow lines) freezes ctrl and every published word, copies them into a private
//!   table of fitting size, and swings the word that named the old one. Whoever meets a frozen word does the whole of it
//!   himself, so nobody waits; the losers of the last CAS free their copies. Latches travel with their words.
//!
//! Deliberately absent: keys, entries, time, and any knowledge of who frees what when ([`table::Memory`] decides).

pub mod table;
pub mod word;

#[cfg(torc_loom)]
pub mod models;

use crate::base::sync::{AtomicU64, Ordering};
use table::{LG_MAX, Line, Memory, Table};
use word::{
    BUCKET_WORDS, Ctrl, DEAD, EMPTY, FROZEN, KNOWN_BITS, LATCH, NEAR_WORDS, TAG_SHIFT, WATCHED,
};

/// Marks a root or child word that names a branch.
const BRANCH: u64 = 1 << 63;
/// Bits of the hash that a branch consumes.
#[cfg(not(torc_loom))]
const BRANCH_BITS: u32 = 8;
#[cfg(torc_loom)]
const BRANCH_BITS: u32 = 1;
/// Lines that a branch takes.
const BRANCH_LINES: usize = (8usize << BRANCH_BITS).div_ceil(table::LINE_BYTES);
/// Keys a bucket holds on average from which a table doubles, once a bucket asks for its second overflow line. The index then takes
/// 12 to 15 bytes a key at any size, and one look-up in four reads a second line.
#[cfg(not(torc_loom))]
const LOAD_MAX: usize = 10;
#[cfg(torc_loom)]
const LOAD_MAX: usize = 2;
/// Words a bucket may hold right after a rebuild, so that the insert that asked for it finds room.
const FILL_MAX: u8 = BUCKET_WORDS as u8 - 1;
/// Deeper than this only keys of equal 64-bit hashes can fill a bucket.
const DEPTH_MAX: u32 = 64 - BRANCH_BITS - LG_MAX;

/// Where a table hangs, and what of the hash leads there.
#[derive(Clone, Copy, Debug)]
struct Place<'t> {
    /// The root or child word.
    at: &'t AtomicU64,
    /// What it held.
    word: u64,
    /// The whole hash.
    hash: u64,
    /// Bits consumed by branches.
    depth: u32,
}

/// A published word.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'t> {
    place: Place<'t>,
    bucket: usize,
    index: usize,
    slot: &'t AtomicU64,
    /// The word as it was read; LATCH and FROZEN may be set.
    pub word: u64,
}

/// Where a key was found absent.
#[derive(Clone, Copy, Debug)]
pub struct Vacancy<'t> {
    place: Place<'t>,
    bucket: usize,
    ctrl: Ctrl,
}

/// What a look-up found.
#[derive(Clone, Copy, Debug)]
pub enum Probe<'t> {
    /// The key's word.
    Hit(Hit<'t>),
    /// That it is absent.
    Miss(Vacancy<'t>),
}

/// A word that a look-up went by: as long as it holds its value, the look-up's answer is true.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'t> {
    at: &'t AtomicU64,
    value: u64,
}

impl Witness<'_> {
    /// Whether the look-up would have the same answer now. Under one guard no value comes back: addresses of entries are not used again, and
    /// ctrl counts its changes.
    #[inline]
    pub fn holds(&self) -> bool {
        // Acquire: pairs with the CAS that stored what an earlier look-up of another key saw. If that was a transaction's, this load sees
        // the transaction's latch on this key, or what came after it.
        let now = self.at.load(Ordering::Acquire);
        // That somebody began to watch the key changed nothing. (A ctrl that differs by this very bit has counted 2^25 changes meanwhile, or as many less.)
        cfg!(torc_trap = "blind_witness") || now == self.value || now ^ self.value == WATCHED
    }
}

/// Another thread changed the word first, or its table was replaced: look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed;

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// The word is published.
    Done,
    /// Look again. The word may have been read by others.
    Changed,
    /// More keys of one hash than a bucket holds. Needs sixteen equal 64-bit hashes under a secret key.
    Full,
}

fn descend(mut at: &AtomicU64, hash: u64) -> Place<'_> {
    let mut depth = 0;
    loop {
        // Acquire: pairs with the Release CAS that published the table or branch.
        let word = at.load(Ordering::Acquire);
        if word & BRANCH == 0 {
            return Place { at, word, hash, depth };
        }
        at = child(word, (hash << depth >> (64 - BRANCH_BITS)) as usize);
        depth += BRANCH_BITS;
    }
}

/// Child `index` of the branch that `word` names.
fn child<'t>(word: u64, index: usize) -> &'t AtomicU64 {
    branch_line(word).word(index)
}

/// The branch that `word` names: one allocation of 256 words.
fn branch_line(word: u64) -> Line {
    Line(std::ptr::with_exposed_provenance_mut((word & !BRANCH) as usize))
}

/// Looks for the word of the key that hashes to `hash`; `matches` tells whether the entry at an address is the key's.
#[inline]
pub fn probe<'t>(
    root: &'t AtomicU64,
    hash: u64,
    mut matches: impl FnMut(u64) -> bool,
) -> Probe<'t> {
    let place = descend(root, hash);
    if place.word == 0 {
        return Probe::Miss(Vacancy { place, bucket: 0, ctrl: Ctrl(0) });
    }
    let table = Table::from_root(place.word);
    let bucket = table.bucket(hash << place.depth);
    let tag = word::tag(hash);
    'again: loop {
        // Acquire: pairs with the publishing CAS, so that the words it published are seen.
        let ctrl = Ctrl(table.ctrl(bucket).load(Ordering::Acquire));
        let mut bits = ctrl.bitmap();
        while bits != 0 {
            let index = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let Some(slot) = table.slot(bucket, index) else { continue };
            // Acquire: pairs with the CAS that stored the word, so that the entry's bytes are seen; and keeps the load of
            // ctrl below after it.
            let found = slot.load(Ordering::Acquire);
            if word::word_tag(found) != tag || !word::is_entry(found) {
                continue;
            }
            if !matches(word::pointer(found)) {
                continue;
            }
            if cfg!(torc_trap = "stale_ctrl")
                || ctrl.same(Ctrl(table.ctrl(bucket).load(Ordering::Acquire)))
            {
                return Probe::Hit(Hit { place, bucket, index, slot, word: found });
            }
            continue 'again;
        }
        return Probe::Miss(Vacancy { place, bucket, ctrl });
    }
}

/// Asks for the root word itself.
#[inline]
pub fn prefetch_root(root: &AtomicU64) {
    table::prefetch(std::ptr::from_ref(root).cast());
}

/// Asks for the bucket of `hash`.
pub fn prefetch_bucket(root: &AtomicU64, hash: u64) {
    let place = descend(root, hash);
    if place.word != 0 {
        Table::from_root(place.word).prefetch(hash << place.depth);
    }
}

/// Asks for the first overflow line of the bucket of `hash`, if it has one.
pub fn prefetch_overflow(root: &AtomicU64, hash: u64) {
    let place = descend(root, hash);
    if place.word != 0 {
        Table::from_root(place.word).prefetch_overflow(hash << place.depth);
    }
}

/// Bytes that are asked for of an entry: all of a key of 16 bytes with a value of 100. With versions an entry begins anywhere in a line, so two lines would often be one
/// too few, and a reply's copy would wait for the third.
const ENTRY_BYTES: usize = 128;

/// Asks for the first entry whose tag is that of `hash`, most likely the key's, and returns its address.
pub fn prefetch_entry(root: &AtomicU64, hash: u64) -> Option<u64> {
    let place = descend(root, hash);
    if place.word == 0 {
        return None;
    }
    let table = Table::from_root(place.word);
    let bucket = table.bucket(hash << place.depth);
    let tag = word::tag(hash);
    // Acquire: the bitmap's overflow line must be initialised.
    let ctrl = Ctrl(table.ctrl(bucket).load(Ordering::Acquire));
    let mut bits = ctrl.bitmap();
    while bits != 0 {
        let index = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        // Acquire: pairs with the CAS that stored the word, so that the entry's bytes are seen.
        let found = table.slot(bucket, index)?.load(Ordering::Acquire);
        if word::word_tag(found) == tag && word::is_entry(found) {
            let entry = word::pointer(found);
            table::prefetch_bytes(std::ptr::without_provenance(entry as usize), ENTRY_BYTES);
            return Some(entry);
        }
    }
    None
}

impl<'t> Hit<'t> {
    /// What to look at again; `None` if it is latched, or frozen and so no proof of anything.
    #[inline]
    pub fn witness(&self) -> Option<Witness<'t>> {
        let settled = self.word & (LATCH | FROZEN) == 0;
        settled.then_some(Witness { at: self.slot, value: self.word })
    }

    /// Stores `new` if the word still is what was read. Frozen words send the caller into the new table.
    pub fn replace(&self, memory: &mut impl Memory, new: u64) -> Result<(), Changed> {
        if self.word & FROZEN != 0 {
            rebuild(memory, self.place);
            return Err(Changed);
        }
        // AcqRel: publishes the entry's bytes; a failure re-reads everything.
        match self.slot.compare_exchange(self.word, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(()),
            Err(now) => {
                self.explain(memory, now);
                Err(Changed)
            }
        }
    }

    /// Why the word is not what the caller read, as far as it must do something about it.
    #[cold]
    fn explain(&self, memory: &mut impl Memory, now: u64) {
        if now & FROZEN != 0 {
            rebuild(memory, self.place);
        } else if now ^ self.word == WATCHED {
            memory.met_watched(word::pointer(now));
        }
    }

    /// Whether the word still is what was read, and its table the current one. Helps to replace a table that is frozen.
    pub fn is_current(&self, memory: &mut impl Memory) -> bool {
        // Acquire: what the caller does next comes after.
        let now = self.slot.load(Ordering::Acquire);
        if now == self.word && now & FROZEN == 0 {
            return true;
        }
        self.explain(memory, now);
        false
    }

    /// Removes the word if it still is what was read.
    pub fn remove(&self, memory: &mut impl Memory) -> Result<(), Changed> {
        self.replace(memory, DEAD)?;
        let table = Table::from_root(self.place.word);
        let ctrl = table.ctrl(self.bucket);
        // Acquire: the CAS below works on what is read.
        let mut now = Ctrl(ctrl.load(Ordering::Acquire));
        loop {
            if now.is_frozen() {
                // The copy leaves DEAD words out; the word itself goes with its table.
                return Ok(());
            }
            let next = now.withdraw(self.index);
            // AcqRel: whoever claims the word below has seen this bit cleared.
            match ctrl.compare_exchange_weak(now.0, next.0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(other) => now = Ctrl(other),
            }
        }
        // AcqRel: pairs with the claim's CAS. It cannot fail: only the remover touches a DEAD word that is not published.
        let _ = self.slot.compare_exchange(DEAD, EMPTY, Ordering::AcqRel, Ordering::Acquire);
        Ok(())
    }
}

impl<'t> Vacancy<'t> {
    /// What to look at again; `None` if the bucket is frozen and so no proof of anything.
    #[inline]
    pub fn witness(&self) -> Option<Witness<'t>> {
        if self.place.word == 0 {
            return Some(Witness { at: self.place.at, value: 0 });
        }
        let at = Table::from_root(self.place.word).ctrl(self.bucket);
        (!self.ctrl.is_frozen()).then_some(Witness { at, value: self.ctrl.0 })
    }

    /// Publishes `new`, provided that nothing was published in the bucket since the key was found absent.
    pub fn insert(&self, memory: &mut impl Memory, new: u64) -> Insert {
        if self.place.word == 0 {
            return self.insert_first(memory, new);
        }
        if self.ctrl.is_frozen() {
            rebuild(memory, self.place);
            return Insert::Changed;
        }
        let table = Table::from_root(self.place.word);
        let mut bits = !self.ctrl.bitmap() & ((1 << BUCKET_WORDS) - 1);
        let mut reachable = false;
        while bits != 0 {
            let index = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let Some(slot) = table.slot(self.bucket, index) else { break };
            reachable = true;
            // AcqRel: publishes the entry's bytes to readers with an old bitmap; sees the last remover's cleared bit. Fails where a
            // racing claim or a remover is at work.
            if slot.compare_exchange(EMPTY, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
                continue;
            }
            let next = self.ctrl.publish(index);
            // AcqRel: the publication. From the scanned value, so that no other insert came between.
            let ctrl = table.ctrl(self.bucket);
            if ctrl
                .compare_exchange(self.ctrl.0, next.0, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return Insert::Done;
            }
            // AcqRel: as the claim. Nobody else may touch a word that is claimed and not published.
            let _ = slot.compare_exchange(new, EMPTY, Ordering::AcqRel, Ordering::Acquire);
            return Insert::Changed;
        }
        if reachable {
            // Every free word is another thread's for a few instructions.
            return Insert::Changed;
        }
        self.make_room(memory, table)
    }

    fn insert_first(&self, memory: &mut impl Memory, new: u64) -> Insert {
        let table = Table::allocate(memory, 0);
        put(memory, table, 0, 0, new);
        // Relaxed: private until published.
        table.ctrl(0).store(Ctrl::filled(1).0, Ordering::Relaxed);
        // Release: publishes table and entry.
        match self.place.at.compare_exchange(
            0,
            table.to_root(),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => Insert::Done,
            Err(_) => {
                drop_private(memory, table.to_root());
                Insert::Changed
            }
        }
    }

    /// The bucket's reachable words are all published: attaches an overflow line, or asks for a larger table.
    fn make_room(&self, memory: &mut impl Memory, table: Table) -> Insert {
        let published = self.ctrl.bitmap().count_ones() as usize;
        let crowded = published >= NEAR_WORDS && table.live() >= LOAD_MAX << table.lg();
        if !crowded && let Some(attach) = table.attach_point(self.bucket) {
            let line = Table::blank(memory, attach.heading);
            let new = line.to_link();
            // AcqRel: publishes the line's words. Fails if another thread was first or the bucket is frozen.
            if attach.link.compare_exchange(0, new, Ordering::AcqRel, Ordering::Acquire).is_err() {
                memory.free_lines(line.0, 1);
            }
            // A frozen bucket's ctrl tells the next look-up so.
            return Insert::Changed;
        }
        if self.place.depth > DEPTH_MAX && table.lg() >= LG_MAX {
            return Insert::Full;
        }
        rebuild(memory, self.place);
        Insert::Changed
    }
}

/// Replaces the table at `place` by one that fits what is in it; does nothing but wait-free work if others do the same.
fn rebuild(memory: &mut impl Memory, place: Place<'_>) {
    // Acquire: the new table, if somebody was faster, is about to be read.
    if place.at.load(Ordering::Acquire) != place.word && !cfg!(torc_trap = "late_swing") {
        return;
    }
    let old = Table::from_root(place.word);
    let (mut words, known_bits) = freeze(memory, old, place);
    let new = build(memory, &mut words, place.depth, known_bits);
    if cfg!(torc_trap = "late_swing") {
        place.at.store(new, Ordering::Release);
        return;
    }
    // AcqRel: publishes the copy; fails when another thread's copy was first.
    match place.at.compare_exchange(place.word, new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => old.for_each_allocation(|address, lines| memory.retire_lines(address, lines)),
        Err(_) if cfg!(torc_trap = "leak") => {}
        Err(_) => drop_private(memory, new),
    }
}

/// Freezes `table` and returns every published word that is alive, each with its hash, of which the top bits whose number
/// is returned as well are right.
fn freeze(memory: &impl Memory, table: Table, place: Place<'_>) -> (Vec<(u64, u64)>, u32) {
    let buckets = 1usize << table.lg();
    let mut words = Vec::with_capacity(buckets * LOAD_MAX);
    let prefix =
        if place.depth == 0 { 0 } else { place.hash >> (64 - place.depth) << (64 - place.depth) };
    let shift = 64 - place.depth - table.lg();
    // The tag lies below the top two bits: with them known, it need not be asked of the entry.
    let known = place.depth + table.lg() >= 64 - 16 - TAG_SHIFT;
    for bucket in 0..buckets {
        // AcqRel: after this no insert or remove is published here; sees all that were.
        let ctrl = Ctrl(table.ctrl(bucket).fetch_or(Ctrl::frozen_bit(), Ordering::AcqRel));
        table.freeze_links(bucket);
        let mut bits = ctrl.bitmap();
        while bits != 0 {
            let index = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let Some(slot) = table.slot(bucket, index) else { continue };
            // AcqRel: after this no replace succeeds here; sees the last one's entry.
            let word = if cfg!(torc_trap = "unfrozen_copy") {
                slot.load(Ordering::Acquire)
            } else {
                slot.fetch_or(FROZEN, Ordering::AcqRel)
            } & !FROZEN;
            if !word::is_entry(word) {
                continue;
            }
            let hash = if known {
                let position = if shift == 64 { 0 } else { (bucket as u64) << shift };
                prefix | position | word::word_tag(word) << TAG_SHIFT
            } else {
                memory.hash_of(word::pointer(word))
            };
            words.push((hash, word));
        }
    }
    (words, if known { KNOWN_BITS } else { 64 })
}

/// Builds a private table, or branch of tables, of `words`, and returns the word that names it; 0 for no words. Where more
/// than the `known_bits` of the hashes are needed, the entries are asked.
fn build(
    memory: &mut impl Memory,
    words: &mut [(u64, u64)],
    depth: u32,
    mut known_bits: u32,
) -> u64 {
    if words.is_empty() {
        return 0;
    }
    let mut lg = (words.len() + 1).div_ceil(LOAD_MAX).next_power_of_two().trailing_zeros();
    let mut counts = Vec::new();
    while lg <= LG_MAX {
        if depth + lg > known_bits {
            complete(memory, words);
            known_bits = 64;
        }
        counts.clear();
        counts.resize(1 << lg, 0u8);
        for &(hash, _) in words.iter() {
            let bucket = (hash << depth >> 1 >> (63 - lg)) as usize;
            counts[bucket] = counts[bucket].saturating_add(1);
        }
        if counts.iter().all(|&count| count <= FILL_MAX) {
            return fill(memory, words, depth, lg).to_root();
        }
        lg += 1;
    }
    if depth <= DEPTH_MAX {
        if depth + BRANCH_BITS > known_bits {
            complete(memory, words);
            known_bits = 64;
        }
        return build_branch(memory, words, depth, known_bits);
    }
    // Only equal hashes come here: the table stays as full as it is, and the insert that asked answers `Full`.
    fill(memory, words, depth, LG_MAX).to_root()
}

/// Replaces partial hashes by whole ones.
fn complete(memory: &impl Memory, words: &mut [(u64, u64)]) {
    for (hash, word) in words {
        *hash = memory.hash_of(word::pointer(*word));
    }
}

fn fill(memory: &mut impl Memory, words: &[(u64, u64)], depth: u32, lg: u32) -> Table {
    let table = Table::allocate(memory, lg);
    let mut filled = vec![0u8; 1 << lg];
    for &(hash, word) in words {
        let bucket = (hash << depth >> 1 >> (63 - lg)) as usize;
        put(memory, table, bucket, filled[bucket] as usize, word);
        filled[bucket] += 1;
    }
    for (bucket, &count) in filled.iter().enumerate() {
        // Relaxed: private until `rebuild` publishes it.
        table.ctrl(bucket).store(Ctrl::filled(count as usize).0, Ordering::Relaxed);
    }
    table
}

/// Stores slot word `index` of a bucket of a private table, with the lines it needs.
fn put(memory: &mut impl Memory, table: Table, bucket: usize, index: usize, word: u64) {
    loop {
        // Relaxed, here and below: private.
        if let Some(slot) = table.slot(bucket, index) {
            slot.store(word, Ordering::Relaxed);
            return;
        }
        let Some(attach) = table.attach_point(bucket) else { return };
        let line = Table::blank(memory, attach.heading);
        attach.link.store(line.to_link(), Ordering::Relaxed);
    }
}

fn build_branch(
    memory: &mut impl Memory,
    words: &mut [(u64, u64)],
    depth: u32,
    known_bits: u32,
) -> u64 {
    let branch = Line(memory.allocate_lines(BRANCH_LINES));
    let part = |hash: u64| (hash << depth >> (64 - BRANCH_BITS)) as usize;
    let mut words = words;
    // By child and then by place, so that a child's words lie together. In place: 256 vectors would be 256 allocations.
    words.sort_unstable_by_key(|&(hash, _)| hash);
    for index in 0..1 << BRANCH_BITS {
        let count = words.iter().take_while(|&&(hash, _)| part(hash) == index).count();
        let (own, rest) = words.split_at_mut(count);
        words = rest;
        let child = build(memory, own, depth + BRANCH_BITS, known_bits);
        // Relaxed: private until published.
        branch.word(index).store(child, Ordering::Relaxed);
    }
    branch.to_link() | BRANCH
}

/// Frees what `build` made and nobody saw.
fn drop_private(memory: &mut impl Memory, word: u64) {
    for_each_table(word, &mut |address, lines| memory.free_lines(address, lines));
}

/// Calls `visit` with the allocation of every table and branch under a root word that no other thread uses.
pub fn for_each_table(word: u64, visit: &mut impl FnMut(*mut u8, usize)) {
    if word == 0 {
        return;
    }
    if word & BRANCH == 0 {
        return Table::from_root(word).for_each_allocation(visit);
    }
    for index in 0..1 << BRANCH_BITS {
        // Relaxed: exclusive.
        for_each_table(child(word, index).load(Ordering::Relaxed), visit);
    }
    visit(branch_line(word).0, BRANCH_LINES);
}

/// Visits the published words of the bucket that holds position `from` of the hash space, and returns where the next bucket
/// begins; `None` after the last. Words may be latched; a word that several threads change is visited as it was at one moment.
pub fn visit_bucket<'t>(
    root: &'t AtomicU64,
    from: u64,
    mut visit: impl FnMut(Hit<'t>),
) -> Option<u64> {
    let place = descend(root, from);
    if place.word == 0 {
        return next_position(from, place.depth);
    }
    let table = Table::from_root(place.word);
    let bucket = table.bucket(from << place.depth);
    let mut found = [0u64; BUCKET_WORDS];
    let ctrl = loop {
        // Acquire: see `probe`, of which this is the form for a whole bucket.
        let ctrl = Ctrl(table.ctrl(bucket).load(Ordering::Acquire));
        let mut bits = ctrl.bitmap();
        while bits != 0 {
            let index = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            found[index] =
                table.slot(bucket, index).map_or(EMPTY, |slot| slot.load(Ordering::Acquire));
        }
        if ctrl.same(Ctrl(table.ctrl(bucket).load(Ordering::Acquire))) {
            break ctrl;
        }
    };
    let mut bits = ctrl.bitmap();
    while bits != 0 {
        let index = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        if word::is_entry(found[index])
            && let Some(slot) = table.slot(bucket, index)
        {
            visit(Hit { place, bucket, index, slot, word: found[index] });
        }
    }
    next_position(from, place.depth + table.lg())
}

/// The first position after the range of `bits` leading bits that holds `from`.
fn next_position(from: u64, bits: u32) -> Option<u64> {
    if bits == 0 {
        return None;
    }
    let width = 1u64 << (64 - bits);
    (from & !(width - 1)).checked_add(width)
}

/// What [`tidy`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tidied {
    /// Where the next table begins.
    pub next: Option<u64>,
    /// Cache lines looked at and written, roughly, so that a caller can bound its time.
    pub lines: usize,
}

/// Moves the table that holds position `from` if it is one of few blocks that keep a page from being given back, and, if `fit`, makes it smaller
/// if it is mostly empty (which takes a look at each of its buckets).
pub fn tidy(memory: &mut impl Memory, root: &AtomicU64, from: u64, fit: bool) -> Tidied {
    let place = descend(root, from);
    // The page's header, or the root word's line.
    let mut lines = 1;
    if place.word != 0 {
        let table = Table::from_root(place.word);
        // An eighth of what it may hold: far from the size at which it would grow again.
        let too_large = || {
            let live = table.live();
            live == 0 || (table.lg() > 0 && live < LOAD_MAX << table.lg() >> 3)
        };
        if fit {
            lines += 1 << table.lg();
        }
        if memory.is_stray(table.first().0, 1 << table.lg()) || fit && too_large() {
            rebuild(memory, place);
            // Each bucket and an overflow line, read and written.
            lines += 4 << table.lg();
        }
    }
    Tidied { next: next_position(from, place.depth), lines }
}
