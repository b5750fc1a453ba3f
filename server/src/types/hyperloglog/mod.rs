//! HyperLogLog: how many different elements were added, within about 0.81 %, in at most 12 KiB.
//!
//! The value is a Redis string, bit for bit, so that a dump or a GET of it can move between the two:
//!
//! ```text
//! byte  0..4   "HYLL"
//!       4      encoding: 0 dense, 1 sparse
//!       5..8   unused
//!       8..16  the count last computed, little-endian; its top bit says that it is out of date
//!      16..    16,384 registers, as `dense` or `sparse` lays them out
//! ```
//!
//! An element's 64-bit hash picks a register by its low 14 bits; the register keeps the longest run of zero bits seen in the
//! rest, plus one (its rank). Invariant: registers only grow until the key is deleted.
//!
//! A client can SET any bytes under the key. Reading never trusts them: a run that leaves the 16,384 registers is an error.
//! Sources: the pages of PFADD, PFCOUNT and PFMERGE on redis.io; Flajolet and others, "HyperLogLog" (2007); Heule and others,
//! "HyperLogLog in Practice" (2013) for the sparse form; replies of Redis 7.0 for what they leave open.

mod dense;
mod estimate;
mod murmur;
mod sparse;

/// Registers of one value.
pub const REGISTER_COUNT: usize = 1 << INDEX_BITS;

const INDEX_BITS: u32 = 14;
/// Bits of the hash that ranks are taken from. Ranks go from 1 to one more than that.
const RANK_BITS: u32 = 64 - INDEX_BITS;

const MAGIC: &[u8; 4] = b"HYLL";
const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = HEADER_BYTES + dense::BYTES;
const STALE: u8 = 0x80;

/// How the registers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Six bits each.
    Dense,
    /// Runs of equal registers.
    Sparse,
}

/// Why bytes are not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The header is not one of a HyperLogLog.
    #[error("not a HyperLogLog")]
    NotHyperLogLog,
    /// The header is right, the registers are not.
    #[error("corrupted HyperLogLog")]
    Corrupted,
}

/// A value to which nothing was added.
pub fn empty() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 2);
    bytes.extend_from_slice(MAGIC);
    bytes.push(1);
    bytes.resize(HEADER_BYTES, 0);
    sparse::push_zeros(&mut bytes, REGISTER_COUNT);
    bytes
}

/// The encoding of `bytes`, if their header is that of a HyperLogLog. Does not look at the registers.
pub fn encoding(bytes: &[u8]) -> Result<Encoding, Invalid> {
    match bytes.get(..HEADER_BYTES) {
        Some([b'H', b'Y', b'L', b'L', 0, ..]) if bytes.len() == DENSE_BYTES => Ok(Encoding::Dense),
        Some([b'H', b'Y', b'L', b'L', 1, ..]) => Ok(Encoding::Sparse),
        _ => Err(Invalid::NotHyperLogLog),
    }
}

/// The count kept in the header of a valid value, unless it is out of date.
pub fn kept_count(bytes: &[u8]) -> Option<u64> {
    let count: [u8; 8] = bytes.get(8..HEADER_BYTES)?.try_into().ok()?;
    (count[7] & STALE == 0).then(|| u64::from_le_bytes(count))
}

/// Writes `count` into the header of a valid value, for [`kept_count`].
pub fn keep_count(bytes: &mut [u8], count: u64) {
    bytes[8..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
}

/// Marks the kept count of a valid value as out of date. The old number stays readable beneath the mark, as in Redis.
pub fn forget_count(bytes: &mut [u8]) {
    bytes[HEADER_BYTES - 1] |= STALE;
}

/// Adds `element` to a dense value in place; whether a register grew. Leaves the kept count alone.
pub fn add_dense(bytes: &mut [u8], element: &[u8]) -> bool {
    let (index, rank) = place(element);
    dense::raise(&mut bytes[HEADER_BYTES..], index, rank)
}

/// Adds `element` to a value of either encoding; whether a register grew. A sparse value that would outgrow
/// `sparse_bytes_max` (header included) becomes dense. Leaves the kept count alone.
pub fn add(bytes: &mut Vec<u8>, element: &[u8], sparse_bytes_max: usize) -> Result<bool, Invalid> {
    let (index, rank) = place(element);
    raise(bytes, index, rank, sparse_bytes_max)
}

fn raise(
    bytes: &mut Vec<u8>,
    index: usize,
    rank: u8,
    sparse_bytes_max: usize,
) -> Result<bool, Invalid> {
    if encoding(bytes)? == Encoding::Sparse {
        match sparse::raise(bytes, HEADER_BYTES, index, rank, sparse_bytes_max)? {
            sparse::Raised::No => return Ok(false),
            sparse::Raised::Yes => return Ok(true),
            sparse::Raised::Outgrown => make_dense(bytes)?,
        }
    }
    Ok(dense::raise(&mut bytes[HEADER_BYTES..], index, rank))
}

/// Turns a valid sparse value into a dense one with the same header and registers; a dense one stays as it is.
/// On `Err` nothing changed.
pub fn make_dense(bytes: &mut Vec<u8>) -> Result<(), Invalid> {
    if encoding(bytes)? == Encoding::Dense {
        return Ok(());
    }
    let mut dense = vec![0u8; DENSE_BYTES];
    dense[..HEADER_BYTES].copy_from_slice(&bytes[..HEADER_BYTES]);
    dense[4] = 0;
    for run in sparse::runs(&bytes[HEADER_BYTES..]) {
        let run = run?;
        if run.rank > 0 {
            for index in run.registers {
                dense::raise(&mut dense[HEADER_BYTES..], index, run.rank);
            }
        }
    }
    *bytes = dense;
    Ok(())
}

/// The number of different elements added to the value, computed from its registers.
pub fn count(bytes: &[u8]) -> Result<u64, Invalid> {
    let mut histogram = estimate::Histogram::default();
    match encoding(bytes)? {
        Encoding::Dense => {
            dense::ranks(&bytes[HEADER_BYTES..]).for_each(|rank| histogram.add(rank, 1));
        }
        Encoding::Sparse => {
            for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                let run = run?;
                histogram.add(run.rank, run.registers.len());
            }
        }
    }
    Ok(histogram.estimate())
}

