//! What every layer stands on: time, randomness and bounds. Knows nothing of keys, commands or sockets.

pub mod clock;
pub mod limits;
pub mod release;
pub mod rng;
pub mod sync;
pub mod told;
pub mod version;
