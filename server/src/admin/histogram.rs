//! Execution times of one command on one worker, as counts in buckets of 3% width.
//!
//! Written by its worker alone and read by anyone. The layout is HdrHistogram's (Gil Tene): below 64 each value has its bucket, above that
//! every power of two is cut into 32.

use std::sync::atomic::{AtomicU64, Ordering};

const LINEAR: usize = 64;
const STEPS: usize = 32;
/// Values from 2^30 µs (18 minutes) on share the last bucket.
const EXPONENT_MAX: usize = 29;
const BUCKETS: usize = LINEAR + (EXPONENT_MAX - 5) * STEPS;

/// Counts of microseconds.
#[derive(Debug)]
pub(super) struct Histogram {
    buckets: [AtomicU64; BUCKETS],
}

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram { buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    /// Counts a value so many times. Only the owning worker calls this.
    #[inline]
    pub(super) fn count(&self, usec: u64, times: u64) {
        let bucket = &self.buckets[bucket_of(usec)];
        // Relaxed load and store: one writer, and readers want no more than a recent value.
        bucket.store(bucket.load(Ordering::Relaxed) + times, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }
}

/// The sum of histograms.
#[derive(Debug, Clone)]
pub struct Distribution {
    counts: Box<[u64]>,
}

impl Default for Distribution {
    fn default() -> Self {
        Distribution { counts: vec![0; BUCKETS].into_boxed_slice() }
    }
}

impl Distribution {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, bucket) in self.counts.iter_mut().zip(&histogram.buckets) {
            *sum += bucket.load(Ordering::Relaxed);
        }
    }

    /// Number of values.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The microseconds that `percent` of the values do not exceed: the upper end of their bucket. 0 without values.
    pub fn percentile(&self, percent: f64) -> f64 {
        let total = self.total();
        if total == 0 {
            return 0.0;
        }
        let wanted = ((percent / 100.0 * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                // Times are cut to whole microseconds before they are counted.
                return highest_of(index) as f64 + 0.999;
            }
        }
        0.0
    }

    /// Cumulative counts at limits that about double, those that add nothing left out.
    pub fn powers(&self) -> Vec<(u64, u64)> {
        let mut powers = Vec::new();
        let (mut power, mut seen, mut shown) = (0, 0u64, 0u64);
        for (index, count) in self.counts.iter().enumerate() {
            while highest_of(index) > limit_usec(power) {
                if seen > shown {
                    powers.push((limit_usec(power), seen));
                    shown = seen;
                }
                power += 1;
            }
            seen += count;
        }
        if seen > shown {
            powers.push((limit_usec(power), seen));
        }
        powers
    }
}

/// The limits 1, 2, 4, 8, 16, 33, 66, 132... that Redis shows: it counts nanoseconds with two digits' precision, where the range of
/// 1024 × 2^power ends at 129 × 2^(power + 3) - 1.
fn limit_usec(power: u32) -> u64 {
    ((129u64 << (power + 3)) - 1) / 1000
}

fn bucket_of(usec: u64) -> usize {
    if usec < LINEAR as u64 {
        return usec as usize;
    }
    let exponent = 63 - usec.leading_zeros() as usize;
    if exponent > EXPONENT_MAX {
        return BUCKETS - 1;
    }
    LINEAR + (exponent - 6) * STEPS + ((usec >> (exponent - 5)) as usize - STEPS)
}

/// Largest value of bucket `index`.
fn highest_of(index: usize) -> u64 {
    if index < LINEAR {
        return index as u64;
    }
    let exponent = 6 + (index - LINEAR) / STEPS;
    let step = ((index - LINEAR) % STEPS + STEPS) as u64;
    ((step + 1) << (exponent - 5)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_at_most_3_percent_wide() {
        let mut values: Vec<u64> = (0..5000).collect();
        values.extend((0..30).flat_map(|e| [(1u64 << e) - 1, 1 << e, (1 << e) + 1]));
        for value in values {
            let high = highest_of(bucket_of(value));
            assert!(high >= value && high as f64 <= value as f64 * 1.04, "{value} in {high}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert!((1..BUCKETS).all(|b| bucket_of(highest_of(b)) == b));
    }

    #[test]
    fn percentiles_and_powers_count_all() {
        let histogram = Histogram::new();
        (1..=100).for_each(|usec| histogram.count(usec, 1));
        let mut sum = Distribution::default();
        sum.add(&histogram);
        assert_eq!(sum.total(), 100);
        assert_eq!(sum.percentile(50.0), 50.999);
        assert_eq!(sum.powers().last().map(|p| p.1), Some(100));
        assert_eq!(sum.powers()[..3], [(1, 1), (2, 2), (4, 4)]);
    }
}
