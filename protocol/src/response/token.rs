//! Reads a whole reply from front to back, one element or head of an aggregate at a time.

use super::ResponseError;
use super::scanner::{find_cr, length};
use crate::number::{parse_f64, parse_i64};

/// One element of a reply, or the head of an aggregate whose elements follow.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Token<'b> {
    /// `+`: text without line breaks.
    Simple(&'b [u8]),
    /// `-` or `!`: an error's line.
    Error(&'b [u8]),
    /// `:`.
    Integer(i64),
    /// `,`.
    Double(f64),
    /// `#`.
    Boolean(bool),
    /// `_`, `$-1` or `*-1`.
    Null,
    /// `$`: any bytes.
    Bulk(&'b [u8]),
    /// `=`: text, its format of three letters left out.
    Verbatim(&'b [u8]),
    /// `(`: the digits of a number that may not fit 64 bits.
    BigNumber(&'b [u8]),
    /// `*` with its number of elements.
    Array(usize),
    /// `~` with its number of elements.
    Set(usize),
    /// `>` with its number of elements.
    Push(usize),
    /// `%` with its number of pairs.
    Map(usize),
    /// `|` with its number of pairs, which describe the element behind them.
    Attribute(usize),
}

/// The elements of a reply in the order in which they stand.
#[derive(Debug, Clone)]
pub struct Tokens<'b> {
    rest: &'b [u8],
}

impl<'b> Tokens<'b> {
    /// The elements of `reply`, or of several replies that stand one behind the other.
    pub const fn new(reply: &'b [u8]) -> Self {
        Tokens { rest: reply }
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'b [u8] {
        self.rest
    }

    /// The next element.
    ///
    /// # Errors
    /// The bytes are no reply, or end before the element does.
    #[inline]
    pub fn next_token(&mut self) -> Result<Token<'b>, ResponseError> {
        let end = find_cr(self.rest).ok_or(ResponseError::Truncated)?;
        let (line, behind) = self.rest.split_at(end);
        let behind = behind.strip_prefix(b"\r\n").ok_or(ResponseError::InvalidLine)?;
        self.rest = behind;
        let (&kind, text) = line.split_first().ok_or(ResponseError::InvalidLine)?;
        let count = || -> Result<usize, ResponseError> {
            let count = length(text)?.ok_or(ResponseError::InvalidNumber)?;
            usize::try_from(count).map_err(|_| ResponseError::TooLong)
        };
        Ok(match kind {
            b'$' => self.bulk(text)?.map_or(Token::Null, Token::Bulk),
            b'+' => Token::Simple(text),
            b':' => Token::Integer(parse_i64(text).ok_or(ResponseError::InvalidNumber)?),
            b'*' if text == b"-1" => Token::Null,
            b'*' => Token::Array(count()?),
            b'_' => Token::Null,
            b'-' => Token::Error(text),
            b'%' => Token::Map(count()?),
            b'~' => Token::Set(count()?),
            b'>' => Token::Push(count()?),
            b',' => Token::Double(double(text)?),
            b'#' => Token::Boolean(match text {
                b"t" => true,
                b"f" => false,
                _ => return Err(ResponseError::InvalidNumber),
            }),
            b'!' => Token::Error(self.bulk(text)?.ok_or(ResponseError::InvalidNumber)?),
            b'=' => {
                let bytes = self.bulk(text)?.ok_or(ResponseError::InvalidNumber)?;
                let is_formatted = bytes.get(3) == Some(&b':');
                Token::Verbatim(if is_formatted { &bytes[4..] } else { bytes })
            }
            b'(' => Token::BigNumber(text),
            b'|' => Token::Attribute(count()?),
            other => return Err(ResponseError::UnknownType(other)),
        })
    }

    /// The bytes behind a length line.
    #[inline]
    fn bulk(&mut self, text: &[u8]) -> Result<Option<&'b [u8]>, ResponseError> {
        let Some(bytes) = length(text)? else { return Ok(None) };
        let bytes = usize::try_from(bytes).map_err(|_| ResponseError::TooLong)?;
        let (bulk, behind) = self.rest.split_at_checked(bytes).ok_or(ResponseError::Truncated)?;
        self.rest = behind.strip_prefix(b"\r\n").ok_or(ResponseError::UnterminatedBulk)?;
        Ok(Some(bulk))
    }
}

/// A double; unlike in requests it may be NaN.
fn double(text: &[u8]) -> Result<f64, ResponseError> {
    if text.eq_ignore_ascii_case(b"nan") || text.eq_ignore_ascii_case(b"-nan") {
        return Ok(f64::NAN);
    }
    parse_f64(text).ok_or(ResponseError::InvalidNumber)
}
