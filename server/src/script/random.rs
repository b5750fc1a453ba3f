//! The generator behind `math.random`: that of `drand48`, so that a script that sets a seed draws the same numbers everywhere. It goes on from script to script, as in
//! Redis 7; a seed holds until its script ends.
//!
//! Source: POSIX, `drand48`: X' = 0x5DEECE66D · X + 0xB modulo 2^48, begun with the seed in the upper 32 bits and 0x330E below.

/// See the module's description.
#[derive(Debug, Clone, Copy)]
pub struct Random(u64);

impl Random {
    /// The generator after `srand48(seed)`.
    pub fn seeded(seed: i32) -> Self {
        Random(u64::from(seed as u32) << 16 | 0x330e)
    }

    /// The next number, from 0 up to but not 1. The number 2^31 - 1, which would make it 1, counts as 0, as in Redis.
    pub fn next(&mut self) -> f64 {
        const MODULUS: u64 = 1 << 48;
        self.0 = self.0.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) % MODULUS;
        let max = i32::MAX as u64;
        ((self.0 >> 17) % max) as f64 / max as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// What Redis 7.0 answers after `math.randomseed(0)` and `math.randomseed(42)`.
    #[test]
    fn numbers_are_those_of_redis() {
        let check = |seed, expected: [f64; 2]| {
            let mut random = Random::seeded(seed);
            expected.iter().for_each(|expected| assert!((random.next() - expected).abs() < 1e-13));
        };
        check(0, [0.17082803611217, 0.74990198051087]);
        check(42, [0.74452500033403, 0.34270147855519]);
    }
}
