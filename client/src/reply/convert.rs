//! From a reply to the type that a caller wants.

use super::Value;
use super::value::pairs_of;
use crate::bytes::Bytes;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

/// What a reply can be read as.
///
/// Numbers are read from integers, doubles and text; strings from strings and numbers; `Option` from nothing; collections from arrays, sets and maps, pairs from
/// arrays of two. Implement it for types of your own:
///
/// ```
/// use torc_client::{FromReply, Result, Value};
///
/// struct Celsius(f64);
///
/// impl FromReply for Celsius {
///     fn from_reply(value: Value) -> Result<Self> {
///         Ok(Celsius(f64::from_reply(value)?))
///     }
/// }
/// ```
pub trait FromReply: Sized {
    /// Reads `value`.
    ///
    /// # Errors
    /// It is not of this type; or it is an error of the server's, which is passed on.
    fn from_reply(value: Value) -> Result<Self>;
}

#[cold]
fn mismatch<T>(value: Value, wanted: &str) -> Result<T> {
    match value {
        Value::Error(error) => Err(error),
        other => Err(Error::conversion(format!("the reply is {}, not {wanted}", other.kind()))),
    }
}

impl FromReply for Value {
    #[inline]
    fn from_reply(value: Value) -> Result<Self> {
        Ok(value)
    }
}

/// Whatever the reply is, as long as it is no error.
impl FromReply for () {
    #[inline]
    fn from_reply(value: Value) -> Result<Self> {
        value.into_result().map(|_| ())
    }
}

impl FromReply for Bytes {
    #[inline]
    fn from_reply(value: Value) -> Result<Self> {
        match value {
            Value::Bulk(bytes) | Value::Simple(bytes) | Value::BigNumber(bytes) => Ok(bytes),
            Value::Ok => Ok(Bytes::from("OK")),
            Value::Integer(number) => Ok(Bytes::from(number.to_string())),
            Value::Double(number) => Ok(Bytes::from(number.to_string())),
            other => mismatch(other, "a string"),
        }
    }
}

impl FromReply for Vec<u8> {
    fn from_reply(value: Value) -> Result<Self> {
        Bytes::from_reply(value).map(Vec::from)
    }
}

impl FromReply for String {
    fn from_reply(value: Value) -> Result<Self> {
        let text = Bytes::from_reply(value)?.into_string();
        text.map_err(|error| Error::conversion(format!("the reply is not UTF-8: {error}")))
    }
}

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl FromReply for $type {
            #[inline]
            fn from_reply(value: Value) -> Result<Self> {
                let number = match &value {
                    Value::Integer(number) => <$type>::try_from(*number).ok(),
                    other => other.as_i64().and_then(|number| <$type>::try_from(number).ok())
                        .or_else(|| other.as_str()?.parse().ok()),
                };
                number.map_or_else(|| mismatch(value, concat!("a number of type ", stringify!($type))), Ok)
            }
        }
    )* };
}
numbers!(i64, u64, i32, u32, i16, u16, i8, usize, isize);

impl FromReply for f64 {
    fn from_reply(value: Value) -> Result<Self> {
        let number = match &value {
            Value::Double(number) => Some(*number),
            Value::Integer(number) => Some(*number as f64),
            other => other.as_bytes().and_then(torc_protocol::number::parse_f64),
        };
        number.map_or_else(|| mismatch(value, "a number"), Ok)
    }
}

/// `OK`, 1 and true are true; nothing, 0 and false are false.
impl FromReply for bool {
    fn from_reply(value: Value) -> Result<Self> {
        match value {
            Value::Boolean(truth) => Ok(truth),
            Value::Integer(number) => Ok(number != 0),
            Value::Null => Ok(false),
            Value::Ok => Ok(true),
            other => mismatch(other, "a truth value"),
        }
    }
}

impl<T: FromReply> FromReply for Option<T> {
    #[inline]
    fn from_reply(value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            other => T::from_reply(other).map(Some),
        }
    }
}

/// An error of one command, apart from the success of what surrounds it.
impl<T: FromReply> FromReply for Result<T> {
    fn from_reply(value: Value) -> Result<Self> {
        Ok(value.into_result().and_then(T::from_reply))
    }
}

/// `Vec<u8>` is a string; vectors of anything else are collections.
macro_rules! collections {
    ($($type:ty),*) => { $(
        impl FromReply for Vec<$type> {
            fn from_reply(value: Value) -> Result<Self> { elements(value) }
        }
    )* };
}
collections!(Bytes, Vec<u8>, String, Value, i64, u64, i32, u32, usize, f64, bool);

impl<T: FromReply> FromReply for Vec<Option<T>> {
    fn from_reply(value: Value) -> Result<Self> {
        elements(value)
    }
}

impl<T: FromReply> FromReply for Vec<Result<T>> {
    fn from_reply(value: Value) -> Result<Self> {
        elements(value)
    }
}

