//! The incremental decoder: RESP multibulk and inline requests out of a connection's unread bytes.
//!
//! ```text
//!          decode                                decode                    decode
//!   buf:  [ request ][ request ][ part of a req… ]      [ part, longer… ]       [ the whole ][ request ]
//!                               ^ pos                   ^ pos                   ^ pos
//!                               Incomplete              Incomplete              Request
//! ```
//!
//! **Contract.** The caller keeps the unread bytes contiguous. [`Decoder::decode`] starts at `*pos`. On
//! [`Status::Request`] it moves `*pos` behind the request. On [`Status::Incomplete`] it leaves `*pos` at the first byte of
//! the request that is not whole yet, and the caller hands in the same bytes again, followed by new ones, with `*pos`
//! at that first byte; it may have moved them to another place or buffer meanwhile, for all that the decoder remembers
//! is relative to the request's start. After an error the connection is to be closed.
//!
//! **Invariant.** Each byte of a request's framing is looked at once, however the bytes arrive: a request of 1 GiB that
//! comes in reads of 16 KiB costs a constant a read, and so does a line that comes byte by byte. The bytes of a bulk are
//! never looked at. (The one exception is a constant: a request of up to nine arguments that is not whole at first has had
//! its few length lines read when that shows, and they are read once more.) Nothing is allocated for what was only
//! declared: a partial request holds 8 bytes for each argument that arrived whole.
//!
//! Deliberately as lenient as Redis: neither the byte after a line's CR nor the two bytes after a bulk are checked.
//! Deliberately different: a NUL byte does not hide the rest of its line, where Redis waits for a line end that it
//! cannot see until the buffer's limit is reached.

use std::ops::Range;

use memchr::memchr;

use super::{Span, inline};
use crate::error::ProtocolError;
use crate::number::parse_i64;

/// What a request may ask for. The owner refreshes it when a setting changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest bulk, in bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: u64,
    /// Most arguments of a multibulk request.
    pub elements_max: u32,
    /// Longest line, be it inline or the one that holds a length; its line end not counted.
    pub inline_bytes_max: usize,
    /// Whether the client needs no AUTH, or has passed it. Before that 10 arguments of 16 KiB are the most, as in Redis.
    ///
    /// AUTH changes what follows it, so a connection decodes and runs one request at a time until it has passed.
    pub authenticated: bool,
}

impl Limits {
    /// Most arguments before authentication.
    const UNAUTHENTICATED_ELEMENTS_MAX: i64 = 10;
    /// Longest bulk before authentication.
    const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16 << 10;

    /// Whether they are so wide that a short request needs no look at them.
    #[inline]
    fn are_common(&self) -> bool {
        self.bulk_bytes_max >= u64::from(SHORT_BULK_BYTES_MAX) && self.elements_max >= 9
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            bulk_bytes_max: 512 << 20,
            elements_max: 1 << 20,
            inline_bytes_max: 64 << 10,
            authenticated: true,
        }
    }
}

/// What [`Decoder::decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// A whole request of at least one argument.
    Request {
        /// The part of the span vector that holds its arguments.
        spans: Range<usize>,
    },
    /// More bytes are needed.
    Incomplete {
        /// How many bytes are still missing for certain, from 1 to [`Decoder::HINT_BYTES_MAX`]; worth reserving in one go.
        more_bytes_hint: usize,
    },
}

/// One connection's decoder. Eight bytes; it owns memory only while a request is incomplete.
#[derive(Debug, Default)]
pub struct Decoder {
    partial: Option<Box<Partial>>,
}

/// A request that is not whole yet: how far it got, and the arguments that arrived, relative to its first byte.
#[derive(Debug)]
struct Partial {
    progress: Progress,
    spans: Vec<Span>,
}

impl Decoder {
    /// The most that a hint asks for, so that a declared length alone reserves no more than this.
    pub const HINT_BYTES_MAX: usize = 1 << 20;

    /// A decoder at the start of a request.
    pub const fn new() -> Self {
        Decoder { partial: None }
    }

