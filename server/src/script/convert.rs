//! Values between Lua and RESP, as redis.io/docs/interact/programmability/lua-api describes.
//!
//! | RESP | Lua | | Lua | RESP |
//! |---|---|---|---|---|
//! | integer | number | | number | integer, its fraction cut |
//! | bulk | string | | string | bulk |
//! | array | table | | table | array up to the first nil |
//! | status, error | table of `ok`, `err` | | the same | the same |
//! | null | `false`; in RESP3 `nil` | | `false`, `true` | null, 1; after `setresp(3)` booleans |
//! | map, set, double, … | table of `map`, `set`, `double`, … | | the same | the same, as the client's protocol has it |
//! | attribute | nothing | | | |
//! | push | `nil` | | | |

use super::number::push_general;
use mlua::{Lua, Table, Value};
use torc_protocol::request::Span;
use torc_protocol::{Protocol, Reply};

/// How deep replies and values may be nested.
const DEPTH_MAX: usize = 1_000;

/// A command's argument; `false` for what is none.
pub fn push_argument(value: &Value, bytes: &mut Vec<u8>, spans: &mut Vec<Span>) -> bool {
    let start = bytes.len();
    match value {
        Value::String(text) => bytes.extend_from_slice(&text.as_bytes()),
        Value::Integer(number) => {
            // Beyond 17 digits, C's `%.17g` goes over to exponents.
            push_general(*number as f64, 17, bytes);
        }
        Value::Number(number) => push_general(*number, 17, bytes),
        _ => return false,
    }
    let (Ok(start), Ok(len)) = (u32::try_from(start), u32::try_from(bytes.len() - start)) else {
        return false;
    };
    spans.push(Span { start, len });
    true
}

// --- From RESP -------------------------------------------------------------------------------------------------------

/// The value of a whole reply, which this node has written itself.
pub fn value_of(lua: &Lua, reply: &[u8]) -> mlua::Result<Value> {
    let mut reader = Reader { lua, bytes: reply, at: 0 };
    reader.value(0)
}

struct Reader<'a> {
    lua: &'a Lua,
    bytes: &'a [u8],
    at: usize,
}

fn malformed() -> mlua::Error {
    mlua::Error::runtime("ERR a reply that is not RESP")
}

impl<'a> Reader<'a> {
    fn line(&mut self) -> mlua::Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end = memchr::memchr(b'\r', rest).ok_or_else(malformed)?;
        self.at += end + 2;
        Ok(&rest[..end])
    }

    fn block(&mut self, length: i64) -> mlua::Result<&'a [u8]> {
        let end = self.at.saturating_add(usize::try_from(length).map_err(|_| malformed())?);
        let block = self.bytes.get(self.at..end).ok_or_else(malformed)?;
        self.at = end + 2;
        Ok(block)
    }

    fn value(&mut self, depth: usize) -> mlua::Result<Value> {
        if depth > DEPTH_MAX {
            return Err(malformed());
        }
        let line = self.line()?;
        let (&kind, text) = line.split_first().ok_or_else(malformed)?;
        let number = || torc_protocol::number::parse_i64(text).ok_or_else(malformed);
        let string = |bytes: &[u8]| self.lua.create_string(bytes).map(Value::String);
        Ok(match kind {
            b':' => integer(number()?),
            b'$' => match number()? {
                -1 => Value::Boolean(false),
                length => {
                    let block = self.block(length)?;
                    Value::String(self.lua.create_string(block)?)
                }
            },
            b'+' => self.field("ok", string(text)?)?,
            b'-' => failed(self.lua, text)?,
            b'*' => match number()? {
                -1 => Value::Boolean(false),
                count => self.array(count, depth)?,
            },
            b'_' => Value::Nil,
            b'#' => Value::Boolean(text == b"t"),
            b',' => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                self.field("double", Value::Number(number.ok_or_else(malformed)?))?
            }
            b'(' => self.field("big_number", string(text)?)?,
            b'=' => self.verbatim(number()?)?,
            b'%' => {
                let map = self.lua.create_table()?;
                for _ in 0..number()? {
                    let (key, value) = (self.value(depth + 1)?, self.value(depth + 1)?);
                    set_unless_nil(&map, key, value)?;
                }
                self.field("map", Value::Table(map))?
            }
            b'~' => {
                let set = self.lua.create_table()?;
                for _ in 0..number()? {
                    set_unless_nil(&set, self.value(depth + 1)?, Value::Boolean(true))?;
                }
                self.field("set", Value::Table(set))?
            }
            // No reply of its own: it says something of the one behind it.
            b'|' => {
                self.pass(2 * number()?, depth)?;
                self.value(depth + 1)?
            }
            // Scripts have no use for them.
            b'>' => {
                self.pass(number()?, depth)?;
                Value::Nil
            }
            _ => return Err(malformed()),
        })
    }

    fn pass(&mut self, count: i64, depth: usize) -> mlua::Result<()> {
        (0..count).try_for_each(|_| self.value(depth + 1).map(drop))
    }

    fn array(&mut self, count: i64, depth: usize) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(count.clamp(0, 1 << 20) as usize, 0)?;
        for index in 1..=count {
            table.raw_set(index, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn verbatim(&mut self, length: i64) -> mlua::Result<Value> {
        let block = self.block(length)?;
        let (format, text) = block.split_at_checked(4).ok_or_else(malformed)?;
        let inner = self.lua.create_table()?;
        inner.raw_set("string", self.lua.create_string(text)?)?;
        inner.raw_set("format", self.lua.create_string(&format[..3])?)?;
        self.field("verbatim_string", Value::Table(inner))
    }

    fn field(&self, name: &str, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table()?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }
}

/// NaN and nil cannot be keys of a table.
fn set_unless_nil(table: &Table, key: Value, value: Value) -> mlua::Result<()> {
    match key {
        Value::Nil => Ok(()),
        Value::Number(number) if number.is_nan() => Ok(()),
        key => table.raw_set(key, value),
    }
}

/// Lua 5.1 has doubles alone.
fn integer(value: i64) -> Value {
    Value::Number(value as f64)
}

/// Marks, under Redis's name, the error of a command: it counted when the command was called.
const OF_CALL: &str = "ignore_error_stats_update";

/// What a script sees of an error that a command answered, or with which it was refused.
pub fn failed(lua: &Lua, line: &[u8]) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(line)?)?;
    table.raw_set(OF_CALL, true)?;
    Ok(Value::Table(table))
}

