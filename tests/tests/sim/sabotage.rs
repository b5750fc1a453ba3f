//! Bugs that are put back on purpose, by tampering with what a node says or hears. Each must be caught.

use super::net::Line;
use super::world::World;
use torc_protocol::peer::Kind;
use torc_protocol::slot::Slot;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A node that has just started says that it is ready.
    Boast,
    /// What may have been run already is sent again.
    SendTwice,
}

/// What becomes of effects that came.
pub enum Fate {
    /// They are applied.
    Apply,
    /// They are not, yet this is said of them.
    #[expect(dead_code, reason = "bugs to come")]
    Acked(Vec<u8>),
}

impl Sabotage {
    /// Changes a control frame; whether it is sent.
    pub fn control(
        self,
        _world: &mut World,
        _from: usize,
        _kind: Kind,
        _slot: Option<Slot>,
        _payload: &mut Vec<u8>,
    ) -> bool {
        true
    }

    pub fn effects(self, _world: &mut World, _line: Line, _payload: &mut Vec<u8>) -> Fate {
        Fate::Apply
    }
}
