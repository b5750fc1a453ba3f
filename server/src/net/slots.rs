//! A worker's connections, by small numbers that are used again.

use super::connection::Connection;

/// Connections by slot.
#[derive(Debug, Default)]
pub(super) struct Slots {
    connections: Vec<Option<Box<Connection>>>,
    free: Vec<usize>,
}

impl Slots {
    /// Number of slots, the free ones included.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// The slot that the next insertion takes.
    pub fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.connections.len())
    }

    /// Keeps `connection` in [`Slots::next`].
    pub fn insert(&mut self, connection: Connection) {
        let connection = Some(Box::new(connection));
        match self.free.pop() {
            Some(slot) => self.connections[slot] = connection,
            None => self.connections.push(connection),
        }
    }

    /// The connection in `slot`.
    pub fn get(&mut self, slot: usize) -> Option<&mut Connection> {
        self.connections.get_mut(slot)?.as_deref_mut()
    }

    /// The connection in `slot`, if it is the one of client `id`.
    pub fn get_if(&mut self, slot: usize, id: u64) -> Option<&mut Connection> {
        self.get(slot).filter(|connection| connection.client.session.id == id)
    }

    /// Takes the connection out of `slot`.
    pub fn remove(&mut self, slot: usize) -> Option<Box<Connection>> {
        let connection = self.connections.get_mut(slot)?.take();
        if connection.is_some() {
            self.free.push(slot);
        }
        connection
    }

    /// Takes the connection out of `slot` for a while; nobody gets the slot until [`Slots::give_back`].
    pub fn lend(&mut self, slot: usize) -> Option<Box<Connection>> {
        self.connections.get_mut(slot)?.take()
    }

    /// Puts a connection back that was lent.
    pub fn give_back(&mut self, slot: usize, connection: Box<Connection>) {
        self.connections[slot] = Some(connection);
    }

    /// The slots that hold a connection for which `wanted` is true.
    pub fn select(&self, wanted: impl Fn(&Connection) -> bool) -> Vec<usize> {
        let taken = self.connections.iter().enumerate();
        taken
            .filter(|(_, connection)| connection.as_deref().is_some_and(&wanted))
            .map(|(slot, _)| slot)
            .collect()
    }
}
