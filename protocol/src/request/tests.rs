use super::{Args, Decoder, Limits, Span, Status};
use crate::error::{ProtocolError, WireError};

/// What a connection made of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    requests: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    /// Bytes of a request that is not whole; 0 after an error.
    pending_bytes: usize,
}

/// Feeds `chunks` as a connection would: all requests in the buffer, then the tail to the front, then the next chunk.
/// `padding` bytes stand before the unread bytes, and change from call to call, for the decoder must not care where they lie.
fn feed<'a>(chunks: impl Iterator<Item = &'a [u8]>, limits: &Limits, padding: usize) -> Outcome {
    let mut decoder = Decoder::new();
    let mut outcome = Outcome { requests: Vec::new(), error: None, pending_bytes: 0 };
    let mut tail = Vec::new();
    for (round, chunk) in chunks.enumerate() {
        let mut pos = padding * (round % 3);
        let mut buf = vec![b'#'; pos];
        buf.extend_from_slice(&tail);
        buf.extend_from_slice(chunk);
        // Something of an earlier request of the batch is there already.
        let mut spans = vec![Span { start: 0, len: 0 }];
        loop {
            let before = spans.len();
            match decoder.decode(&mut buf, &mut pos, &mut spans, limits) {
                Ok(Status::Request { spans: range }) => {
                    assert_eq!(range, before..spans.len());
                    assert!(!range.is_empty());
                    assert!(decoder.is_idle());
                    let args = Args::new(&buf, &spans[range]);
                    outcome.requests.push(args.iter().map(<[u8]>::to_vec).collect());
                }
                Ok(Status::Incomplete { more_bytes_hint }) => {
                    assert!((1..=Decoder::HINT_BYTES_MAX).contains(&more_bytes_hint));
                    assert_eq!(spans.len(), before);
                    assert!(decoder.heap_bytes() <= 64 + 8 * buf.len().next_power_of_two());
                    break;
                }
                Err(error) => {
                    assert_eq!(spans.len(), before);
                    outcome.error = Some(error);
                    outcome.pending_bytes = 0;
                    return outcome;
                }
            }
        }
        tail = buf.split_off(pos);
        assert_eq!(tail.is_empty(), decoder.is_idle());
        outcome.pending_bytes = tail.len();
    }
    outcome
}

fn whole(bytes: &[u8], limits: &Limits) -> Outcome {
    feed(std::iter::once(bytes), limits, 0)
}

/// Asserts that `bytes` mean the same however they arrive, and returns what they mean.
fn however_split(bytes: &[u8], limits: &Limits) -> Outcome {
    let expected = whole(bytes, limits);
    for padding in [0, 5] {
        let singly = feed(bytes.chunks(1), limits, padding);
        assert_eq!(singly, expected, "byte by byte: {}", bytes.escape_ascii());
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let split = feed([a, b].into_iter(), limits, padding);
            assert_eq!(split, expected, "cut at {cut}: {}", bytes.escape_ascii());
        }
        for size in [2, 3, 7] {
            assert_eq!(feed(bytes.chunks(size), limits, padding), expected, "by {size}");
        }
    }
    expected
}

fn check(bytes: &[u8], expected: &[&[&[u8]]]) {
    let outcome = however_split(bytes, &Limits::default());
    let requests: Vec<Vec<&[u8]>> =
        outcome.requests.iter().map(|args| args.iter().map(Vec::as_slice).collect()).collect();
    assert_eq!(requests, expected, "{}", bytes.escape_ascii());
    assert_eq!(outcome.error, None, "{}", bytes.escape_ascii());
}

fn check_error(bytes: &[u8], limits: &Limits, expected: ProtocolError) {
    let outcome = however_split(bytes, limits);
    assert_eq!(outcome.error, Some(expected), "{}", bytes.escape_ascii());
}

