//! Commands of the group pubsub. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::request::Arg;
use std::collections::HashMap;

impl Client {
    /// Sends a message to the subscribers of a channel on all nodes, and answers how many they are.
    ///
    /// `PUBLISH channel message`, O(N+M) in the numbers of the channel's subscribers and of all patterns that are subscribed to.
    pub fn publish(&self, channel: impl Arg, message: impl Arg) -> Call<'_, i64, Publish> {
        Call::of(self, "publish").arg(channel).arg(message)
    }

    /// Lists the channels that have subscribers on this node.
    ///
    /// `PUBSUB CHANNELS [pattern]`, O(N) in the number of channels with subscribers.
    pub fn pubsub_channels(&self) -> Call<'_, Vec<Bytes>, PubsubChannels> {
        Call::of(self, "pubsub|channels")
    }

    /// Counts the patterns that are subscribed to on this node.
    ///
    /// `PUBSUB NUMPAT`, O(1).
    pub fn pubsub_numpat(&self) -> Call<'_, i64, PubsubNumpat> {
        Call::of(self, "pubsub|numpat")
    }

    /// Counts each channel's subscribers on this node, patterns left out.
    ///
    /// `PUBSUB NUMSUB [channel [channel ...]]`, O(N) in the number of channels named.
    pub fn pubsub_numsub(&self) -> Call<'_, HashMap<Bytes, i64>, PubsubNumsub> {
        Call::of(self, "pubsub|numsub")
    }

    /// Lists the shard channels that have subscribers on this node.
    ///
    /// `PUBSUB SHARDCHANNELS [pattern]`, O(N) in the number of shard channels with subscribers.
    pub fn pubsub_shardchannels(&self) -> Call<'_, Vec<Bytes>, PubsubShardchannels> {
        Call::of(self, "pubsub|shardchannels")
    }

    /// Counts each shard channel's subscribers on this node.
    ///
    /// `PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]`, O(N) in the number of shard channels named.
    pub fn pubsub_shardnumsub(&self) -> Call<'_, HashMap<Bytes, i64>, PubsubShardnumsub> {
        Call::of(self, "pubsub|shardnumsub")
    }

    /// Sends a message to the subscribers of a shard channel, and answers how many they are.
    ///
    /// `SPUBLISH shardchannel message`, O(N) in the number of the shard channel's subscribers.
    pub fn spublish(&self, shardchannel: impl Arg, message: impl Arg) -> Call<'_, i64, Spublish> {
        Call::of(self, "spublish").arg(shardchannel).arg(message)
    }
}

/// The command PUBLISH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Publish;

/// The command PUBSUB CHANNELS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct PubsubChannels;

impl<T> Call<'_, T, PubsubChannels> {
    /// `pattern`
    pub fn pattern(self, pattern: impl Arg) -> Self {
        self.arg(pattern)
    }
}

/// The command PUBSUB NUMPAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct PubsubNumpat;

/// The command PUBSUB NUMSUB: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct PubsubNumsub;

impl<T> Call<'_, T, PubsubNumsub> {
    /// `channel`
    pub fn channel(self, channels: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(channels)
    }
}

/// The command PUBSUB SHARDCHANNELS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct PubsubShardchannels;

impl<T> Call<'_, T, PubsubShardchannels> {
    /// `pattern`
    pub fn pattern(self, pattern: impl Arg) -> Self {
        self.arg(pattern)
    }
}

/// The command PUBSUB SHARDNUMSUB: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct PubsubShardnumsub;

impl<T> Call<'_, T, PubsubShardnumsub> {
    /// `shardchannel`
    pub fn shardchannel(self, shardchannels: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(shardchannels)
    }
}

/// The command SPUBLISH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Spublish;
