//! Requests: the borrowed view of one command's arguments, and the incremental decoder that finds them.
//!
//! [`Decoder`] turns a connection's unread bytes into [`Span`]s, and [`Args`] reads them back out of the same bytes;
//! in between nothing is copied. Clients go the other way ([`encode_request`]). Source: the RESP specification, and Redis 7.0 for what it accepts beyond it.

mod decoder;
mod encode;
mod inline;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Limits, Status, is_one_request};
pub use encode::{encode_arg, encode_head, encode_request};

/// Where one argument lies in the buffer it was decoded from.
///
/// 32 bits keep a span at 8 bytes; the decoder refuses a request that reaches beyond 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The bytes that it names in `buf`. The end is computed in `usize`, where it cannot wrap.
    #[inline]
    fn slice(self, buf: &[u8]) -> &[u8] {
        let start = self.start as usize;
        &buf[start..start + self.len as usize]
    }
}

/// The words of a line as of an inline request, quoted parts unescaped; `None` if a quote is not closed.
pub fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut line, mut spans) = (line.to_vec(), Vec::new());
    inline::split(&mut line, 0, &mut spans).ok()?;
    Some(spans.iter().map(|span| span.slice(&line).to_vec()).collect())
}

/// The arguments of one command, the command's name first, borrowed from the read buffer.
#[derive(Clone, Copy)]
pub struct Args<'a> {
    buf: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// The arguments that `spans` name in `buf`. Reading one panics if it reaches beyond `buf`.
    pub fn new(buf: &'a [u8], spans: &'a [Span]) -> Self {
        Args { buf, spans }
    }

    /// Number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is not even a name.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Bytes from the beginning of the first argument to the end of the last one.
    #[inline]
    pub fn extent(&self) -> usize {
        let (Some(first), Some(last)) = (self.spans.first(), self.spans.last()) else { return 0 };
        last.start.wrapping_sub(first.start) as usize + last.len as usize
    }

    /// Argument `index`, or `None` past the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        Some(self.spans.get(index)?.slice(self.buf))
    }

    /// The arguments from `index` on; empty past the end.
    pub fn from(&self, index: usize) -> Args<'a> {
        Args { buf: self.buf, spans: self.spans.get(index..).unwrap_or(&[]) }
    }

    /// The arguments before `index`.
    pub fn to(&self, index: usize) -> Args<'a> {
        Args { buf: self.buf, spans: self.spans.get(..index).unwrap_or(self.spans) }
    }

    /// All arguments in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + DoubleEndedIterator + use<'a> {
        let buf = self.buf;
        self.spans.iter().map(move |span| span.slice(buf))
    }

    /// Whether argument `index` is `word` in any case. `word` is uppercase ASCII.
    pub fn is(&self, index: usize, word: &str) -> bool {
        self.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    }
}

impl std::ops::Index<usize> for Args<'_> {
    type Output = [u8];

    #[inline]
    fn index(&self, index: usize) -> &[u8] {
        self.spans[index].slice(self.buf)
    }
}
