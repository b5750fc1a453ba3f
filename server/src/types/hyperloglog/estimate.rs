//! From registers to a count: the improved raw estimator of Otmar Ertl, "New cardinality estimation algorithms for
//! HyperLogLog sketches" (2017), section 4. It needs no correction for small or large counts.

use super::{RANK_BITS, REGISTER_COUNT};

/// HyperLogLog's bias correction in the limit of many registers.
const ALPHA: f64 = 0.5 / std::f64::consts::LN_2;

/// How many registers hold each rank.
#[derive(Debug)]
pub struct Histogram([u32; 64]);

impl Default for Histogram {
    fn default() -> Self {
        Histogram([0; 64])
    }
}

impl Histogram {
    /// `count` more registers of `rank`, which is below 64.
    pub fn add(&mut self, rank: u8, count: usize) {
        self.0[usize::from(rank) & 63] += count as u32;
    }

    /// The count they stand for. The order of the additions matters: each rounds, and Redis must come to the same.
    pub fn estimate(&self) -> u64 {
        let registers = REGISTER_COUNT as f64;
        let rank_max = RANK_BITS as usize + 1;
        let full = f64::from(self.0[rank_max]);
        let mut z = registers * tau((registers - full) / registers);
        for rank in (1..rank_max).rev() {
            z = (z + f64::from(self.0[rank])) * 0.5;
        }
        z += registers * sigma(f64::from(self.0[0]) / registers);
        let estimate = (ALPHA * registers * registers / z).round();
        // Registers above the highest rank a hash can have come from forged values alone. If all are, z is 0, and Redis answers
        // with what its processor makes of an infinite number.
        if estimate.is_finite() { estimate as u64 } else { i64::MIN as u64 }
    }
}

/// Equation 12: x + Σ x^(2^k) · 2^(k-1), summed until it stands still.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut sum, mut weight) = (x, 1.0);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// Equation 17: (1 - x - Σ (1 - x^(2^-k))² · 2^-k) / 3, summed until it stands still.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut sum, mut weight) = (1.0 - x, 1.0);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}
