//! `bit`: operations on 32 bits, which numbers are wrapped to.
//!
//! Source: bitop.luajit.org, semantics and API.

use super::convert::{bad_argument, number_of};
use super::{failed, succeeded};
use mlua::{Lua, MultiValue, Table, Value};

/// The functions, as the prelude takes them.
pub fn functions(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    one(lua, &table, "tobit", |a| a)?;
    one(lua, &table, "bnot", |a| !a)?;
    one(lua, &table, "bswap", i32::swap_bytes)?;
    fold(lua, &table, "band", |a, b| a & b)?;
    fold(lua, &table, "bor", |a, b| a | b)?;
    fold(lua, &table, "bxor", |a, b| a ^ b)?;
    shift(lua, &table, "lshift", |a, by| a << by)?;
    shift(lua, &table, "rshift", |a, by| (a as u32 >> by) as i32)?;
    shift(lua, &table, "arshift", |a, by| a >> by)?;
    shift(lua, &table, "rol", i32::rotate_left)?;
    shift(lua, &table, "ror", i32::rotate_right)?;
    table.set(
        "tohex",
        lua.create_function(|lua, words: MultiValue| {
            let value = bits(lua, &words, 1, "tohex");
            let digits = if words.len() > 1 { bits(lua, &words, 2, "tohex") } else { Ok(8) };
            match (value, digits) {
                (Ok(value), Ok(digits)) => {
                    let text = Value::String(lua.create_string(hex(value as u32, digits))?);
                    Ok(succeeded([text]))
                }
                (Err(message), _) | (_, Err(message)) => failed(lua, &message),
            }
        })?,
    )?;
    Ok(table)
}

/// The lowest digits, in capitals if their number is negative.
fn hex(value: u32, digits: i32) -> String {
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let count = digits.unsigned_abs().min(8) as usize;
    text[8 - count..].to_owned()
}

/// The nearest integer, modulo 2^32.
fn wrap(number: f64) -> i32 {
    // Adding 2^52 + 2^51 leaves the integer in the lowest bits of the double.
    (number + 6_755_399_441_055_744.0).to_bits() as u32 as i32
}

fn bits(lua: &Lua, words: &MultiValue, index: usize, name: &str) -> Result<i32, String> {
    let word = words.get(index - 1);
    let number = word.and_then(|word| number_of(lua, word));
    number.map(wrap).ok_or_else(|| bad_argument(index, name, "number", word))
}

fn answer(lua: &Lua, result: Result<i32, String>) -> mlua::Result<MultiValue> {
    match result {
        Ok(value) => Ok(succeeded([Value::Number(f64::from(value))])),
        Err(message) => failed(lua, &message),
    }
}

fn one(lua: &Lua, table: &Table, name: &'static str, of: fn(i32) -> i32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, words: MultiValue| {
        answer(lua, bits(lua, &words, 1, name).map(of))
    })?;
    table.set(name, function)
}

fn fold(lua: &Lua, table: &Table, name: &'static str, of: fn(i32, i32) -> i32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, words: MultiValue| {
        let first = bits(lua, &words, 1, name);
        let result = (2..=words.len())
            .fold(first, |sofar, index| Ok(of(sofar?, bits(lua, &words, index, name)?)));
        answer(lua, result)
    })?;
    table.set(name, function)
}

fn shift(
    lua: &Lua,
    table: &Table,
    name: &'static str,
    of: fn(i32, u32) -> i32,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, words: MultiValue| {
        let value = bits(lua, &words, 1, name);
        let by = bits(lua, &words, 2, name);
        answer(lua, value.and_then(|value| Ok(of(value, by? as u32 & 31))))
    })?;
    table.set(name, function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        assert_eq!(wrap(0xffff_ffff_u32.into()), -1);
        assert_eq!(wrap(0xffff_ffff_u32 as f64 + 1.0), 0);
        assert_eq!(wrap(-1.0), -1);
        assert_eq!(wrap(1.6), 2);
        assert_eq!(wrap(f64::from(i32::MIN)), i32::MIN);
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(hex(1, 8), "00000001");
        assert_eq!(hex(u32::MAX, -4), "FFFF");
        assert_eq!(hex(0xdead_beef, 2), "ef");
        assert_eq!(hex(0xdead_beef, i32::MIN), "DEADBEEF");
        assert_eq!(hex(5, 0), "");
    }
}
