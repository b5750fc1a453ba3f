//! The reply writer: RESP2 and RESP3 into one growing buffer.
//!
//! A handler writes its reply once, by meaning (map, set, null, double); the connection's protocol decides the bytes.
//! Source: the RESP specification (redis.io/docs/reference/protocol-spec).

use crate::error::WireError;
use crate::number::DoubleText;

/// The protocol version a connection speaks; HELLO changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2, where every connection begins.
    #[default]
    Resp2,
    /// RESP3, after `HELLO 3`.
    Resp3,
}

/// Appends replies to a buffer in one protocol version.
#[derive(Debug)]
pub struct Reply<'o> {
    out: &'o mut Vec<u8>,
    protocol: Protocol,
    /// How long the buffer may become by bulk strings; [`CUT`] once one of them did not fit.
    most: usize,
}

/// See [`Reply::is_cut`].
const CUT: usize = 0;

impl<'o> Reply<'o> {
    /// A writer that appends to `out`.
    pub fn new(out: &'o mut Vec<u8>, protocol: Protocol) -> Self {
        Reply { out, protocol, most: usize::MAX }
    }

    /// The same, that makes `out` no longer than about twice `most` bytes, however much is written: bulk strings for which it would have to grow beyond `most` are left out.
    pub fn bounded(out: &'o mut Vec<u8>, protocol: Protocol, most: usize) -> Self {
        Reply { out, protocol, most: most.max(1) }
    }

    /// Whether a bulk string was left out, so that this is no reply any more.
    #[inline]
    pub fn is_cut(&self) -> bool {
        self.most == CUT
    }

    /// The version that this writer speaks.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the version for what follows (HELLO answers in the version it sets).
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Bytes in the buffer so far, this reply's and earlier ones'.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// Takes back everything written since `position`.
    pub fn rewind(&mut self, position: usize) {
        self.out.truncate(position);
    }

