//! `cmsgpack`: values as MessagePack.
//!
//! Values are nested [`DEPTH_MAX`] deep at most when they are written, deeper ones become nil, as in Redis; what is read may be nested [`READ_DEPTH_MAX`] deep.
//!
//! Source: msgpack.org, the specification; and the answers of Redis 7.0.

use super::convert::{bad_argument, number_of, text_of};
use super::{failed, succeeded};
use mlua::{Lua, MultiValue, Table, Value};

const DEPTH_MAX: usize = 16;
const READ_DEPTH_MAX: usize = 1_000;

/// The functions, as the prelude takes them.
pub fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(pack)?)?;
    table.set(
        "unpack",
        lua.create_function(|lua, words| unpack(lua, &words, Some((0.0, 0.0)), ""))?,
    )?;
    let one = lua.create_function(|lua, words: MultiValue| {
        let offset = optional(lua, &words, 2, 0.0);
        unpack(lua, &words, offset.map(|offset| (1.0, offset)), "unpack_one")
    })?;
    table.set("unpack_one", one)?;
    let limit = lua.create_function(|lua, words: MultiValue| {
        let limit = words.get(1).and_then(|word| number_of(lua, word));
        let Some(limit) = limit else {
            return failed(lua, &bad_argument(2, "unpack_limit", "number", words.get(1)));
        };
        let offset = optional(lua, &words, 3, 0.0);
        unpack(lua, &words, offset.map(|offset| (limit, offset)), "unpack_limit")
    })?;
    table.set("unpack_limit", limit)?;
    Ok(table)
}

/// A number that may be left out.
fn optional(lua: &Lua, words: &MultiValue, index: usize, default: f64) -> Option<f64> {
    match words.get(index - 1) {
        None | Some(Value::Nil) => Some(default),
        Some(word) => number_of(lua, word),
    }
}

// --- Writing ---------------------------------------------------------------------------------------------------------

fn pack(lua: &Lua, words: MultiValue) -> mlua::Result<MultiValue> {
    if words.is_empty() {
        return failed(lua, "bad argument #0 to 'pack' (MessagePack pack needs input.)");
    }
    let mut out = Vec::new();
    for word in &words {
        push(word, 0, &mut out)?;
    }
    Ok(succeeded([Value::String(lua.create_string(out)?)]))
}

fn push(value: &Value, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match value {
        Value::String(text) => push_text(&text.as_bytes(), out),
        Value::Boolean(value) => out.push(0xc2 | u8::from(*value)),
        Value::Integer(number) => push_integer(*number, out),
        Value::Number(number) => push_number(*number, out),
        Value::Table(table) if depth < DEPTH_MAX => push_table(table, depth, out)?,
        _ => out.push(0xc0),
    }
    Ok(())
}

