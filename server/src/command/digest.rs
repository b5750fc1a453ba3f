//! DEBUG DIGEST: a fingerprint of the data that does not depend on the order of keys, equal to the one that Redis computes of the same
//! data, so that a test can compare whole databases.
//!
//! SHA-1 (RFC 3174) is what Redis uses here; nothing depends on it being secure.

use crate::store::{Entry, Kind, WrongType};
use crate::types::collection::Item;
use torc_protocol::number::DoubleText;

/// 20 bytes that stand for some data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 20]);

impl Digest {
    /// Takes data in whose order does not matter.
    pub(super) fn toggle(&mut self, data: &[u8]) {
        for (byte, hash) in self.0.iter_mut().zip(sha1(data)) {
            *byte ^= hash;
        }
    }

    /// Takes data in whose order matters.
    pub(super) fn mix(&mut self, data: &[u8]) {
        self.toggle(data);
        self.0 = sha1(&self.0);
    }

    /// Takes the value and the presence of a deadline in.
    pub(super) fn mix_value(&mut self, entry: &Entry<'_>) -> Result<(), WrongType> {
        match entry.kind() {
            Kind::String => {
                self.mix(&0u32.to_be_bytes());
                self.mix(entry.string()?.bytes(&mut itoa::Buffer::new()));
            }
            Kind::List => {
                self.mix(&1u32.to_be_bytes());
                let list = entry.collection(Kind::List)?;
                list.list().iter().for_each(|element| self.mix_item(element.value));
            }
            Kind::Set => {
                self.mix(&2u32.to_be_bytes());
                let set = entry.collection(Kind::Set)?;
                set.set().iter().for_each(|known| self.toggle(&known.member.to_vec()));
            }
            Kind::Zset => {
                self.mix(&3u32.to_be_bytes());
                let zset = entry.collection(Kind::Zset)?;
                for known in zset.zset().iter() {
                    let mut own = Digest::default();
                    own.mix_item(known.member);
                    own.mix(DoubleText::new().format(known.score).as_bytes());
                    self.toggle(&own.0);
                }
            }
            // Redis says nothing of streams either.
            Kind::Stream => self.mix(&6u32.to_be_bytes()),
            Kind::Hash => {
                self.mix(&4u32.to_be_bytes());
                let hash = entry.collection(Kind::Hash)?;
                for known in hash.hash().iter() {
                    let mut own = Digest::default();
                    own.mix_item(known.field);
                    own.mix_item(known.value);
                    self.toggle(&own.0);
                }
            }
        }
        if entry.deadline().is_some() {
            self.toggle(b"!!expire!!");
        }
        Ok(())
    }

    fn mix_item(&mut self, item: Item<'_>) {
        self.mix(item.text(&mut itoa::Buffer::new()));
    }

    /// Takes one key of a database in.
    pub(super) fn toggle_entry(&mut self, entry: &Entry<'_>) -> Result<(), WrongType> {
        let mut own = Digest::default();
        own.mix(entry.key());
        own.mix_value(entry)?;
        self.toggle(&own.0);
        Ok(())
    }

    /// As 40 hexadecimal digits.
    pub(super) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn sha1(data: &[u8]) -> [u8; 20] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0u32];
    let mut blocks = data.chunks_exact(64);
    for block in &mut blocks {
        sha1_block(&mut state, block);
    }
    // The rest, a one bit, zeros, and the length in bits.
    let mut last = blocks.remainder().to_vec();
    last.push(0x80);
    last.resize(if last.len() > 56 { 120 } else { 56 }, 0);
    last.extend((data.len() as u64 * 8).to_be_bytes());
    last.chunks_exact(64).for_each(|block| sha1_block(&mut state, block));
    let mut out = [0; 20];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

fn sha1_block(state: &mut [u32; 5], block: &[u8]) {
    let mut words = [0u32; 80];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for i in 16..80 {
        words[i] = (words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (i, word) in words.into_iter().enumerate() {
        let (mixed, constant) = match i / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let next = a
            .rotate_left(5)
            .wrapping_add(mixed)
            .wrapping_add(e)
            .wrapping_add(constant)
            .wrapping_add(word);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    for (sum, word) in state.iter_mut().zip([a, b, c, d, e]) {
        *sum = sum.wrapping_add(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha1_matches_rfc_3174() {
        let check = |data: &[u8], hex: &str| assert_eq!(Digest(sha1(data)).hex(), hex);
        check(b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        check(&[b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
        for len in 50..70 {
            assert_eq!(sha1(&vec![b'x'; len]).len(), 20);
        }
    }

    #[test]
    fn strings_digest_as_redis_computes_them() {
        // What Redis 7.0 answers to DEBUG DIGEST-VALUE of a string "value:1" without a deadline.
        let mut digest = Digest::default();
        digest.mix(&0u32.to_be_bytes());
        digest.mix(b"value:1");
        assert_eq!(digest.hex(), "ec4b7bec343ec862c8bd5dd8feab05ec1e9e6703");
    }
}
