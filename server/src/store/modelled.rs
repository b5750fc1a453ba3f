//! What loom sees of the store: the index alone. Everything above it stands on crossbeam's epochs and std's atomics, whose models are their own.

pub mod index;
