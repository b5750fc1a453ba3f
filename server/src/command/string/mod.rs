//! The string group.
//!
//! GET, SET without options and INCR are the commands that a cache lives on: one look-up, no allocation, no formatting.
//! Source: the string command pages of redis.io; the order in which errors are found is that of redis-server 7.0.

mod counter;
mod edit;
mod options;
mod read;
mod set;
mod subsequence;

pub(super) use counter::{decr, decrby, incr, incrby, incrbyfloat};
pub(super) use edit::{append, setrange};
pub(super) use read::{get, getdel, getex, getrange, mget, strlen, substr};
pub(super) use set::{getset, mset, msetnx, psetex, set, setex, setnx};
pub(super) use subsequence::lcs;

#[cfg(test)]
mod tests;