fn elements<T: FromReply>(value: Value) -> Result<Vec<T>> {
    match value {
        Value::Array(_) | Value::Set(_) | Value::Push(_) | Value::Map(_) => {
            value.into_elements().into_iter().map(T::from_reply).collect()
        }
        Value::Null => Ok(Vec::new()),
        other => mismatch(other, "an array"),
    }
}

/// The pairs of a map, of an array of pairs, or of an array in which names and values take turns.
fn pairs(value: Value) -> Result<Vec<(Value, Value)>> {
    match value {
        Value::Map(pairs) => Ok(pairs),
        Value::Null => Ok(Vec::new()),
        Value::Array(values) | Value::Set(values) => {
            let is_pair = |value: &Value| matches!(value, Value::Array(pair) if pair.len() == 2);
            if !values.is_empty() && values.iter().all(is_pair) {
                Ok(pairs_of(values.into_iter().flat_map(Value::into_elements).collect()))
            } else if values.len() % 2 == 0 {
                Ok(pairs_of(values))
            } else {
                Err(Error::conversion("the reply has an odd number of elements, not pairs"))
            }
        }
        other => mismatch(other, "a map"),
    }
}

fn converted<K: FromReply, V: FromReply, C: FromIterator<(K, V)>>(value: Value) -> Result<C> {
    let both = |(key, value)| Ok((K::from_reply(key)?, V::from_reply(value)?));
    pairs(value)?.into_iter().map(both).collect()
}

impl<K: FromReply, V: FromReply> FromReply for Vec<(K, V)> {
    fn from_reply(value: Value) -> Result<Self> {
        converted(value)
    }
}

impl<K: FromReply + Eq + Hash, V: FromReply> FromReply for HashMap<K, V> {
    fn from_reply(value: Value) -> Result<Self> {
        converted(value)
    }
}

impl<K: FromReply + Ord, V: FromReply> FromReply for BTreeMap<K, V> {
    fn from_reply(value: Value) -> Result<Self> {
        converted(value)
    }
}

impl<T: FromReply + Eq + Hash> FromReply for HashSet<T> {
    fn from_reply(value: Value) -> Result<Self> {
        Ok(elements(value)?.into_iter().collect())
    }
}

impl<T: FromReply + Ord> FromReply for BTreeSet<T> {
    fn from_reply(value: Value) -> Result<Self> {
        Ok(elements(value)?.into_iter().collect())
    }
}

macro_rules! tuples {
    ($($count:literal: $($type:ident)+;)*) => { $(
        impl<$($type: FromReply),+> FromReply for ($($type,)+) {
            fn from_reply(value: Value) -> Result<Self> {
                let values = match value {
                    Value::Error(error) => return Err(error),
                    other => other.into_elements(),
                };
                if values.len() != $count {
                    return Err(Error::conversion(format!("the reply has {} elements, not {}", values.len(), $count)));
                }
                let mut values = values.into_iter();
                Ok(($($type::from_reply(values.next().unwrap_or(Value::Null))?,)+))
            }
        }
    )* };
}
tuples! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromReply>(bytes: &'static [u8]) -> Result<T> {
        T::from_reply(Value::parse(bytes::Bytes::from_static(bytes))?)
    }

    #[test]
    fn replies_are_read_as_what_is_wanted() {
        assert_eq!(read::<i64>(b"$2\r\n12\r\n").unwrap(), 12);
        assert_eq!(read::<u64>(b"$20\r\n18446744073709551615\r\n").unwrap(), u64::MAX);
        assert!(read::<u32>(b":-1\r\n").is_err());
        assert_eq!(read::<Option<String>>(b"_\r\n").unwrap(), None);
        assert_eq!(read::<String>(b"$1\r\nx\r\n").unwrap(), "x");
        assert_eq!(read::<f64>(b"$3\r\n1.5\r\n").unwrap(), 1.5);
        assert!(read::<bool>(b"+OK\r\n").unwrap());
        let map: HashMap<String, i64> = read(b"*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n").unwrap();
        assert_eq!((map["a"], map["b"]), (1, 2));
        let scores: Vec<(String, f64)> =
            read(b"*2\r\n*2\r\n+a\r\n,1\r\n*2\r\n+b\r\n,2\r\n").unwrap();
        assert_eq!(scores, [("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]);
        let (a, b): (i64, Option<Bytes>) = read(b"*2\r\n:1\r\n_\r\n").unwrap();
        assert_eq!((a, b), (1, None));
        assert_eq!(read::<i64>(b"-ERR x\r\n").unwrap_err().message(), "ERR x");
        let each: Vec<Result<i64>> = read(b"*2\r\n:1\r\n-ERR x\r\n").unwrap();
        assert!(each[0].is_ok() && each[1].is_err());
    }
}
