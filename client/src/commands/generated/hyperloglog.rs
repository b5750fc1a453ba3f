//! Commands of the group hyperloglog. Written from the command table; not to be edited by hand.

use crate::call::Call;
use crate::client::Client;
use crate::request::Arg;

impl Client {
    /// Counts elements into a HyperLogLog, creating it if it is absent.
    ///
    /// `PFADD key [element [element ...]]`, O(1) for each element.
    pub fn pfadd(&self, key: impl Arg) -> Call<'_, bool, Pfadd> {
        Call::of(self, "pfadd").key(key)
    }

    /// Estimates how many distinct elements one or more HyperLogLogs have counted.
    ///
    /// `PFCOUNT key [key ...]`, O(1) for one key, O(N) in the number of keys beyond.
    pub fn pfcount(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, i64, Pfcount> {
        Call::of(self, "pfcount").keys(keys)
    }

    /// Merges HyperLogLogs into one.
    ///
    /// `PFMERGE destkey [sourcekey [sourcekey ...]]`, O(N) in the number of keys.
    pub fn pfmerge(&self, destkey: impl Arg) -> Call<'_, (), Pfmerge> {
        Call::of(self, "pfmerge").key(destkey)
    }
}

/// The command PFADD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pfadd;

impl<T> Call<'_, T, Pfadd> {
    /// `element`
    pub fn element(self, elements: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(elements)
    }
}

/// The command PFCOUNT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pfcount;

/// The command PFMERGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pfmerge;

impl<T> Call<'_, T, Pfmerge> {
    /// `sourcekey`
    pub fn sourcekey(self, sourcekeys: impl IntoIterator<Item = impl Arg>) -> Self {
        self.keys(sourcekeys)
    }
}
