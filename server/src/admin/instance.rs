//! The one running node, shared by all its threads.

use crate::base::clock::Clock;
use crate::config::Settings;
use crate::store::Store;

/// Shared state of the process.
#[derive(Debug)]
pub struct Instance {
    /// The time.
    pub clock: Clock,
    /// The data.
    pub store: Store,
    /// The settings in force.
    pub settings: Settings,
}