    /// Bytes already encoded elsewhere.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string. `text` holds no CR or LF.
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// An error.
    pub fn error(&mut self, error: &WireError) {
        self.line(b'-', &error.line());
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        // Once for all its parts: a length takes at most twenty digits.
        let room = bytes.len() + 25;
        if self.out.capacity() - self.out.len() < room && !self.grow(room) {
            return;
        }
        self.header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// An integer as a bulk string.
    pub fn bulk_integer(&mut self, value: i64) {
        let mut text = itoa::Buffer::new();
        self.bulk(text.format(value).as_bytes());
    }

    /// The absence of a value where a string stood: `$-1` or `_`.
    #[inline]
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The absence of a value where an array stood: `*-1` or `_`.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array of `len` replies, which follow.
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The head of a map of `len` pairs; a flat array of `2 × len` in RESP2.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len * 2),
            Protocol::Resp3 => self.header(b'%', len),
        }
    }

    /// The head of a set of `len` members; an array in RESP2.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len),
            Protocol::Resp3 => self.header(b'~', len),
        }
    }

    /// The head of a push of `len` replies; an array in RESP2.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.header(b'*', len),
            Protocol::Resp3 => self.header(b'>', len),
        }
    }

    /// A truth value; `:1` or `:0` in RESP2.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }

    /// A double; a bulk string in RESP2.
    pub fn double(&mut self, value: f64) {
        self.double_text(DoubleText::new().format(value));
    }

    /// As [`Reply::double`], for a double at hand as text. `text` is the number as [`crate::number`] prints it.
    pub fn double_text(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(b',', text.as_bytes()),
        }
    }

    /// Text with a three-letter format (`txt`, `mkd`); a bulk string in RESP2.
    pub fn verbatim(&mut self, format: [u8; 3], bytes: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(bytes),
            Protocol::Resp3 => {
                self.header(b'=', bytes.len() + 4);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(bytes);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Makes `room` for a bulk string; whether there may be as much.
    #[cold]
    fn grow(&mut self, room: usize) -> bool {
        if self.out.len().saturating_add(room) > self.most {
            self.most = CUT;
            return false;
        }
        self.out.reserve(room);
        true
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.out.push(kind);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn header(&mut self, kind: u8, len: usize) {
        // A length never exceeds isize::MAX.
        self.number(kind, len as i64);
    }

    /// Most numbers in replies are short, and a line of known length is a store or two.
    #[inline(always)]
    fn number(&mut self, kind: u8, value: i64) {
        let digit = |unit: u32| b'0' + (value as u32 / unit % 10) as u8;
        match value {
            0..10 => self.out.extend_from_slice(&[kind, digit(1), b'\r', b'\n']),
            10..100 => self.out.extend_from_slice(&[kind, digit(10), digit(1), b'\r', b'\n']),
            100..1_000 => {
                let line = [kind, digit(100), digit(10), digit(1), b'\r', b'\n'];
                self.out.extend_from_slice(&line);
            }
            _ => self.long_number(kind, value),
        }
    }

    #[inline(never)]
    fn long_number(&mut self, kind: u8, value: i64) {
        let mut text = itoa::Buffer::new();
        self.line(kind, text.format(value).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Protocol, Reply};
    use crate::error::WireError;

    /// What `write` writes in RESP2 and RESP3.
    fn check(write: impl Fn(&mut Reply<'_>), resp2: &str, resp3: &str) {
        for (protocol, expected) in [(Protocol::Resp2, resp2), (Protocol::Resp3, resp3)] {
            let mut out = Vec::new();
            write(&mut Reply::new(&mut out, protocol));
            assert_eq!(
                out.escape_ascii().to_string(),
                expected.as_bytes().escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn what_is_alike_in_both_versions() {
        let same = |write: fn(&mut Reply<'_>), expected| check(write, expected, expected);
        same(|reply| reply.ok(), "+OK\r\n");
        same(|reply| reply.simple("PONG"), "+PONG\r\n");
        same(|reply| reply.integer(i64::MIN), ":-9223372036854775808\r\n");
        same(|reply| reply.bulk(b""), "$0\r\n\r\n");
        same(|reply| reply.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n");
        same(|reply| reply.bulk_integer(-12), "$3\r\n-12\r\n");
        same(|reply| reply.array(0), "*0\r\n");
        same(|reply| reply.error(&WireError::fixed("ERR a\nb")), "-ERR a b\r\n");
    }

    #[test]
    fn what_the_version_decides() {
        check(|reply| reply.null(), "$-1\r\n", "_\r\n");
        check(|reply| reply.null_array(), "*-1\r\n", "_\r\n");
        check(|reply| reply.map(2), "*4\r\n", "%2\r\n");
        check(|reply| reply.set(2), "*2\r\n", "~2\r\n");
        check(|reply| reply.push(2), "*2\r\n", ">2\r\n");
        check(|reply| reply.boolean(true), ":1\r\n", "#t\r\n");
        check(|reply| reply.boolean(false), ":0\r\n", "#f\r\n");
        check(|reply| reply.double(-0.25), "$5\r\n-0.25\r\n", ",-0.25\r\n");
        check(|reply| reply.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n");
        check(|reply| reply.verbatim(*b"txt", b"a"), "$1\r\na\r\n", "=5\r\ntxt:a\r\n");
    }

    #[test]
    fn bulk_strings_beyond_the_bound_are_left_out() {
        let mut out = Vec::new();
        let mut reply = Reply::bounded(&mut out, Protocol::Resp2, 10_000);
        (0..50).for_each(|_| reply.bulk(&[b'x'; 100]));
        assert!(!reply.is_cut());
        (0..500_000).for_each(|_| reply.bulk(&[b'x'; 100]));
        assert!(reply.is_cut());
        assert!((9_000..20_000).contains(&out.len()), "{}", out.len());
        let mut reply = Reply::bounded(&mut out, Protocol::Resp2, 10_000);
        reply.rewind(0);
        reply.ok();
        assert!(!reply.is_cut());
        assert_eq!(out, b"+OK\r\n");
    }

    #[test]
    fn a_reply_can_be_taken_back() {
        let mut out = b"+OK\r\n".to_vec();
        let mut reply = Reply::new(&mut out, Protocol::Resp2);
        let start = reply.position();
        reply.array(3);
        reply.rewind(start);
        reply.null();
        assert_eq!(out, b"+OK\r\n$-1\r\n");
    }
}
