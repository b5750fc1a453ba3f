//! `cjson`: values as JSON.
//!
//! Source: kyne.com.au/~mark/software/lua-cjson-manual.html, RFC 8259, and the answers of Redis 7.0.

mod decode;

use super::convert::{bad_argument, number_of, text_of, type_name};
use super::number::push_general;
use super::{failed, succeeded};
use mlua::{Lua, MultiValue, Table, Value};
use std::cell::Cell;
use std::rc::Rc;

/// What scripts may set; put back before each run.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Sparse tables: written as objects instead of refused.
    sparse_convert: bool,
    /// A table is sparse if its highest index is beyond so many times its elements…
    sparse_ratio: i64,
    /// … and beyond this.
    sparse_safe: i64,
    encode_depth: i64,
    decode_depth: i64,
    digits: i64,
    /// NaN and infinity: refused (0), written (1), written as null (2).
    encode_invalid: u8,
    decode_invalid: bool,
    keep_buffer: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1_000,
            decode_depth: 1_000,
            digits: 14,
            encode_invalid: 0,
            decode_invalid: true,
            keep_buffer: true,
        }
    }
}

/// Depths beyond this would take more of the stack than there is.
const DEPTH_MAX: i64 = 4_000;

type Shared = Rc<Cell<Settings>>;

/// The functions, as the prelude takes them.
pub fn functions(lua: &Lua, settings: &Shared) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let shared = Rc::clone(settings);
    let encode =
        lua.create_function(move |lua, words: MultiValue| encode(lua, &words, shared.get()))?;
    table.set("encode", encode)?;
    let shared = Rc::clone(settings);
    let decode = lua
        .create_function(move |lua, words: MultiValue| decode::decode(lua, &words, shared.get()))?;
    table.set("decode", decode)?;
    setting(lua, &table, settings, "encode_max_depth", |lua, words, settings| {
        integer(
            lua,
            words,
            1,
            "encode_max_depth",
            (1, i64::from(i32::MAX)),
            &mut settings.encode_depth,
        )?;
        Ok(vec![Value::Number(settings.encode_depth as f64)])
    })?;
    setting(lua, &table, settings, "decode_max_depth", |lua, words, settings| {
        integer(
            lua,
            words,
            1,
            "decode_max_depth",
            (1, i64::from(i32::MAX)),
            &mut settings.decode_depth,
        )?;
        Ok(vec![Value::Number(settings.decode_depth as f64)])
    })?;
    setting(lua, &table, settings, "encode_number_precision", |lua, words, settings| {
        integer(lua, words, 1, "encode_number_precision", (1, 14), &mut settings.digits)?;
        Ok(vec![Value::Number(settings.digits as f64)])
    })?;
    setting(lua, &table, settings, "encode_keep_buffer", |_, words, settings| {
        truth(words, "encode_keep_buffer", &mut settings.keep_buffer)?;
        Ok(vec![Value::Boolean(settings.keep_buffer)])
    })?;
    setting(lua, &table, settings, "decode_invalid_numbers", |_, words, settings| {
        truth(words, "decode_invalid_numbers", &mut settings.decode_invalid)?;
        Ok(vec![Value::Boolean(settings.decode_invalid)])
    })?;
    setting(lua, &table, settings, "encode_invalid_numbers", |lua, words, settings| {
        let is_null =
            matches!(words.front(), Some(Value::String(text)) if *text.as_bytes() == *b"null");
        if is_null {
            settings.encode_invalid = 2;
        } else {
            let mut on = settings.encode_invalid == 1;
            if words.front().is_some_and(|word| !word.is_nil()) {
                truth(words, "encode_invalid_numbers", &mut on)?;
                settings.encode_invalid = u8::from(on);
            }
        }
        Ok(vec![match settings.encode_invalid {
            2 => Value::String(lua.create_string("null").map_err(|error| error.to_string())?),
            other => Value::Boolean(other == 1),
        }])
    })?;
    setting(lua, &table, settings, "encode_sparse_array", |lua, words, settings| {
        const NAME: &str = "encode_sparse_array";
        truth(words, NAME, &mut settings.sparse_convert)?;
        integer(lua, words, 2, NAME, (0, i64::from(i32::MAX)), &mut settings.sparse_ratio)?;
        integer(lua, words, 3, NAME, (0, i64::from(i32::MAX)), &mut settings.sparse_safe)?;
        let (ratio, safe) = (settings.sparse_ratio as f64, settings.sparse_safe as f64);
        Ok(vec![Value::Boolean(settings.sparse_convert), Value::Number(ratio), Value::Number(safe)])
    })?;
    Ok(table)
}