    /// Whether no part of a request is remembered.
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Heap memory held for an incomplete request.
    pub fn heap_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            size_of::<Partial>() + partial.spans.capacity() * size_of::<Span>()
        })
    }

    /// The next request of `buf` from `*pos` on, its arguments' spans appended to `spans`.
    ///
    /// Requests without arguments (`*0`, `*-1`, blank lines) are skipped. `buf` is mutable because quoted inline
    /// arguments are unescaped where they stand; multibulk requests leave it as it is. `spans` grows only if a request
    /// is returned. See the module for what the caller owes between calls.
    #[inline]
    pub fn decode(
        &mut self,
        buf: &mut [u8],
        pos: &mut usize,
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Status, ProtocolError> {
        let first = spans.len();
        if self.partial.is_none() && limits.are_common() {
            let end = buf.get(*pos..).and_then(|tail| short_request(tail, *pos, spans));
            if let Some(end) = end {
                *pos = end;
                return Ok(Status::Request { spans: first..spans.len() });
            }
            spans.truncate(first);
        }
        self.decode_any(buf, pos, spans, limits)
    }

    /// As [`Decoder::decode`], for everything that [`short_request`] is not for.
    #[cold]
    #[inline(never)]
    fn decode_any(
        &mut self,
        buf: &mut [u8],
        pos: &mut usize,
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Status, ProtocolError> {
        // From here on every offset fits the 32 bits of a span.
        if u32::try_from(buf.len()).is_err() {
            return Err(ProtocolError::RequestTooLong);
        }
        let first = spans.len();
        if self.partial.is_some() {
            if let Some(more_bytes_hint) = self.resume(buf, pos, spans, limits)? {
                return Ok(Status::Incomplete { more_bytes_hint });
            }
            if spans.len() > first {
                return Ok(Status::Request { spans: first..spans.len() });
            }
        }
        loop {
            let tail = match buf.get_mut(*pos..) {
                Some(tail) if !tail.is_empty() => tail,
                _ => return Ok(Status::Incomplete { more_bytes_hint: 1 }),
            };
            let mut progress = Progress::default();
            match progress.advance(tail, *pos as u32, spans, limits) {
                Ok(Step::Whole { end }) => {
                    *pos += end;
                    if spans.len() > first {
                        return Ok(Status::Request { spans: first..spans.len() });
                    }
                }
                Ok(Step::Missing { bytes }) => {
                    self.suspend(progress, first, *pos as u32, spans);
                    return Ok(Status::Incomplete { more_bytes_hint: hint(bytes) });
                }
                Err(error) => {
                    spans.truncate(first);
                    return Err(error);
                }
            }
        }
    }

    /// Keeps what a fresh request got so far, taking its spans back out of `spans`.
    #[cold]
    fn suspend(&mut self, progress: Progress, first: usize, pos: u32, spans: &mut Vec<Span>) {
        let arrived = spans.drain(first..);
        let relative = arrived.map(|span| Span { start: span.start - pos, len: span.len });
        self.partial = Some(Box::new(Partial { progress, spans: relative.collect() }));
    }

    /// Goes on with the remembered request. Returns the hint if it is still incomplete; else its spans, of which an empty
    /// request has none, are in `spans` and `*pos` is behind it.
    #[cold]
    fn resume(
        &mut self,
        buf: &mut [u8],
        pos: &mut usize,
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Option<usize>, ProtocolError> {
        let Some(mut partial) = self.partial.take() else { return Ok(None) };
        let tail = buf.get_mut(*pos..).unwrap_or_default();
        match partial.progress.advance(tail, 0, &mut partial.spans, limits)? {
            Step::Missing { bytes } => {
                self.partial = Some(partial);
                Ok(Some(hint(bytes)))
            }
            Step::Whole { end } => {
                let base = *pos as u32;
                let absolute = |span: &Span| Span { start: span.start + base, len: span.len };
                spans.extend(partial.spans.iter().map(absolute));
                *pos += end;
                Ok(None)
            }
        }
    }
}

/// The hint for a request that lacks at least `bytes`.
fn hint(bytes: usize) -> usize {
    bytes.clamp(1, Decoder::HINT_BYTES_MAX)
}

/// How far into a request the decoder got. Offsets count from the request's first byte.
#[derive(Debug, Default, Clone, Copy)]
struct Progress {
    /// Start of what comes next: a line, or the bytes of a bulk.
    at: usize,
    /// The line at `at` does not end before this offset.
    scanned: usize,
    /// Arguments still to come; 0 until the first line is whole.
    remaining: u32,
    /// Length of the bulk at `at`, once its line was read.
    bulk_bytes: Option<u32>,
}

/// What a step of [`Progress`] came to.
enum Step {
    /// The request is whole and this many bytes long.
    Whole { end: usize },
    /// At least so many bytes are missing.
    Missing { bytes: usize },
}

/// What the search for a line's end came to.
enum Line {
    /// The line ends at this offset.
    End(usize),
    /// The line is not whole; the step to return.
    Missing(Step),
}

impl Progress {
    /// Reads on in `tail`, which begins with the request's first byte and is not empty. Each argument found is pushed to
    /// `spans`, its offset in `tail` plus `base`.
    fn advance(
        &mut self,
        tail: &mut [u8],
        base: u32,
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        if self.remaining == 0
            && let Some(step) = self.first_line(tail, base, spans, limits)?
        {
            return Ok(step);
        }
        loop {
            if self.bulk_bytes.is_none()
                && let Some(step) = self.length_line(tail, limits)?
            {
                return Ok(step);
            }
            let bytes = self.bulk_bytes.unwrap_or(0);
            // Neither sum can wrap: `at` and `bytes` are below 4 GiB.
            let next = self.at + bytes as usize + 2;
            if next > tail.len() {
                return Ok(Step::Missing { bytes: next - tail.len() });
            }
            spans.push(Span { start: base + self.at as u32, len: bytes });
            self.bulk_bytes = None;
            self.at = next;
            self.remaining -= 1;
            if self.remaining == 0 {
                return Ok(Step::Whole { end: next });
            }
        }
    }

    /// The first line: an inline request, or the count of arguments. Returns a step if that settles the matter, and `None`
    /// if bulks follow.
    fn first_line(
        &mut self,
        tail: &mut [u8],
        base: u32,
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Option<Step>, ProtocolError> {
        if tail.first() != Some(&b'*') {
            return self.inline(tail, base, spans, limits).map(Some);
        }
        let end = match self.line(tail, limits, ProtocolError::MultibulkCountTooLong)? {
            Line::End(end) => end,
            Line::Missing(step) => return Ok(Some(step)),
        };
        let count = parse_i64(&tail[1..end])
            .filter(|&count| count <= i64::from(limits.elements_max))
            .ok_or(ProtocolError::InvalidMultibulkLength)?;
        if !limits.authenticated && count > Limits::UNAUTHENTICATED_ELEMENTS_MAX {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        self.at = end + 2;
        // Fits: it is positive here and at most `elements_max`.
        self.remaining = count.max(0) as u32;
        Ok((count <= 0).then_some(Step::Whole { end: self.at }))
    }

    /// An inline request: one line that ends with LF, split at blanks.
    fn inline(
        &mut self,
        tail: &mut [u8],
        base: u32,
        spans: &mut Vec<Span>,
        limits: &Limits,
    ) -> Result<Step, ProtocolError> {
        match self.find(b'\n', tail, limits, ProtocolError::InlineTooLong)? {
            Line::End(newline) => {
                let line = &mut tail[..newline];
                let text = line.len() - usize::from(line.ends_with(b"\r"));
                inline::split(&mut line[..text], base, spans)?;
                Ok(Step::Whole { end: newline + 1 })
            }
            Line::Missing(step) => Ok(step),
        }
    }

    /// The length line at `at`. Leaves `at` behind it and the length in `bulk_bytes`, or gives the step to return.
    #[inline]
    fn length_line(&mut self, tail: &[u8], limits: &Limits) -> Result<Option<Step>, ProtocolError> {
        if limits.are_common()
            && let Some((bytes, line)) = tail.get(self.at..).and_then(short_length)
        {
            self.at += line;
            self.bulk_bytes = Some(bytes);
            return Ok(None);
        }
        self.any_length_line(tail, limits)
    }

    /// As [`Progress::length_line`], for any line, with the errors of Redis.
    fn any_length_line(
        &mut self,
        tail: &[u8],
        limits: &Limits,
    ) -> Result<Option<Step>, ProtocolError> {
        let end = match self.line(tail, limits, ProtocolError::BulkCountTooLong)? {
            Line::End(end) => end,
            Line::Missing(step) => return Ok(Some(step)),
        };
        if tail[self.at] != b'$' {
            return Err(ProtocolError::ExpectedDollar(tail[self.at]));
        }
        let bytes = parse_i64(&tail[self.at + 1..end])
            .and_then(|bytes| u64::try_from(bytes).ok())
            .filter(|&bytes| bytes <= limits.bulk_bytes_max)
            .ok_or(ProtocolError::InvalidBulkLength)?;
        if !limits.authenticated && bytes > Limits::UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        self.at = end + 2;
        // The argument would reach beyond what a span can name.
        let reach = (self.at as u64).saturating_add(bytes).saturating_add(2);
        if reach > u64::from(u32::MAX) {
            return Err(ProtocolError::RequestTooLong);
        }
        self.bulk_bytes = Some(bytes as u32);
        Ok(None)
    }

    /// The CR that ends the line at `at`, once the byte behind it is there too.
    fn line(
        &mut self,
        tail: &[u8],
        limits: &Limits,
        too_long: ProtocolError,
    ) -> Result<Line, ProtocolError> {
        match self.find(b'\r', tail, limits, too_long)? {
            // The next call finds the CR at once.
            Line::End(end) if end + 1 >= tail.len() => {
                self.scanned = end;
                Ok(Line::Missing(Step::Missing { bytes: 1 }))
            }
            line => Ok(line),
        }
    }

    /// The first `byte` of the line at `at`. A line without one in `inline_bytes_max` bytes and one more is `too_long`.
    fn find(
        &mut self,
        byte: u8,
        tail: &[u8],
        limits: &Limits,
        too_long: ProtocolError,
    ) -> Result<Line, ProtocolError> {
        let bound = self.at.saturating_add(limits.inline_bytes_max).saturating_add(1);
        let from = self.scanned.max(self.at);
        let window = tail.get(from..bound.min(tail.len())).unwrap_or_default();
        match memchr(byte, window) {
            Some(index) => Ok(Line::End(from + index)),
            None if tail.len() >= bound => Err(too_long),
            None => {
                self.scanned = tail.len();
                Ok(Line::Missing(Step::Missing { bytes: 1 }))
            }
        }
    }
}

/// Whether `bytes` are one short request, whole, and nothing else; its spans are pushed then, and perhaps some if not. For looking at what is to come: whatever it
/// says, [`Decoder::decode`] decides.
#[inline]
pub fn is_one_request(bytes: &[u8], spans: &mut Vec<Span>) -> bool {
    short_request(bytes, 0, spans) == Some(bytes.len())
}

/// The request of one to nine short arguments that is most of what a cache is asked, if all of it is there. Its spans are
/// pushed, offsets in `tail` plus `pos`; returns the offset behind it, plus `pos`. After `None`, whatever the reason, the caller
/// takes back what was pushed and lets [`Progress`] look at the same bytes: that is nine length lines at most, and only once a
/// request.
#[inline]
fn short_request(tail: &[u8], pos: usize, spans: &mut Vec<Span>) -> Option<usize> {
    // As in `short_length`.
    let line = u32::from_le_bytes(*tail.first_chunk()?) ^ u32::from_le_bytes(*b"*0\r\n");
    let count = line.rotate_right(8);
    if !(1..=9).contains(&count) {
        return None;
    }
    // The offset of the request's end must fit a span; a buffer beyond that is refused elsewhere.
    u32::try_from(pos + tail.len()).ok()?;
    let mut rest = &tail[4..];
    let mut at = pos + 4;
    for _ in 0..count {
        let (bytes, line) = short_length(rest)?;
        spans.push(Span { start: (at + line) as u32, len: bytes });
        let argument = line + bytes as usize + 2;
        rest = rest.get(argument..)?;
        at += argument;
    }
    Some(at)
}

/// The longest bulk that [`short_length`] reads.
const SHORT_BULK_BYTES_MAX: u32 = 9_999;

/// The value of the length line `$N` CR LF of one to four digits that `rest` begins with, and the line's length. `None` leaves
/// the judgement to [`Progress::any_length_line`].
///
/// One digit is compared as one word, less (xor) the line of a zero; more are looked at one by one.
#[inline]
fn short_length(rest: &[u8]) -> Option<(u32, usize)> {
    let one = u32::from_le_bytes(*rest.first_chunk()?) ^ u32::from_le_bytes(*b"$0\r\n");
    // The digit to the bottom, and all that must be zero above it.
    let digit = one.rotate_right(8);
    if digit <= 9 {
        return Some((digit, 4));
    }
    // No whole argument has fewer bytes than these six, and they hold every length line of three digits.
    let &[b'$', a @ b'1'..=b'9', b @ b'0'..=b'9', c, d, e] = rest.first_chunk()? else {
        return None;
    };
    let value = u32::from(a - b'0') * 10 + u32::from(b - b'0');
    if c == b'\r' {
        return Some((value, 5));
    }
    let digit = u32::from(c.wrapping_sub(b'0'));
    let value = value * 10 + digit;
    if d == b'\r' && digit <= 9 {
        return Some((value, 6));
    }
    // The LF of this one is the seventh byte, which a whole argument of four digits has.
    let last = u32::from(d.wrapping_sub(b'0'));
    let is_line = digit <= 9 && last <= 9 && e == b'\r' && rest.len() > 6;
    is_line.then_some((value * 10 + last, 7))
}