/// Whether `error`, with which a script ended, is one of [`failed`].
pub fn is_of_call(error: &Value) -> bool {
    let Value::Table(table) = error else { return false };
    table.raw_get(OF_CALL).unwrap_or(false)
}

/// What a script sees of an error of its own calls.
pub fn error_table(lua: &Lua, line: &[u8]) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.raw_set("err", lua.create_string(line)?)?;
    Ok(Value::Table(table))
}

// --- To RESP ---------------------------------------------------------------------------------------------------------

/// What a script returned.
pub enum Answered {
    /// A reply, which was written.
    Reply,
    /// An error, by itself.
    Error(Vec<u8>),
}

/// Writes what a script returned. `protocol` is the script's own, which decides what booleans are.
pub fn push_value(
    lua: &Lua,
    value: &Value,
    protocol: Protocol,
    reply: &mut Reply<'_>,
) -> mlua::Result<Answered> {
    if let Value::Table(table) = value
        && let Value::String(text) = table.raw_get("err")?
    {
        return Ok(Answered::Error(one_line(&text.as_bytes())));
    }
    push(lua, value, protocol, reply, 0)?;
    Ok(Answered::Reply)
}

fn push(
    lua: &Lua,
    value: &Value,
    protocol: Protocol,
    reply: &mut Reply<'_>,
    depth: usize,
) -> mlua::Result<()> {
    match value {
        Value::String(text) => reply.bulk(&text.as_bytes()),
        Value::Boolean(value) if protocol == Protocol::Resp3 => reply.boolean(*value),
        Value::Boolean(true) => reply.integer(1),
        Value::Integer(number) => reply.integer(*number),
        Value::Number(number) => reply.integer(truncated(*number)),
        Value::Table(table) => push_table(lua, table, protocol, reply, depth)?,
        _ => reply.null(),
    }
    Ok(())
}

/// As C's conversion on x86-64, where what does not fit is the least of all integers.
fn truncated(number: f64) -> i64 {
    // 2^63 is the first that does not fit.
    if number.is_nan()
        || !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number)
    {
        i64::MIN
    } else {
        number as i64
    }
}

