use super::changes::Author;
use super::frame::{self, Class, Decoded, FrameError, HEADER_BYTES, Head, Kind, Limits};
use super::hello::{self, Hello, Reason, Refuse, Revisions, Role};
use super::message::{Ack, Credit, Ping, decode_acks, decode_heard, encode_acks, encode_heard};
use super::request::{ReadLevel, Request, Response, SessionFlags, Taken, WriteLevel};
use super::wire::{
    Malformed, Reader, TooLong, put_bytes, put_field, put_section, put_varint, varint_bytes,
};
use crate::reply::Protocol;
use crate::slot::Slot;

const LIMITS: Limits = Limits { payload_bytes_max: 1 << 20 };

fn encoded(head: Head, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::encode(head, &mut out, |out| {
        out.extend_from_slice(payload);
        Ok(())
    })
    .unwrap();
    out
}

/// The only frame of `bytes`, however they arrive.
fn decoded(bytes: &[u8], limits: &Limits) -> Result<(frame::Header, Vec<u8>), FrameError> {
    let mut pos = 0;
    for cut in 0..bytes.len() {
        match frame::decode(&bytes[..cut], &mut pos, limits) {
            Ok(Decoded::Incomplete { more_bytes_hint }) => {
                assert!((1..=frame::HINT_BYTES_MAX).contains(&more_bytes_hint));
                assert!(cut + more_bytes_hint <= bytes.len(), "it asks for no more than is coming");
            }
            other => {
                assert!(other.is_err() && cut >= HEADER_BYTES, "{other:?} at {cut}");
            }
        }
        assert_eq!(pos, 0);
    }
    match frame::decode(bytes, &mut pos, limits)? {
        Decoded::Frame(frame) => {
            assert_eq!(pos, bytes.len());
            Ok((frame.header, frame.payload.to_vec()))
        }
        Decoded::Incomplete { .. } => panic!("incomplete"),
    }
}

#[test]
fn a_frame_is_these_bytes() {
    let head = Head { kind: Kind::Response, flags: 5, slot: Slot::new(0x1234), id: 0xa1b2_c3d4 };
    let bytes = encoded(head, b"+OK\r\n");
    #[rustfmt::skip]
    let expected = [
        5, 0, 0, 0,  33,  5,  0x34, 0x12,  0xd4, 0xc3, 0xb2, 0xa1,  1,  0, 0, 0,
        b'+', b'O', b'K', b'\r', b'\n',
    ];
    assert_eq!(bytes, expected);
    let (header, payload) = decoded(&bytes, &LIMITS).unwrap();
    assert_eq!(payload, b"+OK\r\n");
    assert_eq!((header.kind, header.class), (Some(Kind::Response), Class::Request));
    assert_eq!((header.flags, header.slot, header.id), (5, Slot::new(0x1234), 0xa1b2_c3d4));
    assert_eq!(header.frame_bytes(), 21);
}

#[test]
fn every_kind_survives_the_wire() {
    for &kind in Kind::ALL {
        assert_eq!(Kind::from_byte(kind as u8), Some(kind));
        let (header, _) = decoded(&encoded(Head::of(kind), b""), &LIMITS).unwrap();
        assert_eq!((header.kind, header.class, header.slot), (Some(kind), kind.class(), None));
        assert_eq!(header.is_of_link(), (kind as u8) < 16);
    }
}

#[test]
fn frames_follow_each_other() {
    let mut bytes = encoded(Head::of(Kind::Gossip), b"one");
    bytes.extend(encoded(Head::of(Kind::SyncChunk), b""));
    bytes.extend(encoded(Head::of(Kind::Effects), b"three"));
    let mut pos = 0;
    let mut payloads = Vec::new();
    while let Decoded::Frame(frame) = frame::decode(&bytes, &mut pos, &LIMITS).unwrap() {
        payloads.push(frame.payload);
    }
    assert_eq!(payloads, [&b"one"[..], b"", b"three"]);
    assert_eq!(pos, bytes.len());
    // A position beyond the buffer is no panic.
    assert!(frame::decode(&bytes, &mut (pos + 9), &LIMITS).is_ok());
}

