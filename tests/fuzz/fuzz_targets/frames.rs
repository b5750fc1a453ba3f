//! Any bytes through the peer protocol: the frame decoder, and the typed payloads behind it.
//!
//! Holds: no panic; frames do not depend on how their bytes arrive; a frame's size is within its limit and a hint is bounded; whatever a
//! payload's reader accepts survives being written and read again.
//!
//! `cargo +nightly fuzz run frames -- -max_len=2048`, in `tests/fuzz` or with `--fuzz-dir tests/fuzz`.
//!
//! ```text
//!   input:  [ limits ][ split seed ][ what the peer sends … ]     and all of it as the payload of each kind
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use torc_protocol::peer::frame::{
    self, Decoded, Frame, FrameError, HINT_BYTES_MAX, Head, Header, SMALL_PAYLOAD_BYTES_MAX,
};
use torc_protocol::peer::hello::{self, Hello, Refuse};
use torc_protocol::peer::message::{Ack, Credit, Ping, decode_acks, encode_acks};
use torc_protocol::peer::request::{Request, Response};
use torc_protocol::peer::wire::{Reader, put_bytes, put_varint};
use torc_protocol::peer::{Kind, Limits, changes, publish};

/// What a link made of its bytes.
#[derive(Debug, PartialEq, Eq, Default)]
struct Outcome {
    frames: Vec<(Header, Vec<u8>)>,
    error: Option<FrameError>,
    /// Bytes of a frame that is not whole.
    pending: Vec<u8>,
}

/// Feeds `bytes` in chunks of the sizes that `size` gives, the tail moved to the front of a new buffer in between.
fn feed(bytes: &[u8], limits: &Limits, mut size: impl FnMut() -> usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut rest = bytes;
    let mut buf: Vec<u8> = Vec::new();
    while !rest.is_empty() {
        let (chunk, later) = rest.split_at(size().clamp(1, rest.len()));
        rest = later;
        buf.extend_from_slice(chunk);
        let mut pos = 0;
        loop {
            match frame::decode(&buf, &mut pos, limits) {
                Ok(Decoded::Frame(Frame { header, payload })) => {
                    let bytes_max = limits.payload_bytes_max.max(SMALL_PAYLOAD_BYTES_MAX);
                    assert!(payload.len() <= bytes_max as usize);
                    assert_eq!(payload.len(), header.payload_bytes as usize);
                    outcome.frames.push((header, payload.to_vec()));
                }
                Ok(Decoded::Incomplete { more_bytes_hint }) => {
                    assert!((1..=HINT_BYTES_MAX).contains(&more_bytes_hint));
                    break;
                }
                Err(error) => {
                    outcome.error = Some(error);
                    return outcome;
                }
            }
        }
        buf.drain(..pos);
    }
    outcome.pending = buf;
    outcome
}

/// A frame of a known kind, written again, is the same but for its reserved bytes.
fn check_frame(header: &Header, payload: &[u8]) {
    let Some(kind) = header.kind else { return };
    let head = Head { kind, flags: header.flags, slot: header.slot, id: header.id };
    let mut bytes = Vec::new();
    let written = frame::encode(head, &mut bytes, |out| {
        out.extend_from_slice(payload);
        Ok(())
    });
    assert!(written.is_ok());
    let again = frame::decode(&bytes, &mut 0, &Limits { payload_bytes_max: u32::MAX });
    assert_eq!(again, Ok(Decoded::Frame(Frame { header: *header, payload })));
}

