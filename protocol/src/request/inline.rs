//! Inline requests: a line of words, as typed into a telnet session.
//!
//! Words are split at blanks. Within double quotes `\n \r \t \b \a` and `\xHH` stand for a byte, and a backslash before any
//! other character for that character; within single quotes only `\'` is special. A closing quote ends the word
//! and a blank must follow. No word grows when it is unescaped, so that happens in place and nothing is allocated.

use super::Span;
use crate::error::ProtocolError;

/// Splits `line` (without its line end) and pushes each word's span, its offset in `line` plus `base`.
///
/// On an error some spans may have been pushed and `line` may have been changed.
pub(super) fn split(
    line: &mut [u8],
    base: u32,
    spans: &mut Vec<Span>,
) -> Result<(), ProtocolError> {
    let mut read = 0;
    loop {
        while line.get(read).is_some_and(|&byte| is_space(byte)) {
            read += 1;
        }
        if read >= line.len() {
            return Ok(());
        }
        let start = read;
        let mut word = Word { line, read, write: start };
        word.unquoted()?;
        let Word { read: next, write: end, .. } = word;
        // A line is far below 4 GiB, and the buffer that it lies in too.
        spans.push(Span { start: base + start as u32, len: (end - start) as u32 });
        read = next;
    }
}

/// A word being unescaped: `write` never passes `read`.
struct Word<'l> {
    line: &'l mut [u8],
    read: usize,
    write: usize,
}

impl Word<'_> {
    /// Up to the blank behind the word, quoted parts included.
    fn unquoted(&mut self) -> Result<(), ProtocolError> {
        while let Some(byte) = self.peek(0) {
            match byte {
                // Fewer than `is_space`: a vertical tab or a form feed is skipped before a word and belongs to it within.
                b' ' | b'\n' | b'\r' | b'\t' => return Ok(()),
                b'"' => return self.double_quoted(),
                b'\'' => return self.single_quoted(),
                _ => self.put(byte, 1),
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self) -> Result<(), ProtocolError> {
        self.read += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err(ProtocolError::UnbalancedQuotes),
                (Some(b'"'), next) => return self.close(next),
                (Some(b'\\'), Some(escaped)) => match self.hex_escape() {
                    Some(byte) => self.put(byte, 4),
                    None => self.put(unescape(escaped), 2),
                },
                (Some(byte), _) => self.put(byte, 1),
            }
        }
    }

    fn single_quoted(&mut self) -> Result<(), ProtocolError> {
        self.read += 1;
        loop {
            match (self.peek(0), self.peek(1)) {
                (None, _) => return Err(ProtocolError::UnbalancedQuotes),
                (Some(b'\''), next) => return self.close(next),
                (Some(b'\\'), Some(b'\'')) => self.put(b'\'', 2),
                (Some(byte), _) => self.put(byte, 1),
            }
        }
    }

    /// Ends the word at its closing quote, which `next` follows.
    fn close(&mut self, next: Option<u8>) -> Result<(), ProtocolError> {
        self.read += 1;
        if next.is_none_or(is_space) { Ok(()) } else { Err(ProtocolError::UnbalancedQuotes) }
    }

    /// The byte that `\xHH` at `read` stands for, if it is one.
    fn hex_escape(&self) -> Option<u8> {
        let &[b'\\', b'x', high, low, ..] = self.line.get(self.read..)? else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        Some((digit(high)? * 16 + digit(low)?) as u8)
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.line.get(self.read + ahead).copied()
    }

    /// Writes `byte` in the place of the next `taken` bytes.
    fn put(&mut self, byte: u8, taken: usize) {
        self.line[self.write] = byte;
        self.write += 1;
        self.read += taken;
    }
}

/// What a backslash and `byte` stand for within double quotes.
fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}
