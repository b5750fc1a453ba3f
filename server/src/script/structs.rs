//! `struct`: values as bytes, by a format.
//!
//! Source: inf.puc-rio.br/~roberto/struct, and the answers of Redis 7.0.

use super::convert::{bad_argument, number_of, text_of};
use super::{failed, succeeded};
use mlua::{Lua, MultiValue, Table, Value};

/// The functions, as the prelude takes them.
pub fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.set("pack", lua.create_function(|lua, words| answer(lua, pack(lua, &words)))?)?;
    table.set("unpack", lua.create_function(|lua, words| answer(lua, unpack(lua, &words)))?)?;
    table.set("size", lua.create_function(|lua, words| answer(lua, size(lua, &words)))?)?;
    Ok(table)
}

type Answer = Result<Vec<Value>, Trouble>;

enum Trouble {
    Said(String),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Trouble {
    fn from(error: mlua::Error) -> Self {
        Trouble::Lua(error)
    }
}

fn said<T>(text: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Said(text.into()))
}

fn answer(lua: &Lua, result: Answer) -> mlua::Result<MultiValue> {
    match result {
        Ok(values) => Ok(succeeded(values)),
        Err(Trouble::Said(message)) => failed(lua, &message),
        Err(Trouble::Lua(error)) => Err(error),
    }
}

/// Bytes of the largest integer that a format may name.
const INTEGER_BYTES_MAX: usize = 32;

/// What a format's letter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Integer {
        bytes: usize,
        signed: bool,
    },
    Float,
    Double,
    Padding,
    /// So many bytes; 0 is as many as there are, or as the value before says.
    Bytes(usize),
    /// Up to and with a zero.
    Zero,
}

/// A format as it is read.
struct Format<'a> {
    text: &'a [u8],
    at: usize,
    little: bool,
    align: usize,
    function: &'static str,
}

impl Format<'_> {
    fn number(&mut self) -> Result<Option<usize>, Trouble> {
        let start = self.at;
        let mut number = 0usize;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let digit = usize::from(digit - b'0');
            if number > (i32::MAX as usize - digit) / 10 {
                return said("integral size overflow");
            }
            number = number * 10 + digit;
            self.at += 1;
        }
        Ok((self.at > start).then_some(number))
    }

    /// The next item and the size it is aligned to.
    fn next(&mut self) -> Result<Option<(Item, usize)>, Trouble> {
        loop {
            let Some(&letter) = self.text.get(self.at) else { return Ok(None) };
            self.at += 1;
            let integer = |bytes, signed| Item::Integer { bytes, signed };
            let item = match letter {
                b'b' => integer(1, true),
                b'B' => integer(1, false),
                b'h' => integer(2, true),
                b'H' => integer(2, false),
                b'l' => integer(8, true),
                b'L' | b'T' => integer(8, false),
                b'f' => Item::Float,
                b'd' => Item::Double,
                b'x' => Item::Padding,
                b's' => Item::Zero,
                b'c' => Item::Bytes(self.number()?.unwrap_or(1)),
                b'i' | b'I' => {
                    let bytes = self.number()?.unwrap_or(4);
                    if bytes > INTEGER_BYTES_MAX {
                        return said(format!(
                            "integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}"
                        ));
                    }
                    integer(bytes, letter == b'i')
                }
                b' ' => continue,
                b'<' | b'>' => {
                    self.little = letter == b'<';
                    continue;
                }
                b'!' => {
                    let align = self.number()?.unwrap_or(8);
                    if align == 0 || !align.is_power_of_two() {
                        return said(format!("alignment {align} is not a power of 2"));
                    }
                    self.align = align;
                    continue;
                }
                other => {
                    let other = char::from(other);
                    return said(format!(
                        "bad argument #1 to '{}' (invalid format option '{other}')",
                        self.function
                    ));
                }
            };
            let size = match item {
                Item::Integer { bytes, .. } => bytes,
                Item::Float => 4,
                Item::Double => 8,
                _ => 1,
            };
            return Ok(Some((item, size)));
        }
    }

    /// Bytes of padding before an item of this size at this place.
    fn padding(&self, size: usize, place: usize) -> usize {
        let align = size.min(self.align);
        if align <= 1 || !align.is_power_of_two() { 0 } else { place.wrapping_neg() & (align - 1) }
    }
}

fn format_of<'a>(text: &'a [u8], function: &'static str) -> Format<'a> {
    Format { text, at: 0, little: cfg!(target_endian = "little"), align: 1, function }
}

fn text_argument(words: &MultiValue, index: usize, function: &str) -> Result<Vec<u8>, Trouble> {
    let word = words.get(index - 1);
    word.and_then(text_of)
        .ok_or_else(|| Trouble::Said(bad_argument(index, function, "string", word)))
}

fn number_argument(
    lua: &Lua,
    words: &MultiValue,
    index: usize,
    function: &str,
) -> Result<f64, Trouble> {
    // Redis's own has a nil behind its arguments.
    let missing = (index == words.len() + 1).then_some(&Value::Nil);
    let word = words.get(index - 1).or(missing);
    word.and_then(|word| number_of(lua, word))
        .ok_or_else(|| Trouble::Said(bad_argument(index, function, "number", word)))
}

/// The integer that a number is cut to, wrapped as C's conversions do.
fn whole(number: f64) -> u64 {
    if number < 0.0 { number as i64 as u64 } else { number as u64 }
}

fn push_integer(value: u64, bytes: usize, little: bool, out: &mut Vec<u8>) {
    let start = out.len();
    // Beyond eight bytes Redis's own shifts everything out: the rest is zeros.
    let byte = |index: usize| if index < 8 { (value >> (8 * index)) as u8 } else { 0 };
    out.extend((0..bytes).map(byte));
    if !little {
        out[start..].reverse();
    }
}