#[test]
fn impossible_headers_are_refused_at_once() {
    let check = |change: &dyn Fn(&mut Vec<u8>), expected| {
        let mut bytes = encoded(Head::of(Kind::Effects), b"");
        change(&mut bytes);
        assert_eq!(frame::decode(&bytes, &mut 0, &LIMITS), Err(expected));
    };
    let size = |bytes: &mut Vec<u8>| bytes[..4].copy_from_slice(&((1u32 << 20) + 1).to_le_bytes());
    check(&size, FrameError::TooLong { kind: 48, payload_bytes: (1 << 20) + 1 });
    check(&|bytes| bytes[12] = 4, FrameError::Class(4));
    check(&|bytes| bytes[12] = Class::Control as u8, FrameError::Class(0));
    check(&|bytes| bytes[6..8].copy_from_slice(&[0, 0x40]), FrameError::Slot(0x4000));
    let small = |bytes: &mut Vec<u8>| {
        bytes[..6].copy_from_slice(&[1, 4, 0, 0, 5, 0]);
        bytes[12] = 0;
    };
    check(&small, FrameError::TooLong { kind: 5, payload_bytes: 1025 });
    // What a client or a browser sends to this port reads as a frame that is far too long.
    for stray in [
        &b"*1\r\n$4\r\nPING\r\n  "[..],
        b"GET / HTTP/1.1\r\n",
        &[0x16, 3, 1, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        let result = frame::decode(stray, &mut 0, &Limits::handshake());
        assert!(matches!(result, Err(FrameError::TooLong { .. })), "{}", stray.escape_ascii());
    }
}

#[test]
fn unknown_kinds_and_reserved_bytes_pass() {
    let mut bytes = encoded(Head::of(Kind::SyncEnd), b"later");
    bytes[4] = 200;
    bytes[13..16].copy_from_slice(b"\xff\xff\xff");
    let (header, payload) = decoded(&bytes, &LIMITS).unwrap();
    assert_eq!((header.kind, header.class, &payload[..]), (None, Class::Sync, &b"later"[..]));
}

#[test]
fn limits_follow_the_bulk_limit_and_fit_the_header() {
    assert_eq!(Limits::established(512 << 20).payload_bytes_max, 576 << 20);
    assert_eq!(Limits::established(u64::MAX).payload_bytes_max, u32::MAX);
}

#[test]
fn a_failed_payload_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    let failed = frame::encode(Head::of(Kind::Hello), &mut out, |out| {
        out.push(1);
        Err(TooLong)
    });
    assert_eq!((failed, &out[..]), (Err(TooLong), &b"before"[..]));
    assert_eq!(put_section(&mut out, 1, |out| out.resize(70_000, 0)), Err(TooLong));
    assert_eq!(out, b"before");
}

#[test]
fn varints_have_one_form() {
    let values = [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), 1 << 63, u64::MAX];
    for value in values {
        let mut out = Vec::new();
        put_varint(&mut out, value);
        assert_eq!(out.len(), varint_bytes(value));
        let mut reader = Reader::new(&out);
        assert_eq!(reader.varint(), Ok(value));
        assert_eq!(reader.end(), Ok(()));
        for cut in 0..out.len() {
            assert_eq!(Reader::new(&out[..cut]).varint(), Err(Malformed::Truncated));
        }
    }
    for overlong in [
        &b"\x80\x00"[..],
        b"\xff\x80\x00",
        &[0xff; 11],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
    ] {
        assert_eq!(Reader::new(overlong).varint(), Err(Malformed::Varint));
    }
    assert_eq!(Reader::new(b"\x05").varint_max(4, "it"), Err(Malformed::Value("it")));
}

#[test]
fn byte_strings_are_bounded_before_they_are_taken() {
    let mut out = Vec::new();
    put_bytes(&mut out, b"abc");
    assert_eq!(Reader::new(&out).bytes(3, "it"), Ok(&b"abc"[..]));
    assert_eq!(Reader::new(&out).bytes(2, "it"), Err(Malformed::TooLong("it")));
    let mut huge = Vec::new();
    put_varint(&mut huge, u64::MAX);
    assert_eq!(Reader::new(&huge).bytes(usize::MAX, "it"), Err(Malformed::Truncated));
}

fn hello() -> Hello<'static> {
    Hello {
        cluster: b"orders",
        node: 0xfeed_0000_0000_0001,
        incarnation: 7,
        revisions: Revisions { min: 1, max: 2 },
        features: 1 << 40,
        layout_algo: 1,
        role: Role::Data { worker: 3 },
        wall_us: 1_760_000_000_000_000,
        challenge: [9; 32],
    }
}

fn payload(encode: impl FnOnce(&mut Vec<u8>) -> Result<(), TooLong>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out).unwrap();
    out
}

