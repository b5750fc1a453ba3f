//! News of the book ride on foca's messages.
//!
//! foca keeps the handler to itself, so the book is shared with it. One thread uses both; the lock is never contended, and no one holds it
//! while calling foca.

use super::book::{Applied, Book};
use super::swim::SwimId;
use super::wire::{self, Item, Malformed};
use crate::cluster::node_id::NodeId;
use crate::cluster::record::Stamp;
use foca::{BroadcastHandler, Invalidates};
use parking_lot::Mutex;
use std::sync::Arc;

pub(super) struct NewsHandler(pub Arc<Mutex<Book>>);

/// What a piece of news is about. Later news of a node replace earlier ones.
pub(super) struct NewsKey {
    node: NodeId,
    stamp: Stamp,
}

impl Invalidates for NewsKey {
    fn invalidates(&self, other: &Self) -> bool {
        self.node == other.node && self.stamp >= other.stamp
    }
}

impl BroadcastHandler<SwimId> for NewsHandler {
    type Key = NewsKey;
    type Error = Malformed;

    fn receive_item(
        &mut self,
        mut data: &[u8],
        sender: Option<&SwimId>,
    ) -> Result<Option<NewsKey>, Malformed> {
        let item = wire::take_item(&mut data)?;
        if !data.is_empty() {
            return Err(Malformed);
        }
        let (node, stamp) = match &item {
            Item::Record { record, .. } => (record.node, record.stamp()),
            Item::Forgotten { node, stamp } => (*node, *stamp),
        };
        // Without a sender it is our own announcement, which is in the book already.
        let is_news = sender.is_none() || self.0.lock().apply(item) == Applied::News;
        Ok(is_news.then_some(NewsKey { node, stamp }))
    }
}
