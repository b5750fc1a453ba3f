//! Members by hash: the big form of hashes and sets, and one half of that of sorted sets.
//!
//! A tree in the order of the members' 64-bit hashes, of which the top 48 bits divide leaves. Within a leaf, members stand as they came: a look-up walks
//! some 16 of them on average, which costs less than the cache miss that brought the leaf, and no byte is spent on an order that nobody sees.
//!
//! A cursor of SCAN's kind is the 48 bits at which the next leaf begins. Leaves may split and join between two steps, but a member's hash stays: what lies
//! at or above the cursor has still to come, and what lies below was visited. Whoever is there throughout is visited; who shares a leaf with the cursor,
//! perhaps twice.

use super::block::{Block, Entry, MARKED, PAIRS};
use super::discard::Discard;
use super::edit;
use super::item::{Encoded, Item};
use super::limits::HashFn;
use super::stamp::Stamp;
use super::tops::Tops;
use super::tree::{Below, ByIndex, Child, Edge, Leaf, Order, Path, Tree};
use super::walk::Walk;
use crate::base::version::Version;

/// The bits of a hash that divide leaves, and make cursors. 48 keep a cursor exact where clients hold it in a double.
const CURSOR_BITS: u32 = 48;
const CURSOR_SHIFT: u32 = u64::BITS - CURSOR_BITS;

/// Members, each with a value or without, found by hash.
#[derive(Debug, Clone)]
pub(super) struct Keyed {
    tree: Tree<u64>,
    tops: Tops,
    hash: HashFn,
    pairs: bool,
}

/// The order of pairs and of single members.
struct ByHash<const FLAGS: u8> {
    hash: HashFn,
}

/// The way to the leaf of a hash.
struct ToHash(u64);

impl Path<u64> for ToHash {
    /// Hashes are uniform, so that a straight line over the keys leads to within a few children of the right one: of a node of 2 KiB, one or two
    /// lines of cache are read, where halving reads five.
    #[inline]
    fn child(&mut self, children: &[Child<u64>]) -> usize {
        let last = children.len() - 1;
        let (low, high) = (children[0].low, children[last].low);
        // 32 bits of distance are enough, and the product stays within 64.
        let distance = self.0.saturating_sub(low) >> 32;
        let guess = distance * last as u64 / (high.saturating_sub(low) >> 32).max(1);
        let mut index = guess.min(last as u64) as usize;
        while index < last && children[index + 1].low <= self.0 {
            index += 1;
        }
        while index > 0 && children[index].low > self.0 {
            index -= 1;
        }
        index
    }

    fn settle(&self, low: &mut u64) {
        *low = (*low).min(prefix(self.0));
    }
}

fn prefix(hash: u64) -> u64 {
    hash >> CURSOR_SHIFT << CURSOR_SHIFT
}

fn hash_of(hash: HashFn, item: Item<'_>) -> u64 {
    hash(item.text(&mut itoa::Buffer::new()))
}

impl<const FLAGS: u8> Order for ByHash<FLAGS> {
    type Key = u64;
    const FLAGS: u8 = FLAGS;
    const COUNT_MAX: usize = 64;

    fn bytes_max(_average: usize) -> usize {
        1024
    }

    fn split(&self, block: Block<'_>, _low: &u64, _edge: Edge) -> Option<(Leaf, u64, Leaf)> {
        let places: Vec<(u64, Entry<'_>)> =
            block.entries().map(|entry| (prefix(hash_of(self.hash, entry.key())), entry)).collect();
        let mut hashes: Vec<u64> = places.iter().map(|place| place.0).collect();
        hashes.sort_unstable();
        // The one closest to the middle that has another before it.
        let middle = hashes.len() / 2;
        let cut = (middle..hashes.len())
            .chain((1..middle).rev())
            .find(|&index| index > 0 && hashes[index - 1] < hashes[index])?;
        let low = hashes[cut];
        let side = |is_right: bool| {
            let of_side = || places.iter().filter(move |place| (place.0 >= low) == is_right);
            let parts: Vec<&[u8]> = of_side().map(|place| place.1.packed()).collect();
            Leaf::new(&parts, parts.len(), block.flags())
        };
        Some((side(false), low, side(true)))
    }

    fn join(&self, (_, left): (&u64, Block<'_>), (_, right): (&u64, Block<'_>)) -> Leaf {
        join(left, right)
    }
}

/// One leaf of two blocks, with marks if either has them.
pub(super) fn join(left: Block<'_>, right: Block<'_>) -> Leaf {
    let count = left.count() + right.count();
    if left.flags() == right.flags() {
        return Leaf::new(&[left.body(), right.body()], count, left.flags());
    }
    let marked = |block: Block<'_>| {
        let mut bytes = block.bytes().to_vec();
        edit::make_marked(&mut bytes, None);
        bytes
    };
    let (left, right) = (marked(left), marked(right));
    let (left, right) = (Block::new(&left), Block::new(&right));
    Leaf::new(&[left.body(), right.body()], count, left.flags() | right.flags())
}

