//! Load drivers and benches; see `results/` for what they measured.

pub mod bench_node;
pub mod requests;
