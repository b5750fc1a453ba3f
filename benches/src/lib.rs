//! Load drivers and benches; see `results/` for what they measured.