fn push_table(
    lua: &Lua,
    table: &Table,
    protocol: Protocol,
    reply: &mut Reply<'_>,
    depth: usize,
) -> mlua::Result<()> {
    if depth > DEPTH_MAX {
        reply.raw(b"-ERR reached lua stack limit\r\n");
        return Ok(());
    }
    if let Value::String(text) = table.raw_get("err")? {
        reply.raw(&[b"-", &*one_line(&text.as_bytes()), b"\r\n"].concat());
        return Ok(());
    }
    if let Value::String(text) = table.raw_get("ok")? {
        reply.raw(&[b"+", &*one_line(&text.as_bytes()), b"\r\n"].concat());
        return Ok(());
    }
    match table.raw_get("double")? {
        Value::Number(number) => {
            reply.double(number);
            return Ok(());
        }
        Value::Integer(number) => {
            reply.double(number as f64);
            return Ok(());
        }
        _ => {}
    }
    if let Value::Table(map) = table.raw_get("map")? {
        let count = count(&map)?;
        reply.map(count);
        return map.for_each(|key: Value, value: Value| {
            push(lua, &key, protocol, reply, depth + 1)?;
            push(lua, &value, protocol, reply, depth + 1)
        });
    }
    if let Value::Table(set) = table.raw_get("set")? {
        let count = count(&set)?;
        reply.set(count);
        return set.for_each(|key: Value, _: Value| push(lua, &key, protocol, reply, depth + 1));
    }
    if let Value::String(number) = table.raw_get("big_number")? {
        let number = one_line(&number.as_bytes());
        match reply.protocol() {
            Protocol::Resp3 => reply.raw(&[b"(", &*number, b"\r\n"].concat()),
            Protocol::Resp2 => reply.bulk(&number),
        }
        return Ok(());
    }
    if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
        && let (Value::String(text), Value::String(format)) =
            (verbatim.raw_get("string")?, verbatim.raw_get("format")?)
    {
        let mut three = *b"   ";
        for (place, byte) in three.iter_mut().zip(format.as_bytes().iter()) {
            *place = *byte;
        }
        reply.verbatim(three, &text.as_bytes());
        return Ok(());
    }
    // The elements up to the first nil: as many as there are is known when they are.
    let mut values = Vec::new();
    loop {
        match table.raw_get(values.len() + 1)? {
            Value::Nil => break,
            value => values.push(value),
        }
    }
    reply.array(values.len());
    values.iter().try_for_each(|value| push(lua, value, protocol, reply, depth + 1))
}

fn count(table: &Table) -> mlua::Result<usize> {
    let mut count = 0;
    table.for_each(|_: Value, _: Value| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Nothing of a script's text begins a second reply.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect()
}

/// The line of an error that a script raised and did not catch.
pub fn error_of(value: &Value) -> Vec<u8> {
    let text = match value {
        Value::Table(table) => match table.raw_get("err") {
            Ok(Value::String(text)) => return one_line(&text.as_bytes()),
            _ => b"unknown error".to_vec(),
        },
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Number(number) => {
            let mut text = Vec::new();
            push_general(*number, 14, &mut text);
            text
        }
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Boolean(value) => value.to_string().into_bytes(),
        Value::Nil => b"nil".to_vec(),
        Value::Error(error) => super::sandbox::error_text(error),
        _ => b"unknown error".to_vec(),
    };
    let mut line = b"ERR ".to_vec();
    line.extend_from_slice(&one_line(&text));
    line
}

/// The line of an error of the interpreter itself.
pub fn error_line(error: &mlua::Error) -> Vec<u8> {
    let mut line = b"ERR ".to_vec();
    line.extend_from_slice(&one_line(&super::sandbox::error_text(error)));
    line
}

/// The text that a string or a number is to Lua; `None` for other values.
pub fn text_of(value: &Value) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    match value {
        Value::String(string) => text.extend_from_slice(&string.as_bytes()),
        Value::Number(number) => push_general(*number, 14, &mut text),
        Value::Integer(number) => push_general(*number as f64, 14, &mut text),
        _ => return None,
    }
    Some(text)
}

/// The number that a value is to Lua, strings that look like one included.
pub fn number_of(lua: &Lua, value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(_) => lua.coerce_number(value.clone()).ok().flatten(),
        _ => None,
    }
}

/// What a library in C says of an argument that is of another type.
pub fn bad_argument(index: usize, function: &str, expected: &str, got: Option<&Value>) -> String {
    let got = match got {
        None => "no value",
        Some(value) => type_name(value),
    };
    format!("bad argument #{index} to '{function}' ({expected} expected, got {got})")
}

/// The name of a value's type in Lua.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::UserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}