fn integer_of(bytes: &[u8], little: bool, signed: bool) -> f64 {
    let mut value = 0u64;
    let mut take = |byte: &u8| value = value << 8 | u64::from(*byte);
    if little {
        bytes.iter().rev().for_each(&mut take)
    } else {
        bytes.iter().for_each(&mut take)
    }
    if !signed {
        return value as f64;
    }
    let unused = 64 - 8 * bytes.len().clamp(1, 8) as u32;
    (((value << unused) as i64) >> unused) as f64
}

fn pack(lua: &Lua, words: &MultiValue) -> Answer {
    const NAME: &str = "pack";
    let text = text_argument(words, 1, NAME)?;
    let mut format = format_of(&text, NAME);
    let (mut out, mut index) = (Vec::new(), 1);
    while let Some((item, size)) = format.next()? {
        out.resize(out.len() + format.padding(size, out.len()), 0);
        if item == Item::Padding {
            out.push(0);
            continue;
        }
        index += 1;
        match item {
            Item::Integer { bytes, .. } => {
                let number = number_argument(lua, words, index, NAME)?;
                push_integer(whole(number), bytes, format.little, &mut out);
            }
            Item::Float => {
                let number = number_argument(lua, words, index, NAME)? as f32;
                let bytes = if format.little { number.to_le_bytes() } else { number.to_be_bytes() };
                out.extend_from_slice(&bytes);
            }
            Item::Double => {
                let number = number_argument(lua, words, index, NAME)?;
                let bytes = if format.little { number.to_le_bytes() } else { number.to_be_bytes() };
                out.extend_from_slice(&bytes);
            }
            Item::Bytes(count) => {
                let value = text_argument(words, index, NAME)?;
                let count = if count == 0 { value.len() } else { count };
                let Some(value) = value.get(..count) else {
                    return said(format!(
                        "bad argument #{} to '{NAME}' (string too short)",
                        index + 1
                    ));
                };
                out.extend_from_slice(value);
            }
            Item::Zero => {
                out.extend_from_slice(&text_argument(words, index, NAME)?);
                out.push(0);
            }
            Item::Padding => {}
        }
    }
    Ok(vec![Value::String(lua.create_string(out)?)])
}

fn unpack(lua: &Lua, words: &MultiValue) -> Answer {
    const NAME: &str = "unpack";
    let (text, data) = (text_argument(words, 1, NAME)?, text_argument(words, 2, NAME)?);
    let start = match words.get(2) {
        None | Some(Value::Nil) => 1.0,
        Some(_) => number_argument(lua, words, 3, NAME)?,
    };
    if start < 1.0 || start.is_nan() {
        return said(format!("bad argument #3 to '{NAME}' (offset must be 1 or greater)"));
    }
    let short = || said(format!("bad argument #2 to '{NAME}' (data string too short)"));
    let mut at = (start as usize).saturating_sub(1);
    let mut format = format_of(&text, NAME);
    let mut values: Vec<Value> = Vec::new();
    while let Some((item, size)) = format.next()? {
        at = at.saturating_add(format.padding(size, at));
        let take = |count: usize| data.get(at..at.saturating_add(count));
        match item {
            Item::Padding => {
                if take(1).is_none() {
                    return short();
                }
                at += 1;
            }
            Item::Integer { bytes, signed } => {
                let Some(block) = take(bytes) else { return short() };
                values.push(Value::Number(integer_of(block, format.little, signed)));
                at += bytes;
            }
            Item::Float => {
                let Some(Ok(block)) = take(4).map(<[u8; 4]>::try_from) else { return short() };
                let number = if format.little {
                    f32::from_le_bytes(block)
                } else {
                    f32::from_be_bytes(block)
                };
                values.push(Value::Number(f64::from(number)));
                at += 4;
            }
            Item::Double => {
                let Some(Ok(block)) = take(8).map(<[u8; 8]>::try_from) else { return short() };
                let number = if format.little {
                    f64::from_le_bytes(block)
                } else {
                    f64::from_be_bytes(block)
                };
                values.push(Value::Number(number));
                at += 8;
            }
            Item::Bytes(count) => {
                let count = match count {
                    0 => match values.pop() {
                        Some(Value::Number(number)) if number >= 0.0 => number as usize,
                        _ => return said("format 'c0' needs a previous size"),
                    },
                    count => count,
                };
                let Some(block) = take(count) else { return short() };
                values.push(Value::String(lua.create_string(block)?));
                at += count;
            }
            Item::Zero => {
                let rest = data.get(at..).unwrap_or_default();
                let Some(end) = memchr::memchr(0, rest) else {
                    return said("unfinished string in data");
                };
                values.push(Value::String(lua.create_string(&rest[..end])?));
                at += end + 1;
            }
        }
    }
    values.push(Value::Number((at + 1) as f64));
    Ok(values)
}

fn size(_: &Lua, words: &MultiValue) -> Answer {
    const NAME: &str = "size";
    let text = text_argument(words, 1, NAME)?;
    let mut format = format_of(&text, NAME);
    let mut at = 0usize;
    while let Some((item, size)) = format.next()? {
        at += format.padding(size, at);
        at = match item {
            Item::Zero | Item::Bytes(0) => {
                let letter = if item == Item::Zero { "s" } else { "c0" };
                return said(format!(
                    "bad argument #1 to '{NAME}' (option '{letter}' has no fixed size)"
                ));
            }
            Item::Bytes(count) => at.saturating_add(count),
            _ => at.saturating_add(size),
        };
    }
    Ok(vec![Value::Number(at as f64)])
}
