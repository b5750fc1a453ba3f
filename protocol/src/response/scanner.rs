//! Finds where replies end.
//!
//! Aggregates are not walked as a tree: one number says how many elements are still to come, whatever they lie in. So a scanner needs
//! no stack, and nesting costs it nothing.

use super::ResponseError;
use memchr::memchr;

/// What a reply may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyBounds {
    /// Longest reply, its framing included.
    pub reply_bytes_max: usize,
}

impl Default for ReplyBounds {
    /// 1 GiB: twice the longest bulk that Redis allows.
    fn default() -> Self {
        ReplyBounds { reply_bytes_max: 1 << 30 }
    }
}

/// Longest line: simple strings, errors and numbers. Redis sends errors of some hundred bytes; scripts choose their own.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Most elements that a reply may still have to come: more than fit into the longest reply, and far from wrapping.
const ELEMENTS_MAX: u64 = 1 << 40;

/// How far into a reply the search for its end got.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Start of the next line, from the reply's first byte.
    at: usize,
    /// Elements still to come; 0 between replies.
    open: u64,
    /// The line at `at` does not end before this.
    scanned: usize,
    /// The reply is at least this long.
    least: usize,
}

impl Scanner {
    /// A scanner at the start of a reply.
    pub const fn new() -> Self {
        Scanner { at: 0, open: 0, scanned: 0, least: 0 }
    }

    /// How many bytes are missing for certain after [`Scanner::scan`] answered `None` for `buf_bytes` bytes; worth reserving.
    pub fn missing_bytes(&self, buf_bytes: usize) -> usize {
        self.least.saturating_sub(buf_bytes).max(1)
    }

    /// The length of the reply that `buf` begins with, once it is whole. After `None` the caller hands in the same bytes again, followed by more.
    ///
    /// # Errors
    /// The bytes are no reply, or one beyond `bounds`; the connection is to be closed.
    #[inline]
    pub fn scan(
        &mut self,
        buf: &[u8],
        bounds: &ReplyBounds,
    ) -> Result<Option<usize>, ResponseError> {
        if self.open == 0 {
            self.open = 1;
        }
        while self.open > 0 {
            if !self.element(buf, bounds)? {
                return Ok(None);
            }
        }
        let end = self.at;
        *self = Scanner::new();
        Ok(Some(end))
    }

    /// One element, or the head of an aggregate; whether it was there.
    #[inline]
    fn element(&mut self, buf: &[u8], bounds: &ReplyBounds) -> Result<bool, ResponseError> {
        let Some(line_end) = self.line_end(buf)? else { return Ok(false) };
        let line = &buf[self.at..line_end];
        let (&kind, text) = line.split_first().ok_or(ResponseError::InvalidLine)?;
        let mut next = line_end + 2;
        let mut more = 0;
        match kind {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            b'$' | b'=' | b'!' => {
                if let Some(bytes) = length(text)? {
                    let bytes = usize::try_from(bytes).map_err(|_| ResponseError::TooLong)?;
                    let end = next.checked_add(bytes).and_then(|end| end.checked_add(2));
                    let end = end.filter(|&end| end <= bounds.reply_bytes_max);
                    let end = end.ok_or(ResponseError::TooLong)?;
                    if end > buf.len() {
                        self.least = end;
                        return Ok(false);
                    }
                    if &buf[end - 2..end] != b"\r\n" {
                        return Err(ResponseError::UnterminatedBulk);
                    }
                    next = end;
                }
            }
            b'*' | b'~' | b'>' => more = length(text)?.unwrap_or(0),
            b'%' => more = pairs(text)?,
            // What describes an element is none itself.
            b'|' => more = pairs(text)? + 1,
            other => return Err(ResponseError::UnknownType(other)),
        }
        // Neither can wrap: `open` is at most `ELEMENTS_MAX`, and `more` below 2^41.
        self.open = self.open - 1 + more;
        if self.open > ELEMENTS_MAX || next > bounds.reply_bytes_max {
            return Err(ResponseError::TooLong);
        }
        self.at = next;
        Ok(true)
    }

    /// The CR that ends the line at `at`, once the LF behind it is there too.
    #[inline]
    fn line_end(&mut self, buf: &[u8]) -> Result<Option<usize>, ResponseError> {
        let from = self.scanned.max(self.at);
        let window = buf.get(from..).unwrap_or_default();
        let Some(offset) = find_cr(window) else {
            self.scanned = from.max(buf.len());
            if self.scanned - self.at > LINE_BYTES_MAX {
                return Err(ResponseError::InvalidLine);
            }
            self.least = buf.len() + 1;
            return Ok(None);
        };
        let end = from + offset;
        self.scanned = end;
        match buf.get(end + 1) {
            Some(b'\n') => Ok(Some(end)),
            Some(_) => Err(ResponseError::InvalidLine),
            None => {
                self.least = end + 2;
                Ok(None)
            }
        }
    }
}

/// Where the first CR stands.
#[inline]
pub(super) fn find_cr(bytes: &[u8]) -> Option<usize> {
    // Most lines are a type and a short number: to look at each of their bytes costs less than to set up a search.
    const NEAR: usize = 8;
    let near = bytes.iter().take(NEAR).position(|&byte| byte == b'\r');
    near.or_else(|| Some(memchr(b'\r', bytes.get(NEAR..)?)? + NEAR))
}

/// A declared length; `None` where it is -1, which stands for null.
#[inline]
pub(super) fn length(text: &[u8]) -> Result<Option<u64>, ResponseError> {
    if text == b"-1" {
        return Ok(None);
    }
    if text.is_empty() || text.len() > 12 {
        return Err(ResponseError::InvalidNumber);
    }
    let mut value = 0u64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(ResponseError::InvalidNumber);
        }
        value = value * 10 + u64::from(digit);
    }
    Ok(Some(value))
}

/// Elements of a map: two a pair.
fn pairs(text: &[u8]) -> Result<u64, ResponseError> {
    Ok(length(text)?.ok_or(ResponseError::InvalidNumber)? * 2)
}