/// `payload` as each of the payloads that this crate knows.
fn check_payload(payload: &[u8]) {
    let mut out = Vec::new();
    if let Ok(hello) = Hello::decode(payload) {
        assert_eq!(hello.encode(&mut out), Ok(()));
        assert_eq!(Hello::decode(&out), Ok(hello));
    }
    out.clear();
    if let Ok(proof) = hello::decode_proof(payload) {
        assert_eq!(hello::encode_proof(proof, &mut out), Ok(()));
        assert_eq!(out, payload);
    }
    out.clear();
    if let Ok(refuse) = Refuse::decode(payload) {
        assert_eq!(refuse.encode(&mut out), Ok(()));
        assert_eq!(out, payload);
        let _ = refuse.reason.to_string();
    }
    out.clear();
    if let Ok(request) = Request::decode(payload) {
        assert_eq!(request.encode(&mut out), Ok(()));
        assert_eq!(Request::decode(&out), Ok(request));
    }
    out.clear();
    if let Ok(response) = Response::decode(payload) {
        assert_eq!(response.encode(&mut out), Ok(()));
        assert_eq!(Response::decode(&out), Ok(response));
    }
    out.clear();
    if let Ok(acks) = decode_acks(payload) {
        let acks: Vec<Ack> = acks.collect();
        assert_eq!(acks.len() * 12 + 1, payload.len());
        encode_acks(acks, &mut out);
        assert_eq!(out, payload);
    }
    out.clear();
    if let Ok(ping) = Ping::decode(payload) {
        ping.encode(&mut out);
        assert_eq!(out, payload);
    }
    out.clear();
    if let Ok(credit) = Credit::decode(payload) {
        credit.encode(&mut out);
        assert_eq!(out, payload);
    }
    out.clear();
    if let Ok(published) = publish::decode(payload) {
        publish::encode(published.kind, published.channel, published.message, &mut out);
        assert_eq!(out, payload);
    }
    out.clear();
    if let Ok((head, entries)) = publish::decode_interest(payload) {
        publish::begin_interest(head.anew, head.change, &mut out);
        entries.for_each(|e| publish::put_interest(e.kind, e.name, e.subscribers, &mut out));
        // Flags of a later revision are not known here.
        assert_eq!((out[0], &out[2..]), (payload[0], &payload[2..]));
    }
    out.clear();
    if let Ok((tracks, change)) = changes::decode_tracks(payload) {
        changes::encode_tracks(tracks, change, &mut out);
        assert_eq!((out[0], &out[2..]), (payload[0], &payload[2..]));
    }
    out.clear();
    if let Ok((all, entries)) = changes::decode_changed(payload) {
        changes::begin_changed(all, &mut out);
        entries.for_each(|(key, author)| changes::put_changed(key, author, &mut out));
        assert_eq!((out[0], &out[2..]), (payload[0], &payload[2..]));
    }
}

/// Primitives have one form: what was read is what would be written.
fn check_primitives(payload: &[u8]) {
    let mut reader = Reader::new(payload);
    let mut out = Vec::new();
    while let Ok(value) = reader.varint() {
        put_varint(&mut out, value);
    }
    assert!(payload.starts_with(&out));
    let mut reader = Reader::new(payload);
    let mut out = Vec::new();
    while let Ok(bytes) = reader.bytes(64, "string") {
        put_bytes(&mut out, bytes);
    }
    assert!(payload.starts_with(&out));
}

fuzz_target!(|input: &[u8]| {
    let [flags, seed, bytes @ ..] = input else { return };
    let limits = if flags & 1 == 0 {
        Limits::handshake()
    } else if flags & 2 == 0 {
        Limits::established(512 << 20)
    } else {
        Limits { payload_bytes_max: 40 }
    };
    let whole = feed(bytes, &limits, || usize::MAX);
    assert_eq!(whole, feed(bytes, &limits, || 1));
    // A small generator is enough to cut in different places; the seed is the fuzzer's to choose.
    let mut state = u32::from(*seed);
    let split = feed(bytes, &limits, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 23
    });
    assert_eq!(whole, split);
    for (header, payload) in &whole.frames {
        check_frame(header, payload);
        check_payload(payload);
    }
    check_payload(bytes);
    check_primitives(bytes);
    // A well-formed frame around the fuzzer's bytes, so that it need not find the header first.
    if let Some(&kind) = Kind::ALL.get(usize::from(*seed) % Kind::ALL.len()) {
        let mut framed = Vec::new();
        let payload = |out: &mut Vec<u8>| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        assert!(frame::encode(Head::of(kind), &mut framed, payload).is_ok());
        let found = feed(&framed, &Limits { payload_bytes_max: 1 << 20 }, || 7);
        assert!(found.error.is_some() || found.frames.len() == 1);
    }
});