type Setter = fn(&Lua, &MultiValue, &mut Settings) -> Result<Vec<Value>, String>;

/// A function that changes a setting, if it is given any, and answers what holds.
fn setting(
    lua: &Lua,
    table: &Table,
    settings: &Shared,
    name: &'static str,
    set: Setter,
) -> mlua::Result<()> {
    let shared = Rc::clone(settings);
    let function = lua.create_function(move |lua, words: MultiValue| {
        let mut settings = shared.get();
        match set(lua, &words, &mut settings) {
            Ok(values) => {
                shared.set(settings);
                Ok(succeeded(values))
            }
            Err(message) => failed(lua, &message),
        }
    })?;
    table.set(name, function)
}

fn integer(
    lua: &Lua,
    words: &MultiValue,
    index: usize,
    name: &str,
    (min, max): (i64, i64),
    value: &mut i64,
) -> Result<(), String> {
    let Some(word) = words.get(index - 1).filter(|word| !word.is_nil()) else { return Ok(()) };
    let number =
        number_of(lua, word).ok_or_else(|| bad_argument(index, name, "number", Some(word)))?;
    if !(min as f64..=max as f64).contains(&number) {
        return Err(format!(
            "bad argument #{index} to '{name}' (expected integer between {min} and {max})"
        ));
    }
    *value = number as i64;
    Ok(())
}

fn truth(words: &MultiValue, name: &str, value: &mut bool) -> Result<(), String> {
    match words.front() {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(new)) => *value = *new,
        Some(Value::String(text)) if *text.as_bytes() == *b"on" => *value = true,
        Some(Value::String(text)) if *text.as_bytes() == *b"off" => *value = false,
        Some(Value::String(text)) => {
            let text = text.to_string_lossy();
            return Err(format!("bad argument #1 to '{name}' (invalid option '{text}')"));
        }
        Some(other) => return Err(bad_argument(1, name, "string", Some(other))),
    }
    Ok(())
}

// --- Writing ---------------------------------------------------------------------------------------------------------