#[test]
fn hellos_survive_the_wire() {
    let roles =
        [Role::Control, Role::Sync, Role::Data { worker: 0 }, Role::Data { worker: u16::MAX }];
    for role in roles {
        let hello = Hello { role, ..hello() };
        let bytes = payload(|out| hello.encode(out));
        assert!(bytes.len() <= frame::SMALL_PAYLOAD_BYTES_MAX as usize);
        assert_eq!(Hello::decode(&bytes), Ok(hello));
        for cut in 0..bytes.len() {
            assert!(Hello::decode(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
    // The longest one fits the bound of its kind.
    let longest = Hello {
        cluster: &[b'x'; 255],
        incarnation: u64::MAX,
        revisions: Revisions { min: u16::MAX, max: u16::MAX },
        features: u64::MAX,
        wall_us: u64::MAX,
        ..hello()
    };
    let bytes = payload(|out| longest.encode(out));
    assert!(bytes.len() <= frame::SMALL_PAYLOAD_BYTES_MAX as usize);
    assert_eq!(Hello { cluster: &[b'x'; 256], ..hello() }.encode(&mut Vec::new()), Err(TooLong));
}

#[test]
fn hellos_that_make_no_sense_are_refused() {
    let check = |bytes: &[u8], expected| assert_eq!(Hello::decode(bytes), Err(expected));
    let good = payload(|out| hello().encode(out));
    let mut wrong = good.clone();
    wrong[0] = b'R';
    check(&wrong, Malformed::Value("magic"));
    wrong = good.clone();
    wrong[4] = 2;
    check(&wrong, Malformed::Version(2));
    wrong = good.clone();
    wrong.push(0);
    check(&wrong, Malformed::Trailing);
    let range = Hello { revisions: Revisions { min: 3, max: 2 }, ..hello() };
    check(&payload(|out| range.encode(out)), Malformed::Value("revision"));
    let mut empty = hello::MAGIC.to_vec();
    put_section(&mut empty, 1, |_| ()).unwrap();
    check(&empty, Malformed::Missing("revision"));
}

#[test]
fn fields_of_a_later_revision_are_skipped() {
    let mut bytes = payload(|out| hello().encode(out));
    let mut extra = Vec::new();
    put_field(&mut extra, 222, b"what is to come");
    let fields = u16::from_le_bytes([bytes[5], bytes[6]]) + extra.len() as u16;
    bytes[5..7].copy_from_slice(&fields.to_le_bytes());
    bytes.extend(extra);
    assert_eq!(Hello::decode(&bytes), Ok(hello()));
}

#[test]
fn the_highest_common_revision_is_chosen() {
    let check = |a: (u16, u16), b: (u16, u16), expected| {
        let (a, b) = (Revisions { min: a.0, max: a.1 }, Revisions { min: b.0, max: b.1 });
        assert_eq!(a.highest_common(b), expected);
        assert_eq!(b.highest_common(a), expected);
    };
    check((1, 1), (1, 1), Some(1));
    check((1, 2), (2, 3), Some(2));
    check((1, 4), (2, 3), Some(3));
    check((1, 2), (3, 4), None);
}

#[test]
fn refusals_survive_the_wire() {
    let named = (1..=10).map(|number| Refuse::decode(&[number, 0]).unwrap().reason);
    let mut seen = std::collections::HashSet::new();
    for reason in named.chain([Reason::Other(0), Reason::Other(77)]) {
        let refuse = Refuse { reason, text: b"ours orders, theirs carts" };
        let bytes = payload(|out| refuse.encode(out));
        assert_eq!(Refuse::decode(&bytes), Ok(refuse));
        assert!(seen.insert(reason.to_string()));
    }
    let long = payload(|out| Refuse { reason: Reason::Secret, text: &[b'x'; 999] }.encode(out));
    assert_eq!(Refuse::decode(&long).unwrap().text.len(), hello::REFUSAL_TEXT_BYTES_MAX);
}

#[test]
fn proofs_are_bounded_and_transcripts_unambiguous() {
    let bytes = payload(|out| hello::encode_proof(&[1; 32], out));
    assert_eq!(hello::decode_proof(&bytes), Ok(&[1; 32][..]));
    assert_eq!(hello::encode_proof(&[1; 65], &mut Vec::new()), Err(TooLong));
    assert!(hello::decode_proof(&[65; 66]).is_err());
    assert_ne!(hello::transcript(b"ab", b"c"), hello::transcript(b"a", b"bc"));
}

#[test]
fn requests_carry_what_differs_from_the_default() {
    let get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    let plain = payload(|out| Request::plain(get).encode(out));
    assert_eq!(plain.len(), 3 + get.len());
    assert_eq!(Request::decode(&plain), Ok(Request::plain(get)));
    let full = Request {
        protocol: Protocol::Resp3,
        db: 15,
        command_count: 16,
        write: WriteLevel::Copies(2),
        read: ReadLevel::Session,
        deadline_ms: u64::MAX,
        hops: 1,
        flags: SessionFlags(SessionFlags::READONLY | 1 << 31),
        client_name: b"billing",
        token: &[7; 4096],
        user: b"svc",
        rules: b"~a* resetchannels -@all +get",
        author: Some(Author { node: 1 << 40, client: 9 }),
        window: 1 << 23,
        commands: get,
    };
    let bytes = payload(|out| full.encode(out));
    assert_eq!(Request::decode(&bytes), Ok(full));
    assert!(full.flags.has(SessionFlags::READONLY) && !full.flags.has(SessionFlags::ASKING));
    for too_long in [
        Request { client_name: &[b'n'; 256], ..full },
        Request { token: &[0; 4097], ..full },
        Request { command_count: 0, ..full },
    ] {
        assert_eq!(too_long.encode(&mut Vec::new()), Err(TooLong));
    }
}

#[test]
fn every_level_survives_the_wire() {
    let writes = [WriteLevel::Setting, WriteLevel::Quorum, WriteLevel::All];
    for write in writes.into_iter().chain((1..=255).map(WriteLevel::Copies)) {
        for read in [
            ReadLevel::Setting,
            ReadLevel::Primary,
            ReadLevel::Any,
            ReadLevel::Session,
            ReadLevel::Quorum,
        ] {
            let request = Request { write, read, ..Request::plain(b"") };
            assert_eq!(Request::decode(&payload(|out| request.encode(out))), Ok(request));
        }
    }
}

#[test]
fn request_fields_out_of_range_are_refused() {
    let check = |tag: u8, value: &[u8]| {
        let mut bytes = Vec::new();
        put_section(&mut bytes, 1, |out| put_field(out, tag, value)).unwrap();
        assert!(Request::decode(&bytes).is_err(), "{tag} {value:?}");
    };
    check(1, &[4]);
    check(2, b"\x80\x80\x04");
    check(3, &[0]);
    check(4, b"\x82\x02");
    check(5, &[5]);
    check(7, b"\x80\x02");
    check(7, &[1, 1]);
    check(9, &[b'n'; 256]);
}

#[test]
fn responses_survive_the_wire() {
    for (written, owner) in [(0, None), (u64::MAX, Some(0)), (1, Some(u64::MAX))] {
        let response = Response { written, versions: b"0123456789", owner, replies: b"+OK\r\n" };
        assert_eq!(Response::decode(&payload(|out| response.encode(out))), Ok(response));
    }
}

#[test]
fn what_was_taken_of_a_response_survives_the_wire() {
    for (bytes, unwanted) in [(0, false), (u64::MAX, true)] {
        let taken = Taken { bytes, unwanted };
        assert_eq!(Taken::decode(&payload(|out| taken.encode(out))), Ok(taken));
    }
    assert!(Taken::decode(b"").is_err());
}

#[test]
fn confirmations_survive_the_wire() {
    let mut bytes = Vec::new();
    encode_heard(8, &mut bytes);
    assert_eq!(bytes, [1, 8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decode_heard(&bytes), Ok(8));
    assert_eq!(decode_heard(&bytes[..8]), Err(Malformed::Truncated));
    bytes.push(0);
    assert_eq!(decode_heard(&bytes), Err(Malformed::Trailing));
}

#[test]
fn acks_pings_and_credit_survive_the_wire() {
    let ack = |slot, tag, version| Ack { slot: Slot::new(slot).unwrap(), tag, version };
    let acks = [ack(0, 0, 0), ack(16_383, 4095, u64::MAX)];
    let mut bytes = Vec::new();
    encode_acks(acks, &mut bytes);
    assert!(decode_acks(&bytes).unwrap().eq(acks));
    assert!(decode_acks(&bytes[..24]).is_err());
    // A tag beyond twelve bits in the second spoils both.
    bytes[1 + 12 + 3] = 0x10;
    assert_eq!(decode_acks(&bytes).err(), Some(Malformed::Value("acknowledgement")));
    let ping = Ping { id: 3, wall_us: u64::MAX };
    let mut bytes = Vec::new();
    ping.encode(&mut bytes);
    assert_eq!(Ping::decode(&bytes), Ok(ping));
    for class in Class::ALL {
        let credit = Credit { class, granted_bytes: 1 << 40 };
        let mut bytes = Vec::new();
        credit.encode(&mut bytes);
        assert_eq!(Credit::decode(&bytes), Ok(credit));
        bytes[1] = frame::CLASS_COUNT as u8;
        assert_eq!(Credit::decode(&bytes), Err(Malformed::Value("class")));
    }
}
