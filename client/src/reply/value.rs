//! A reply as a tree.

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use torc_protocol::response::{ResponseError, Token, Tokens};

/// A reply of any type. Commands whose replies have no better type answer this.
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// use torc_client::Value;
/// let value = client.command("OBJECT").arg("ENCODING").arg("key").await?;
/// if let Value::Bulk(encoding) = value {
///     println!("{encoding:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing where something could be.
    Null,
    /// `OK`.
    Ok,
    /// Another simple string.
    Simple(Bytes),
    /// Bytes.
    Bulk(Bytes),
    /// An integer.
    Integer(i64),
    /// A number.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// The digits of an integer of any size.
    BigNumber(Bytes),
    /// Several replies in order.
    Array(Vec<Value>),
    /// Several replies in no order.
    Set(Vec<Value>),
    /// Pairs in no order.
    Map(Vec<(Value, Value)>),
    /// Something that nobody asked for: a message.
    Push(Vec<Value>),
    /// An error within another reply, such as of one command of a transaction.
    Error(Error),
}

/// Replies that lie in one another so deeply do not come from a server. COMMAND DOCS comes to a dozen, scripts answer what they like.
const DEPTH_MAX: usize = 128;

/// Elements that are reserved at once, whatever is declared.
const RESERVED_MAX: usize = 1 << 16;

impl Value {
    /// The one reply in `bytes`.
    #[inline]
    pub(crate) fn parse(bytes: bytes::Bytes) -> Result<Value> {
        // Most replies are one bulk.
        if bytes.first() == Some(&b'$')
            && let Ok(Token::Bulk(bulk)) = Tokens::new(&bytes).next_token()
        {
            return Ok(Value::Bulk(Bytes::of(&bytes, bulk)));
        }
        Self::read(&bytes, &mut Tokens::new(&bytes), 0).map_err(Error::protocol)
    }

    /// Appends every reply in `bytes`.
    pub(crate) fn parse_all(bytes: &bytes::Bytes, values: &mut Vec<Value>) -> Result<()> {
        let mut tokens = Tokens::new(bytes);
        while !tokens.rest().is_empty() {
            let rest = tokens.clone();
            // Most replies are one bulk.
            values.push(match tokens.next_token() {
                Ok(Token::Bulk(bulk)) => Value::Bulk(Bytes::of(bytes, bulk)),
                _ => {
                    tokens = rest;
                    Self::read(bytes, &mut tokens, 0).map_err(Error::protocol)?
                }
            });
        }
        Ok(())
    }

    fn read(
        buffer: &bytes::Bytes,
        tokens: &mut Tokens<'_>,
        depth: usize,
    ) -> Result<Value, ResponseError> {
        let slice = |part: &[u8]| Bytes::of(buffer, part);
        loop {
            return Ok(match tokens.next_token()? {
                Token::Bulk(bytes) | Token::Verbatim(bytes) => Value::Bulk(slice(bytes)),
                Token::Integer(value) => Value::Integer(value),
                Token::Simple(b"OK") => Value::Ok,
                Token::Simple(text) => Value::Simple(slice(text)),
                Token::Null => Value::Null,
                Token::Error(line) => Value::Error(Error::server(line)),
                Token::Double(value) => Value::Double(value),
                Token::Boolean(value) => Value::Boolean(value),
                Token::BigNumber(digits) => Value::BigNumber(slice(digits)),
                Token::Array(count) => Value::Array(Self::several(buffer, tokens, depth, count)?),
                Token::Set(count) => Value::Set(Self::several(buffer, tokens, depth, count)?),
                Token::Push(count) => Value::Push(Self::several(buffer, tokens, depth, count)?),
                Token::Map(count) => {
                    let elements = count.checked_mul(2).ok_or(ResponseError::TooLong)?;
                    let elements = Self::several(buffer, tokens, depth, elements)?;
                    Value::Map(pairs_of(elements))
                }
                Token::Attribute(count) => {
                    let elements = count.checked_mul(2).ok_or(ResponseError::TooLong)?;
                    Self::several(buffer, tokens, depth, elements)?;
                    continue;
                }
                _ => return Err(ResponseError::Truncated),
            });
        }
    }

    fn several(
        buffer: &bytes::Bytes,
        tokens: &mut Tokens<'_>,
        depth: usize,
        count: usize,
    ) -> Result<Vec<Value>, ResponseError> {
        if depth >= DEPTH_MAX {
            return Err(ResponseError::TooDeep);
        }
        let mut values = Vec::with_capacity(count.min(RESERVED_MAX));
        for _ in 0..count {
            values.push(Self::read(buffer, tokens, depth + 1)?);
        }
        Ok(values)
    }

    pub(crate) fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// Itself, or the error that it is.
    #[inline]
    pub fn into_result(self) -> Result<Value> {
        match self {
            Value::Error(error) => Err(error),
            value => Ok(value),
        }
    }

    /// The elements of an array, set or push, or of a map one behind the other; of anything else none.
    pub fn into_elements(self) -> Vec<Value> {
        match self {
            Value::Array(values) | Value::Set(values) | Value::Push(values) => values,
            Value::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [key, value]).collect(),
            _ => Vec::new(),
        }
    }

    /// The bytes of a string, simple or not; of anything else `None`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bulk(bytes) | Value::Simple(bytes) | Value::BigNumber(bytes) => Some(bytes),
            Value::Ok => Some(b"OK"),
            _ => None,
        }
    }

    /// The text of a string, if it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// An integer, be it written as one or as text.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Integer(value) => Some(*value),
            Value::Boolean(value) => Some(i64::from(*value)),
            other => other.as_str()?.parse().ok(),
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Ok | Value::Simple(_) => "a simple string",
            Value::Bulk(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Double(_) => "a double",
            Value::Boolean(_) => "a truth value",
            Value::BigNumber(_) => "a big number",
            Value::Array(_) => "an array",
            Value::Set(_) => "a set",
            Value::Map(_) => "a map",
            Value::Push(_) => "a push",
            Value::Error(_) => "an error",
        }
    }
}

/// Elements two by two.
pub(super) fn pairs_of(elements: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(elements.len() / 2);
    let mut elements = elements.into_iter();
    while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
        pairs.push((key, value));
    }
    pairs
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.message() == other.message()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<Value> {
        Value::parse(bytes::Bytes::from_static(bytes))
    }

    #[test]
    fn replies_become_trees() {
        let bulk = |text: &str| Value::Bulk(Bytes::from(text));
        assert_eq!(parse(b"$2\r\nab\r\n").unwrap(), bulk("ab"));
        assert_eq!(parse(b"+OK\r\n").unwrap(), Value::Ok);
        assert_eq!(
            parse(b"%1\r\n$1\r\na\r\n*2\r\n:1\r\n_\r\n").unwrap(),
            Value::Map(vec![(bulk("a"), Value::Array(vec![Value::Integer(1), Value::Null]))])
        );
        assert_eq!(parse(b"|1\r\n+a\r\n+b\r\n:7\r\n").unwrap(), Value::Integer(7));
        assert_eq!(parse(b"-ERR x\r\n").unwrap().into_result().unwrap_err().message(), "ERR x");
    }

    #[test]
    fn depth_and_declared_counts_are_bounded() {
        let deep: &'static [u8] = b"*1\r\n".repeat(100_000).leak();
        assert!(parse(deep).is_err());
        assert!(parse(b"*1000000000000\r\n:1\r\n").is_err());
    }
}