fn push_number(number: f64, out: &mut Vec<u8>) {
    // 2^63 is the first that does not fit.
    if number.fract() == 0.0 && number.abs() < 9_223_372_036_854_775_808.0 {
        push_integer(number as i64, out);
    } else if f64::from(number as f32) == number {
        out.push(0xca);
        out.extend_from_slice(&(number as f32).to_be_bytes());
    } else {
        out.push(0xcb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

fn push_integer(number: i64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let (kind, count) = match number {
        -32..=127 => return out.push(number as u8),
        128..=0xff => (0xcc, 1),
        0x100..=0xffff => (0xcd, 2),
        0x1_0000..=0xffff_ffff => (0xce, 4),
        0x1_0000_0000.. => (0xcf, 8),
        -128..=-33 => (0xd0, 1),
        -0x8000..=-129 => (0xd1, 2),
        -0x8000_0000..=-0x8001 => (0xd2, 4),
        _ => (0xd3, 8),
    };
    out.push(kind);
    out.extend_from_slice(&bytes[8 - count..]);
}

/// A length, in the shortest of the forms that there are for it.
fn push_length(
    length: usize,
    short: Option<(u8, usize)>,
    forms: [Option<u8>; 3],
    out: &mut Vec<u8>,
) {
    if let Some((kind, below)) = short
        && length < below
    {
        return out.push(kind | length as u8);
    }
    let bytes = (length as u32).to_be_bytes();
    let (kind, count) = match forms {
        [Some(kind), ..] if length <= 0xff => (kind, 1),
        [_, Some(kind), _] if length <= 0xffff => (kind, 2),
        [.., Some(kind)] => (kind, 4),
        _ => return,
    };
    out.push(kind);
    out.extend_from_slice(&bytes[4 - count..]);
}

fn push_text(text: &[u8], out: &mut Vec<u8>) {
    push_length(text.len(), Some((0xa0, 32)), [Some(0xd9), Some(0xda), Some(0xdb)], out);
    out.extend_from_slice(text);
}

fn push_table(table: &Table, depth: usize, out: &mut Vec<u8>) -> mlua::Result<()> {
    match list_length(table)? {
        (count, true) => {
            push_length(count, Some((0x90, 16)), [None, Some(0xdc), Some(0xdd)], out);
            (1..=count).try_for_each(|index| push(&table.raw_get(index)?, depth + 1, out))
        }
        (count, false) => {
            push_length(count, Some((0x80, 16)), [None, Some(0xde), Some(0xdf)], out);
            table.for_each(|key: Value, value: Value| {
                push(&key, depth + 1, out)?;
                push(&value, depth + 1, out)
            })
        }
    }
}

/// The number of a table's fields, and whether they are those from 1 up to it.
fn list_length(table: &Table) -> mlua::Result<(usize, bool)> {
    let (mut count, mut highest, mut is_list) = (0usize, 0.0f64, true);
    table.for_each(|key: Value, _: Value| {
        count += 1;
        match key {
            Value::Integer(index) if index > 0 => highest = highest.max(index as f64),
            Value::Number(index) if index > 0.0 && index.fract() == 0.0 => {
                highest = highest.max(index);
            }
            _ => is_list = false,
        }
        Ok(())
    })?;
    Ok((count, is_list && highest == count as f64))
}

// --- Reading ---------------------------------------------------------------------------------------------------------

const MISSING: &str = "Missing bytes in input.";
const BAD: &str = "Bad data format in input.";

enum Trouble {
    Said(&'static str),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Trouble {
    fn from(error: mlua::Error) -> Self {
        Trouble::Lua(error)
    }
}

/// Reads `range`: how many values (0 is all), and from where. The functions that read a part of the input say where they stopped.
fn unpack(
    lua: &Lua,
    words: &MultiValue,
    range: Option<(f64, f64)>,
    partial: &str,
) -> mlua::Result<MultiValue> {
    let name = if partial.is_empty() { "unpack" } else { partial };
    let Some(input) = words.front().and_then(text_of) else {
        return failed(lua, &bad_argument(1, name, "string", words.front()));
    };
    let Some((limit, offset)) = range else {
        let index = if partial == "unpack_limit" { 3 } else { 2 };
        return failed(lua, &bad_argument(index, name, "number", words.get(index - 1)));
    };
    let (limit, offset) = (limit as i64, offset as i64);
    if limit < 0 || offset < 0 {
        return failed(
            lua,
            &format!(
                "Invalid request to unpack with offset of {offset} and limit of {}.",
                input.len()
            ),
        );
    }
    if offset > input.len() as i64 {
        return failed(
            lua,
            &format!("Start offset {offset} greater than input length {}.", input.len()),
        );
    }
    let mut reader = Reader { lua, input: &input, at: offset as usize };
    let mut values = Vec::new();
    let all = partial.is_empty();
    while reader.at < input.len() && (all || (values.len() as i64) < limit) {
        match reader.value(0) {
            Ok(value) => values.push(value),
            Err(Trouble::Said(message)) => return failed(lua, message),
            Err(Trouble::Lua(error)) => return Err(error),
        }
        // What C functions may return at most.
        if values.len() >= 7_900 {
            return failed(
                lua,
                "bad argument #0 to 'unpack' (too many return values for unpack at once.)",
            );
        }
    }
    if !all {
        let end = if reader.at >= input.len() { -1.0 } else { reader.at as f64 };
        values.insert(0, Value::Number(end));
    }
    Ok(succeeded(values))
}

struct Reader<'a> {
    lua: &'a Lua,
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Trouble> {
        let end = self.at.saturating_add(count);
        let block = self.input.get(self.at..end).ok_or(Trouble::Said(MISSING))?;
        self.at = end;
        Ok(block)
    }

    fn unsigned(&mut self, bytes: usize) -> Result<u64, Trouble> {
        Ok(self.take(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<f64, Trouble> {
        let unused = 64 - 8 * bytes as u32;
        Ok((((self.unsigned(bytes)? << unused) as i64) >> unused) as f64)
    }

    fn text(&mut self, length: u64) -> Result<Value, Trouble> {
        let text = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Value::String(self.lua.create_string(text)?))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Trouble> {
        if depth > READ_DEPTH_MAX {
            return Err(Trouble::Said(BAD));
        }
        let kind = self.take(1)?[0];
        let number = Value::Number;
        Ok(match kind {
            0x00..=0x7f => number(f64::from(kind)),
            0xe0..=0xff => number(f64::from(kind as i8)),
            0x80..=0x8f => self.map(u64::from(kind & 0x0f), depth)?,
            0x90..=0x9f => self.list(u64::from(kind & 0x0f), depth)?,
            0xa0..=0xbf => self.text(u64::from(kind & 0x1f))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => number(self.unsigned(1 << (kind - 0xcc))? as f64),
            0xd0..=0xd3 => number(self.signed(1 << (kind - 0xd0))?),
            0xd9..=0xdb => {
                let length = self.unsigned(1 << (kind - 0xd9))?;
                self.text(length)?
            }
            0xdc | 0xdd => {
                let count = self.unsigned(2 << (kind - 0xdc))?;
                self.list(count, depth)?
            }
            0xde | 0xdf => {
                let count = self.unsigned(2 << (kind - 0xde))?;
                self.map(count, depth)?
            }
            _ => return Err(Trouble::Said(BAD)),
        })
    }

    fn list(&mut self, count: u64, depth: usize) -> Result<Value, Trouble> {
        let table = self.lua.create_table()?;
        for index in 1..=count {
            table.raw_set(index as i64, self.value(depth + 1)?)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<Value, Trouble> {
        let table = self.lua.create_table()?;
        for _ in 0..count {
            let (key, value) = (self.value(depth + 1)?, self.value(depth + 1)?);
            match key {
                Value::Nil => return Err(Trouble::Said(BAD)),
                Value::Number(number) if number.is_nan() => return Err(Trouble::Said(BAD)),
                key => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }
}
