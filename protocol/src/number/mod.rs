//! Numbers as Redis reads and writes them.
//!
//! Reading is strict where Redis is (integers) and as lenient as C's `strtod` where Redis calls that (doubles). Source:
//! Redis 7.0's behaviour, byte for byte. Knows nothing of `long double`, which is the server's matter.

mod double;
mod integer;

pub use double::{DoubleText, parse_c_f64, parse_f64};
pub use integer::{parse_i64, parse_u64};
