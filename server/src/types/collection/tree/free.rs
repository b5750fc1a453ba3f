//! Freeing nodes one by one.

use super::super::discard::Free;
use super::{Child, Node};
use std::sync::Arc;

/// Nodes that one tree no longer needs. What snapshots still hold stays.
#[derive(Debug)]
pub(in super::super) struct Garbage<K>(Vec<Node<K>>);

impl<K> Default for Garbage<K> {
    fn default() -> Self {
        Garbage(Vec::new())
    }
}

impl<K> Garbage<K> {
    pub(super) fn push(&mut self, child: Child<K>) {
        self.0.push(child.node);
    }
}

impl<K: Send + Sync> Free for Garbage<K> {
    fn free_some(&mut self, nodes: usize) -> bool {
        for _ in 0..nodes {
            let Some(node) = self.0.pop() else { break };
            if let Node::Inner(inner) = node
                && let Ok(inner) = Arc::try_unwrap(inner)
            {
                self.0.extend(inner.children.into_iter().map(|child| child.node));
            }
        }
        self.0.is_empty()
    }
}