#[test]
fn multibulk_requests() {
    check(b"*1\r\n$4\r\nPING\r\n", &[&[b"PING"]]);
    check(b"*2\r\n$3\r\nGET\r\n$3\r\nfoo\r\n", &[&[b"GET", b"foo"]]);
    check(b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n", &[&[b"SET", b"", b"\r\n"]]);
    check(b"*1\r\n$0\r\n\r\n", &[&[b""]]);
    check(b"*2\r\n$4\r\nECHO\r\n$12\r\n*1\r\n$4\r\nPING\r\n", &[&[b"ECHO", b"*1\r\n$4\r\nPING"]]);
    check(
        b"*11\r\n$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$2\r\n10\r\n",
        &[&[b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"10"]],
    );
    let value = vec![b'v'; 1234];
    let mut bytes = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1234\r\n".to_vec();
    bytes.extend_from_slice(&value);
    bytes.extend_from_slice(b"\r\n*1\r\n$4\r\nPING\r\n");
    check(&bytes, &[&[b"SET", b"k", &value], &[b"PING"]]);
}

#[test]
fn lengths_of_every_number_of_digits() {
    for len in
        [0usize, 1, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999, 100_000, 999_999, 1_000_000]
    {
        let mut bytes = format!("*2\r\n$1\r\nx\r\n${len}\r\n").into_bytes();
        bytes.resize(bytes.len() + len, b'y');
        bytes.extend_from_slice(b"\r\n");
        let outcome = whole(&bytes, &Limits::default());
        assert_eq!(outcome.requests, [[b"x".to_vec(), vec![b'y'; len]]]);
        assert_eq!(feed(bytes.chunks(16_384), &Limits::default(), 3), outcome);
    }
}

#[test]
fn requests_without_arguments_are_skipped() {
    check(b"*0\r\n*1\r\n$1\r\na\r\n", &[&[b"a"]]);
    check(b"*-1\r\n*-99999\r\n\r\n\n  \r\n\t\nPING\r\n", &[&[b"PING"]]);
    check(b"*0\r\n\r\n \n", &[]);
    check(b"", &[]);
}

/// Redis checks neither the byte behind a line's CR nor the two behind a bulk.
#[test]
fn line_ends_that_are_not_looked_at() {
    check(b"*1\r\n$4\rxPINGab*1\r\n$1\r\nb\r\n", &[&[b"PING"], &[b"b"]]);
    check(b"*1\rx$4\r\nPING\r\n", &[&[b"PING"]]);
    check(b"*1\r\n$0\r\nab*1\r\n$1\r\nb\r\n", &[&[b""], &[b"b"]]);
}

#[test]
fn inline_requests() {
    check(b"PING\r\n", &[&[b"PING"]]);
    check(b"PING\nPING\r\r\n", &[&[b"PING"], &[b"PING"]]);
    check(b"  SET  key\tvalue  \r\n", &[&[b"SET", b"key", b"value"]]);
    check(b"PI\rNG\r\n", &[&[b"PI", b"NG"]]);
    check(b"ECHO a\x0bb\r\n\x0bECHO \x0ca\r\n", &[&[b"ECHO", b"a\x0bb"], &[b"ECHO", b"a"]]);
    check(b"ECHO \x80\x00\xff\r\n", &[&[b"ECHO", b"\x80\x00\xff"]]);
    check(b"GET *\r\n*1\r\n$1\r\na\r\nGET b\r\n", &[&[b"GET", b"*"], &[b"a"], &[b"GET", b"b"]]);
}

#[test]
fn quoted_words_are_unescaped() {
    check(br#"ECHO "a\x41\n\r\t\b\a\q\"\\""#, &[]);
    check(
        b"ECHO \"a\\x41\\n\\r\\t\\b\\a\\q\\\"\\\\\" x\r\n",
        &[&[b"ECHO", b"aA\n\r\t\x08\x07q\"\\", b"x"]],
    );
    check(b"ECHO \"\\x4\\xg0\\X41\\xFf\"\n", &[&[b"ECHO", b"x4xg0X41\xff"]]);
    check(b"ECHO 'a\\'b\\n\"' '' \"\"\n", &[&[b"ECHO", b"a'b\\n\"", b"", b""]]);
    check(b"ECHO a\"b c\"\td'e f'\n", &[&[b"ECHO", b"ab c", b"de f"]]);
    check(b"\"\"\r\n", &[&[b""]]);
    check(b"\"a\"\x0bb\n", &[&[b"a", b"b"]]);
}

#[test]
fn quotes_that_do_not_close() {
    for bytes in [
        &b"ECHO \"abc\r\n"[..],
        b"ECHO \"abc\\\r\n",
        b"ECHO \"abc\\\"\r\n",
        b"ECHO \"a\"b\r\n",
        b"ECHO 'a'b\r\n",
        b"ECHO 'abc\n",
        b"ECHO '\\'\n",
        b"ECHO a\"b\n",
        b"\"\n",
    ] {
        check_error(bytes, &Limits::default(), ProtocolError::UnbalancedQuotes);
    }
}

#[test]
fn wrong_counts_and_lengths() {
    let limits = Limits::default();
    let count = |bytes: &[u8]| check_error(bytes, &limits, ProtocolError::InvalidMultibulkLength);
    for bytes in
        ["*\r\n", "*abc\r\n", "*01\r\n", "*-0\r\n", "*+1\r\n", "* 1\r\n", "*1 \r\n", "*1\0\r\n"]
    {
        count(bytes.as_bytes());
    }
    count(b"*1048577\r\n");
    count(b"*2147483648\r\n");
    count(b"*99999999999999999999999\r\n");
    let length = |bytes: &[u8]| check_error(bytes, &limits, ProtocolError::InvalidBulkLength);
    for bytes in [
        "$\r\n",
        "$-1\r\n",
        "$-0\r\n",
        "$00\r\n",
        "$03\r\nfoo\r\n",
        "$a\r\n",
        "$1a\r\nfoo\r\n",
        "$+1\r\n",
        "$536870913\r\n",
    ] {
        length(format!("*2\r\n$3\r\nfoo\r\n{bytes}").as_bytes());
    }
    length(b"*1\r\n$99999999999999999999999\r\n");
    check_error(b"*1\r\nx\r\n", &limits, ProtocolError::ExpectedDollar(b'x'));
    check_error(b"*1\r\n\r\n", &limits, ProtocolError::ExpectedDollar(b'\r'));
    check_error(b"*2\r\n$1\r\na\r\n\x80$\r\n", &limits, ProtocolError::ExpectedDollar(0x80));
}

#[test]
fn limits_are_inclusive() {
    let limits = Limits { bulk_bytes_max: 5, elements_max: 3, ..Limits::default() };
    let outcome = however_split(b"*3\r\n$5\r\nabcde\r\n$1\r\nx\r\n$1\r\ny\r\n", &limits);
    assert_eq!(outcome.requests.len(), 1);
    check_error(b"*4\r\n", &limits, ProtocolError::InvalidMultibulkLength);
    check_error(b"*1\r\n$6\r\nabcdef\r\n", &limits, ProtocolError::InvalidBulkLength);
}

#[test]
fn clients_that_did_not_authenticate_have_less() {
    let limits = Limits { authenticated: false, ..Limits::default() };
    check_error(b"*11\r\n", &limits, ProtocolError::UnauthenticatedMultibulkLength);
    check_error(b"*1\r\n$16385\r\n", &limits, ProtocolError::UnauthenticatedBulkLength);
    check_error(b"*1\r\n$536870913\r\n", &limits, ProtocolError::InvalidBulkLength);
    check_error(b"*1048577\r\n", &limits, ProtocolError::InvalidMultibulkLength);
    assert_eq!(whole(b"*10\r\n$16384\r\n", &limits).error, None);
    let outcome = however_split(b"*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n", &limits);
    assert_eq!(outcome.requests.len(), 1);
}

#[test]
fn lines_that_do_not_end() {
    let limits = Limits { inline_bytes_max: 20, ..Limits::default() };
    let line = |head: &str, len: usize| format!("{head}{}", "1".repeat(len)).into_bytes();
    for (head, error) in [
        ("x", ProtocolError::InlineTooLong),
        ("*", ProtocolError::MultibulkCountTooLong),
        ("$", ProtocolError::InlineTooLong),
    ] {
        assert_eq!(however_split(&line(head, 19), &limits).error, None);
        check_error(&line(head, 20), &limits, error);
    }
    assert_eq!(however_split(&line("*1\r\n$", 19), &limits).error, None);
    check_error(&line("*1\r\n$", 20), &limits, ProtocolError::BulkCountTooLong);
    // A line end that comes later does not help; one right behind the longest line does.
    check_error(b"aaaaaaaaaaaaaaaaaaaaa\nPING\n", &limits, ProtocolError::InlineTooLong);
    assert_eq!(however_split(b"aaaaaaaaaaaaaaaaaaaa\nPING\n", &limits).requests.len(), 2);
}

#[test]
fn the_hint_says_what_is_missing_and_trusts_no_length() {
    let hint = |bytes: &[u8]| {
        let mut decoder = Decoder::new();
        let limits = Limits::default();
        match decoder.decode(&mut bytes.to_vec(), &mut 0, &mut Vec::new(), &limits) {
            Ok(Status::Incomplete { more_bytes_hint }) => (more_bytes_hint, decoder.heap_bytes()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(hint(b"").0, 1);
    assert_eq!(hint(b"*1\r").0, 1);
    assert_eq!(hint(b"*1\r\n$5\r\nab").0, 5);
    assert_eq!(hint(b"*1\r\n$5\r\nabcde\r").0, 1);
    let (bytes, held) = hint(b"*1048576\r\n$536870912\r\n");
    assert_eq!(bytes, Decoder::HINT_BYTES_MAX);
    assert!(held < 128, "{held} bytes for what was only declared");
    assert_eq!(hint(b"").1, 0);
}

#[test]
fn a_request_beyond_what_a_span_can_name_is_refused() {
    let limits = Limits { bulk_bytes_max: u64::MAX, ..Limits::default() };
    check_error(b"*1\r\n$4294967295\r\n", &limits, ProtocolError::RequestTooLong);
    check_error(b"*1\r\n$9223372036854775807\r\n", &limits, ProtocolError::RequestTooLong);
    assert_eq!(however_split(b"*1\r\n$4294967200\r\n", &limits).error, None);
}

/// Scanning anew on each read would look at 2 × 10^10 bytes here.
#[test]
fn a_long_request_in_small_reads_is_scanned_once() {
    let limits = Limits::default();
    let mut bytes = b"*100000\r\n".to_vec();
    bytes.extend(b"$1\r\nx\r\n".repeat(100_000));
    let mut decoder = Decoder::new();
    let (mut spans, mut pos) = (Vec::new(), 0);
    for end in (0..bytes.len()).step_by(10) {
        let status = decoder.decode(&mut bytes[..end], &mut pos, &mut spans, &limits);
        assert!(matches!(status, Ok(Status::Incomplete { .. })));
    }
    let status = decoder.decode(&mut bytes, &mut pos, &mut spans, &limits);
    assert_eq!(status, Ok(Status::Request { spans: 0..100_000 }));
    assert_eq!(pos, bytes.len());
}

#[test]
fn errors_in_redis_words() {
    let line = |error| String::from_utf8_lossy(&WireError::from(error).line()).into_owned();
    assert_eq!(line(ProtocolError::InlineTooLong), "ERR Protocol error: too big inline request");
    assert_eq!(
        line(ProtocolError::ExpectedDollar(b'x')),
        "ERR Protocol error: expected '$', got 'x'"
    );
    assert_eq!(
        line(ProtocolError::ExpectedDollar(b'\r')),
        "ERR Protocol error: expected '$', got ' '"
    );
    assert_eq!(
        WireError::from(ProtocolError::ExpectedDollar(0xff)).line().last_chunk(),
        Some(b"'\xff'")
    );
}

#[test]
fn args_are_read_by_position_and_word() {
    let spans = [Span { start: 0, len: 3 }, Span { start: 4, len: 2 }];
    let args = Args::new(b"get Ex", &spans);
    assert_eq!((args.len(), args.is_empty()), (2, false));
    assert_eq!((args.get(1), args.get(2)), (Some(&b"Ex"[..]), None));
    assert!(args.is(1, "EX") && !args.is(1, "PX") && !args.is(2, ""));
    assert_eq!(&args.from(1)[0], b"Ex");
    assert!(args.from(3).is_empty());
    assert_eq!((args.extent(), args.from(1).extent(), args.from(3).extent()), (6, 2, 0));
}

#[test]
fn an_idle_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 64);
}
