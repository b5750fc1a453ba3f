//! All keys, node after node.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::{Client, Target};
use crate::error::Result;
use crate::node::{Node, Role};
use crate::reply::Value;
use std::sync::Arc;

/// Walks over the keys of all nodes, a batch at a time. A key that is there throughout comes once at least; it may come again.
///
/// A node that fails during the walk is an error; the walk can then only begin anew, for cursors are a node's own.
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// let mut scan = client.scan_keys().matching("user:*");
/// while let Some(keys) = scan.next().await? {
///     println!("{} keys", keys.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a scan does nothing until its batches are asked for"]
pub struct KeyScan<'c> {
    client: &'c Client,
    pattern: Option<Vec<u8>>,
    count: Option<u64>,
    /// Nodes that are still to be walked over, the present one last; `None` before the first batch.
    nodes: Option<Vec<Arc<Node>>>,
    cursor: Bytes,
}

impl Client {
    /// Walks over all keys.
    ///
    /// ```no_run
    /// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
    /// let mut scan = client.scan_keys().count(1000);
    /// while let Some(keys) = scan.next().await? {
    ///     client.unlink(keys).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn scan_keys(&self) -> KeyScan<'_> {
        KeyScan { client: self, pattern: None, count: None, nodes: None, cursor: Bytes::from("0") }
    }
}

impl KeyScan<'_> {
    /// Only keys that match this pattern.
    pub fn matching(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.pattern = Some(pattern.as_ref().to_vec());
        self
    }

    /// About so many keys a batch.
    pub fn count(mut self, count: u64) -> Self {
        self.count = Some(count);
        self
    }

    /// The next batch, which may be empty; `None` at the end.
    ///
    /// # Errors
    /// A node does not answer within the call timeout.
    pub async fn next(&mut self) -> Result<Option<Vec<Bytes>>> {
        let view = self.client.inner.view.load_full();
        let nodes = self.nodes.get_or_insert_with(|| view.primaries());
        let Some(node) = nodes.last() else { return Ok(None) };
        let target = Target { node: Arc::clone(node), role: Role::Serving };
        let mut call: Call<'_, Value> = self.client.command("SCAN").arg(&self.cursor);
        if let Some(pattern) = &self.pattern {
            call = call.arg("MATCH").arg(pattern);
        }
        if let Some(count) = self.count {
            call = call.arg("COUNT").arg(count);
        }
        call.options.edit().target = Some(target);
        let (cursor, keys): (Bytes, Vec<Bytes>) = call.reply_as().await?;
        if cursor == "0" {
            nodes.pop();
        }
        self.cursor = cursor;
        Ok(Some(keys))
    }
}
