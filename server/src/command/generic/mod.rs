//! The generic group: commands on keys of any type.
//!
//! Source: the generic command pages of redis.io; the order in which errors are found is that of redis-server 7.0.

mod copy;
mod expire;
mod keys;
mod scan;
mod sort;
mod wait;

pub(super) use copy::{copy, move_, rename, renamenx};
pub(super) use expire::{
    expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl,
};
pub(super) use keys::{del, exists, randomkey, touch, type_, unlink};
pub(super) use scan::{keys, scan};
pub(super) use sort::{sort, sort_ro};
pub(super) use wait::{wait, waitaof};

#[cfg(test)]
mod tests;
