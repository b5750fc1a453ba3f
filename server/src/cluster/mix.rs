//! The one hash of the ring, frozen: every node must compute the same layout from the same members, for ever.
//!
//! Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (OOPSLA 2014), with Vigna's constants.

/// Step `index` of the splitmix64 sequence that `seed` starts. Step 0 is what the published generator returns first.
#[inline]
pub(super) const fn splitmix64(seed: u64, index: u64) -> u64 {
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = seed.wrapping_add(GAMMA.wrapping_mul(index.wrapping_add(1)));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_generator() {
        // The first outputs for the seed 1234567, as Vigna's reference code gives them.
        let expected =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for (index, value) in (0..).zip(expected) {
            assert_eq!(splitmix64(1_234_567, index), value);
        }
    }
}
