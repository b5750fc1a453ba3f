//! The generic group: commands on keys of any type.
//!
//! Source: the generic command pages of redis.io; the order in which errors are found is that of redis-server 7.0.

mod copy;
mod expire;
mod keys;
mod scan;
mod sort;
mod wait;

pub(crate) use copy::copy_options;
pub(super) use copy::{copy, move_, rename, renamenx};
pub(super) use expire::{
    expire, expireat, expiretime, persist, pexpire, pexpireat, pexpiretime, pttl, ttl,
};
pub(super) use keys::{del, exists, randomkey, touch, type_, unlink};
pub(crate) use scan::cursor_slot;
pub(super) use scan::parse_cursor;
pub(super) use scan::{keys, scan};
pub(super) use sort::{sort, sort_leads_on, sort_ro, sorted_list};
pub(crate) use sort::{sort_refusal, sort_without_store};
pub(super) use wait::{wait, waitaof};
pub(crate) use wait::{wait_arguments, waitaof_arguments};

#[cfg(test)]
mod tests;