/// The sparse registers as text, one word a run: `Z:` and `z:` with the length of long and short runs of zeros,
/// `v:rank,length` for others. For PFDEBUG.
pub fn describe_sparse(bytes: &[u8]) -> Result<String, Invalid> {
    sparse::describe(&bytes[HEADER_BYTES..])
}

/// The registers of a valid dense value in order. For PFDEBUG.
pub fn dense_ranks(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    dense::ranks(&bytes[HEADER_BYTES..])
}

/// The union of several values: the greatest of each register.
#[derive(Clone)]
pub struct Union {
    ranks: Box<[u8; REGISTER_COUNT]>,
    any_dense: bool,
}

impl Default for Union {
    fn default() -> Self {
        Union { ranks: Box::new([0; REGISTER_COUNT]), any_dense: false }
    }
}

impl std::fmt::Debug for Union {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Union").field("any_dense", &self.any_dense).finish_non_exhaustive()
    }
}

impl Union {
    /// Takes the registers of `bytes` in. After an `Err` the union is not to be used.
    pub fn include(&mut self, bytes: &[u8]) -> Result<(), Invalid> {
        match encoding(bytes)? {
            Encoding::Dense => {
                self.any_dense = true;
                let ranks = dense::ranks(&bytes[HEADER_BYTES..]);
                for (kept, rank) in self.ranks.iter_mut().zip(ranks) {
                    *kept = rank.max(*kept);
                }
            }
            Encoding::Sparse => {
                for run in sparse::runs(&bytes[HEADER_BYTES..]) {
                    let run = run?;
                    for kept in &mut self.ranks[run.registers] {
                        *kept = run.rank.max(*kept);
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of different elements in all of them.
    pub fn count(&self) -> u64 {
        let mut histogram = estimate::Histogram::default();
        self.ranks.iter().for_each(|&rank| histogram.add(rank, 1));
        histogram.estimate()
    }

    /// Raises the registers of `bytes`, a value whose registers the union includes, to the union's. It becomes dense if any
    /// of them was, or if it outgrows `sparse_bytes_max`.
    pub fn write_to(&self, bytes: &mut Vec<u8>, sparse_bytes_max: usize) -> Result<(), Invalid> {
        if self.any_dense {
            make_dense(bytes)?;
        }
        for (index, &rank) in self.ranks.iter().enumerate() {
            if rank > 0 {
                raise(bytes, index, rank, sparse_bytes_max)?;
            }
        }
        forget_count(bytes);
        Ok(())
    }
}

/// The register of `element` and its rank there.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur::hash64(element, 0xadc8_3b19);
    let index = hash as usize & (REGISTER_COUNT - 1);
    // The bit beyond the hash ends a run of nothing but zeros.
    let rest = (hash >> INDEX_BITS) | 1 << RANK_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// Checks this module against itself, for PFSELFTEST: both encodings stay equal and count right within five times the
/// standard error. Takes some milliseconds. The error says what went wrong.
pub fn self_test() -> Result<(), String> {
    const ELEMENT_COUNT: u64 = 20_000;
    const SPARSE_BYTES_MAX: usize = 3_000;
    let mut sparse = empty();
    let mut dense = empty();
    make_dense(&mut dense).map_err(|error| error.to_string())?;
    for element in 0..ELEMENT_COUNT {
        let added = element + 1;
        let grew = add_dense(&mut dense, &element.to_le_bytes());
        let also = add(&mut sparse, &element.to_le_bytes(), SPARSE_BYTES_MAX)
            .map_err(|error| format!("{error} after {added} elements"))?;
        if grew != also {
            return Err(format!("dense and sparse registers differ after {added} elements"));
        }
        if added % 2_000 == 0 || added == 10 {
            let counts = (count(&dense), count(&sparse));
            let (Ok(count), Ok(same)) = counts else {
                return Err(format!("no count of {added} elements"));
            };
            let error_max = 5.0 * 1.04 / (REGISTER_COUNT as f64).sqrt() * added as f64;
            if count != same || count.abs_diff(added) as f64 > error_max.ceil() {
                return Err(format!("{count} and {same} counted for {added} elements"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
