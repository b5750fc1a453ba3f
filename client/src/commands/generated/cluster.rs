//! Commands of the group cluster. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Counts the keys of a slot on this node.
    ///
    /// `CLUSTER COUNTKEYSINSLOT slot`, O(N) in the number of keys in the slot.
    pub fn cluster_countkeysinslot(&self, slot: i64) -> Call<'_, i64, ClusterCountkeysinslot> {
        Call::of(self, "cluster|countkeysinslot").arg(slot)
    }

    /// Lists keys of a slot on this node.
    ///
    /// `CLUSTER GETKEYSINSLOT slot count`, O(N) in the number of keys asked for.
    pub fn cluster_getkeysinslot(
        &self,
        slot: i64,
        count: i64,
    ) -> Call<'_, Value, ClusterGetkeysinslot> {
        Call::of(self, "cluster|getkeysinslot").arg(slot).arg(count)
    }

    /// Describes the state of the ring.
    ///
    /// `CLUSTER INFO`, O(N) in the number of nodes.
    pub fn cluster_info(&self) -> Call<'_, Bytes, ClusterInfo> {
        Call::of(self, "cluster|info")
    }

    /// Answers the slot of a key.
    ///
    /// `CLUSTER KEYSLOT key`, O(N) in the length of the key.
    pub fn cluster_keyslot(&self, key: impl Arg) -> Call<'_, i64, ClusterKeyslot> {
        Call::of(self, "cluster|keyslot").arg(key)
    }

    /// Describes the links to other nodes.
    ///
    /// `CLUSTER LINKS`, O(N) in the number of links.
    pub fn cluster_links(&self) -> Call<'_, Value, ClusterLinks> {
        Call::of(self, "cluster|links")
    }

    /// Answers the name of this node.
    ///
    /// `CLUSTER MYID`, O(1).
    pub fn cluster_myid(&self) -> Call<'_, Bytes, ClusterMyid> {
        Call::of(self, "cluster|myid")
    }

    /// Answers the name of the shard that this node leads.
    ///
    /// `CLUSTER MYSHARDID`, O(1).
    pub fn cluster_myshardid(&self) -> Call<'_, Value, ClusterMyshardid> {
        Call::of(self, "cluster|myshardid")
    }

    /// Lists the nodes with the slots that each serves, as text.
    ///
    /// `CLUSTER NODES`, O(N) in the number of nodes and ranges of slots.
    pub fn cluster_nodes(&self) -> Call<'_, Bytes, ClusterNodes> {
        Call::of(self, "cluster|nodes")
    }

    /// Lists the nodes with the slots that each serves.
    ///
    /// `CLUSTER SHARDS`, O(N) in the number of nodes and ranges of slots.
    pub fn cluster_shards(&self) -> Call<'_, Value, ClusterShards> {
        Call::of(self, "cluster|shards")
    }

    /// Lists the ranges of slots with the nodes that keep each, the one that serves it first.
    ///
    /// `CLUSTER SLOTS`, O(N) in the number of ranges of slots.
    ///
    /// Redis deprecated it in 7.0.0: use `CLUSTER SHARDS`.
    pub fn cluster_slots(&self) -> Call<'_, Value, ClusterSlots> {
        Call::of(self, "cluster|slots")
    }

    /// Tells how the ring stands: its nodes, what each keeps and serves, and whether all keys have all copies.
    ///
    /// `TORC STATUS`, O(N) in the number of nodes.
    pub fn torc_status(&self) -> Call<'_, Value, TorcStatus> {
        Call::of(self, "torc|status")
    }
}

/// The command CLUSTER COUNTKEYSINSLOT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterCountkeysinslot;

/// The command CLUSTER GETKEYSINSLOT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterGetkeysinslot;

/// The command CLUSTER INFO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterInfo;

/// The command CLUSTER KEYSLOT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterKeyslot;

/// The command CLUSTER LINKS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterLinks;

/// The command CLUSTER MYID: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterMyid;

/// The command CLUSTER MYSHARDID: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterMyshardid;

/// The command CLUSTER NODES: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterNodes;

/// The command CLUSTER SHARDS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterShards;

/// The command CLUSTER SLOTS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClusterSlots;

/// The command TORC STATUS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct TorcStatus;
