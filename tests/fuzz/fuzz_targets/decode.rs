//! Any bytes, split anywhere, through the request decoder.
//!
//! Holds: no panic; spans lie within the buffer; what the bytes mean does not depend on how they arrive; a decoder holds memory
//! for what arrived and not for what was declared; a hint is bounded. The whole input takes the fast path and
//! single bytes never do, so the two are checked against each other.
//!
//! `cargo +nightly fuzz run decode -- -dict=decode.dict -max_len=4096`, in `tests/fuzz` or with `--fuzz-dir tests/fuzz`.
//!
//! ```text
//!   input:  [ limits ][ split seed ][ what the client sends … ]
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use torc_protocol::ProtocolError;
use torc_protocol::request::{Args, Decoder, Limits, Status};

/// What a connection made of its bytes.
#[derive(Debug, PartialEq, Eq, Default)]
struct Outcome {
    requests: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    /// Bytes of a request that is not whole.
    pending: Vec<u8>,
}

/// Feeds `bytes` in chunks of the sizes that `size` gives, the tail moved to the front of a new buffer in between.
fn feed(bytes: &[u8], limits: &Limits, mut size: impl FnMut() -> usize) -> Outcome {
    let mut decoder = Decoder::new();
    let mut outcome = Outcome::default();
    let mut rest = bytes;
    let mut buf = Vec::new();
    let mut spans = Vec::new();
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(size().clamp(1, rest.len()));
        rest = later;
        buf.extend_from_slice(chunk);
        let mut pos = 0;
        // A batch: the spans of all its requests go into one vector.
        spans.clear();
        loop {
            let before = spans.len();
            match decoder.decode(&mut buf, &mut pos, &mut spans, limits) {
                Ok(Status::Request { spans: range }) => {
                    assert_eq!(range, before..spans.len());
                    // An inline request has as many words as its line has room for.
                    let most = limits.inline_bytes_max.max(limits.elements_max as usize);
                    assert!(!range.is_empty() && range.len() <= most);
                    assert!(decoder.is_idle() && pos <= buf.len());
                    let args = Args::new(&buf, &spans[range]);
                    outcome.requests.push(args.iter().map(<[u8]>::to_vec).collect());
                }
                Ok(Status::Incomplete { more_bytes_hint }) => {
                    assert!((1..=Decoder::HINT_BYTES_MAX).contains(&more_bytes_hint));
                    assert_eq!(spans.len(), before);
                    // An argument that arrived takes at least six bytes, and its span eight; a vector doubles.
                    assert!(decoder.heap_bytes() <= 128 + 4 * (buf.len() - pos));
                    break;
                }
                Err(error) => {
                    assert_eq!(spans.len(), before);
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
        buf.drain(..pos);
        assert_eq!(buf.is_empty(), decoder.is_idle());
    }
    outcome.pending = buf;
    outcome
}

fuzz_target!(|input: &[u8]| {
    let [flags, seed, bytes @ ..] = input else { return };
    let limits = Limits {
        bulk_bytes_max: if flags & 1 == 0 { 512 << 20 } else { 40 },
        elements_max: if flags & 2 == 0 { 1 << 20 } else { 5 },
        inline_bytes_max: if flags & 4 == 0 { 64 << 10 } else { 30 },
        authenticated: flags & 8 == 0,
    };
    let whole = feed(bytes, &limits, || usize::MAX);
    let singly = feed(bytes, &limits, || 1);
    assert_eq!(whole, singly);
    // A small generator is enough to cut in different places; the seed is the fuzzer's to choose.
    let mut state = u32::from(*seed);
    let split = feed(bytes, &limits, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 23
    });
    assert_eq!(whole, split);
});