impl Keyed {
    /// The members of `block`, which is one of pairs or of single members.
    pub(super) fn of_block(block: Block<'_>, hash: HashFn) -> Self {
        let pairs = block.has(PAIRS);
        let tree = if pairs { Tree::new::<ByHash<PAIRS>>() } else { Tree::new::<ByHash<0>>() };
        let mut keyed = Keyed { tree, tops: Tops::default(), hash, pairs };
        let mut buffer = itoa::Buffer::new();
        for entry in block.entries() {
            let value = pairs.then(|| Encoded::stored(entry.value()));
            let key = entry.key();
            keyed.insert(key.text(&mut buffer), value.as_ref(), entry.mark().stamp);
        }
        keyed
    }

    pub(super) fn len(&self) -> u64 {
        self.tree.len()
    }

    /// Where its root lies.
    pub(super) fn root(&self) -> *const u8 {
        self.tree.root()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.tree.heap_bytes() + self.tops.heap_bytes()
    }

    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Option<Entry<'_>> {
        self.tree.leaf(&mut ToHash((self.hash)(key))).1.find(&Encoded::of(key))
    }

    /// The hash of a member's text.
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        (self.hash)(key)
    }

    /// The member that has this hash and passes the test.
    pub(super) fn find_hashed(
        &self,
        hash: u64,
        test: impl Fn(Item<'_>) -> bool,
    ) -> Option<Entry<'_>> {
        let (_, block) = self.tree.leaf(&mut ToHash(hash));
        let mut entries = block.entries();
        entries.find(|entry| test(entry.key()) && hash_of(self.hash, entry.key()) == hash)
    }

    pub(super) fn nth(&self, index: u64) -> Option<Entry<'_>> {
        if index >= self.len() {
            return None;
        }
        let mut path = ByIndex::of(index);
        let (_, block) = self.tree.leaf(&mut path);
        block.nth(Path::<u64>::index(&path))
    }

    pub(super) fn walk(&self) -> Walk<'_> {
        self.walk_from(0)
    }

    /// From `index` on.
    pub(super) fn walk_from(&self, index: u64) -> Walk<'_> {
        Walk::Tree(self.tree.range(index, u64::MAX, false))
    }

    /// See the module's description.
    pub(super) fn scan<'a>(
        &'a self,
        cursor: u64,
        count: u64,
        mut visit: impl FnMut(Entry<'a>),
    ) -> u64 {
        let from = cursor << CURSOR_SHIFT;
        let (first, mut leaves) = self.tree.leaves(&mut Below::of(|low: &u64| *low <= from));
        let (mut leaf, mut visited) = (first, 0);
        loop {
            let block = leaf.block();
            block.entries().for_each(&mut visit);
            visited += block.count() as u64;
            match leaves.next() {
                None => return 0,
                Some(next) if visited >= count => return next.low >> CURSOR_SHIFT,
                Some(next) => leaf = next,
            }
        }
    }

    pub(super) fn tops(&self) -> &Tops {
        &self.tops
    }

    pub(super) fn insert(
        &mut self,
        key: &[u8],
        value: Option<&Encoded<'_>>,
        stamp: Stamp<'_>,
    ) -> Option<Version> {
        self.replace(key, value, stamp, |entry| entry.mark().stamp.dot)
    }

    /// As `insert`, telling what `seen` makes of the member as it was.
    pub(super) fn replace<R>(
        &mut self,
        key: &[u8],
        value: Option<&Encoded<'_>>,
        stamp: Stamp<'_>,
        seen: impl FnOnce(Entry<'_>) -> R,
    ) -> Option<R> {
        self.tops.note(&stamp);
        let encoded = Encoded::of(key);
        self.edit(key, |leaf| {
            let known = leaf.block().find(&encoded).map(seen);
            edit::put(leaf, &encoded, value, stamp);
            known
        })
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Version> {
        self.take(key, |entry| entry.mark().stamp.dot)
    }

    /// As `remove`, telling what `seen` makes of the member as it was.
    pub(super) fn take<R>(&mut self, key: &[u8], seen: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let encoded = Encoded::of(key);
        self.edit(key, |leaf| {
            let known = leaf.block().find(&encoded).map(seen)?;
            edit::take(leaf, &encoded);
            Some(known)
        })
    }

    fn edit<R>(&mut self, key: &[u8], edit: impl FnOnce(&mut Leaf) -> R) -> R {
        let (hash, mut path) = (self.hash, ToHash((self.hash)(key)));
        let edit = |leaf: &mut Leaf, _: &u64, _| edit(leaf);
        match self.pairs {
            true => self.tree.edit(&ByHash::<PAIRS> { hash }, &mut path, edit),
            false => self.tree.edit(&ByHash::<0> { hash }, &mut path, edit),
        }
    }

    pub(super) fn discard(self) -> Discard {
        Discard::of(self.tree.garbage())
    }
}

const _: () = assert!(MARKED & PAIRS == 0, "leaves of one tree differ in their marks alone");