enum Trouble {
    Said(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Trouble {
    fn from(error: mlua::Error) -> Self {
        Trouble::Lua(error)
    }
}

fn encode(lua: &Lua, words: &MultiValue, settings: Settings) -> mlua::Result<MultiValue> {
    if words.len() != 1 {
        return failed(lua, "bad argument #1 to 'encode' (expected 1 argument)");
    }
    let mut out = Vec::new();
    match push(&words[0], &settings, 0, &mut out) {
        Ok(()) => Ok(succeeded([Value::String(lua.create_string(out)?)])),
        Err(Trouble::Said(message)) => failed(lua, &message),
        Err(Trouble::Lua(error)) => Err(error),
    }
}

fn push(value: &Value, settings: &Settings, depth: i64, out: &mut Vec<u8>) -> Result<(), Trouble> {
    match value {
        Value::String(text) => push_text(&text.as_bytes(), out),
        Value::Integer(number) => push_number(*number as f64, settings, out)?,
        Value::Number(number) => push_number(*number, settings, out)?,
        Value::Boolean(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(data) if data.0.is_null() => out.extend_from_slice(b"null"),
        Value::Table(table) => push_table(table, settings, depth + 1, out)?,
        other => {
            let kind = type_name(other);
            return Err(Trouble::Said(format!("Cannot serialise {kind}: type not supported")));
        }
    }
    Ok(())
}

fn push_number(number: f64, settings: &Settings, out: &mut Vec<u8>) -> Result<(), Trouble> {
    if !number.is_finite() {
        match settings.encode_invalid {
            0 => {
                let text = "Cannot serialise number: must not be NaN or Inf";
                return Err(Trouble::Said(text.to_owned()));
            }
            2 => {
                out.extend_from_slice(b"null");
                return Ok(());
            }
            _ => {}
        }
    }
    push_general(number, settings.digits as usize, out);
    Ok(())
}

fn push_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f | 0x7f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn push_table(
    table: &Table,
    settings: &Settings,
    depth: i64,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    if depth > settings.encode_depth.min(DEPTH_MAX) {
        return Err(Trouble::Said(format!("Cannot serialise, excessive nesting ({depth})")));
    }
    match list_length(table, settings)? {
        Some(count) if count > 0 => {
            out.push(b'[');
            for index in 1..=count {
                if index > 1 {
                    out.push(b',');
                }
                push(&table.raw_get(index)?, settings, depth, out)?;
            }
            out.push(b']');
            Ok(())
        }
        _ => push_object(table, settings, depth, out),
    }
}

fn push_object(
    table: &Table,
    settings: &Settings,
    depth: i64,
    out: &mut Vec<u8>,
) -> Result<(), Trouble> {
    out.push(b'{');
    let mut trouble = None;
    let mut first = true;
    let walked = table.for_each(|key: Value, value: Value| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        let pushed = match &key {
            Value::String(text) => {
                push_text(&text.as_bytes(), out);
                Ok(())
            }
            Value::Integer(_) | Value::Number(_) => {
                let number = if let Value::Integer(number) = key {
                    number as f64
                } else {
                    key.as_f64().unwrap_or(0.0)
                };
                out.push(b'"');
                let pushed = push_number(number, settings, out);
                out.push(b'"');
                pushed
            }
            other => Err(Trouble::Said(format!(
                "Cannot serialise {}: table key must be a number or string",
                type_name(other)
            ))),
        };
        out.push(b':');
        pushed.and_then(|()| push(&value, settings, depth, out)).map_err(|error| {
            trouble = Some(error);
            mlua::Error::runtime("stopped")
        })
    });
    match (trouble, walked) {
        (Some(trouble), _) => Err(trouble),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(())) => {
            out.push(b'}');
            Ok(())
        }
    }
}

/// The highest index of a table that has nothing but positive integers for keys; `None` for an object.
fn list_length(table: &Table, settings: &Settings) -> Result<Option<i64>, Trouble> {
    let (mut highest, mut count, mut is_list) = (0i64, 0i64, true);
    for pair in table.pairs::<Value, Value>() {
        let index = match pair?.0 {
            Value::Integer(index) => index as f64,
            Value::Number(index) => index,
            _ => 0.0,
        };
        if index < 1.0 || index.fract() != 0.0 {
            is_list = false;
            break;
        }
        highest = highest.max(index as i64);
        count += 1;
    }
    if !is_list {
        return Ok(None);
    }
    let is_sparse = settings.sparse_ratio > 0
        && highest > count.saturating_mul(settings.sparse_ratio)
        && highest > settings.sparse_safe;
    match (is_sparse, settings.sparse_convert) {
        (false, _) => Ok(Some(highest)),
        (true, true) => Ok(None),
        (true, false) => {
            let text = "Cannot serialise table: excessively sparse array";
            Err(Trouble::Said(text.to_owned()))
        }
    }
}

/// The text that `decode` is given.
fn only_text(words: &MultiValue) -> Result<Vec<u8>, String> {
    if words.len() != 1 {
        return Err("bad argument #1 to 'decode' (expected 1 argument)".to_owned());
    }
    let word = words.front();
    word.and_then(text_of).ok_or_else(|| bad_argument(1, "decode", "string", word))
}
