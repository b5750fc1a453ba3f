//! What loom sees of the store: the index and the gate. Everything above them stands on crossbeam's epochs and std's atomics, whose models are their own.

pub mod gate;
pub mod index;
