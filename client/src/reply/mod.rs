//! Replies: as they came ([`Frame`]), as a tree ([`Value`]), and as the types that callers want ([`FromReply`]).

mod convert;
mod frame;
mod value;

pub use convert::FromReply;
pub(crate) use frame::Frame;
pub use value::Value;
