//! Functions that Lua takes for C functions: only these stay on the stack when a script calls them last (`return redis.call(…)`), so that an error can name the
//! script's line, and only these raise strings, as Redis's libraries do.
//!
//! **Invariant.** Lua raises errors by jumping over the frames in between. No function here that Lua calls owns anything when it calls into Lua, so that a jump over it drops nothing.
//!
//! Source: the Lua 5.1 manual, sections 3.4 and 3.7; RFC 2945 on frames that may be jumped over.

use mlua::ffi::{self, lua_State};
use mlua::{Function, Lua, Table};
use std::ffi::c_int;

/// Longest pattern that Lua's matcher is given. It recurses for each item of it, some 200 bytes of stack a time.
const PATTERN_BYTES_MAX: usize = 2_048;

/// A function that calls `inner`, and takes its first result for its error: nil is none. A string is raised with the place of the caller before it, a table as it is,
/// and after `true` the second result as it is.
pub fn raising(lua: &Lua, inner: Function) -> mlua::Result<Function> {
    // SAFETY: takes the one value that was pushed for it and leaves one; `call_and_raise` has what it needs in its upvalue.
    unsafe { lua.exec_raw(inner, |state| ffi::lua_pushcclosure(state, call_and_raise, 1)) }
}

/// `builtin`, one of Lua's own functions without upvalues, but `instead` (in the manner of [`raising`]) where the first argument is a key of `hidden`.
pub fn unless_hidden(
    lua: &Lua,
    (builtin, hidden, instead): (Function, Table, Function),
) -> mlua::Result<Function> {
    // SAFETY: takes the three values that were pushed for it and leaves one.
    unsafe {
        lua.exec_raw((builtin, hidden, instead), |state| {
            ffi::lua_pushcclosure(state, call_unless_hidden, 3)
        })
    }
}

/// `builtin`, one of Lua's own functions without upvalues, but an error where the second argument is too long a pattern. To a function that `may_be_plain`, a true
/// fourth argument says that it is none.
pub fn with_short_pattern(
    lua: &Lua,
    (builtin, may_be_plain): (Function, bool),
) -> mlua::Result<Function> {
    // SAFETY: takes the two values that were pushed for it and leaves one.
    unsafe {
        lua.exec_raw((builtin, may_be_plain), |state| {
            ffi::lua_pushcclosure(state, call_with_pattern, 2)
        })
    }
}

unsafe extern "C-unwind" fn call_and_raise(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its state; the stack has room for `LUA_MINSTACK` (20) more values, and nothing here is owned by Rust.
    unsafe {
        let count = ffi::lua_gettop(state);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, count, ffi::LUA_MULTRET);
        results_or_error(state)
    }
}

/// What [`raising`] says of the results, which are all that is on the stack.
///
/// # Safety
/// `state` is that of a function that Lua has called, and has room for three values.
unsafe fn results_or_error(state: *mut lua_State) -> c_int {
    // SAFETY: as the caller says.
    unsafe {
        match ffi::lua_type(state, 1) {
            ffi::LUA_TNIL => {
                ffi::lua_remove(state, 1);
                return ffi::lua_gettop(state);
            }
            ffi::LUA_TNONE => return 0,
            ffi::LUA_TBOOLEAN => ffi::lua_settop(state, 2),
            ffi::LUA_TSTRING => {
                ffi::lua_settop(state, 1);
                ffi::luaL_where(state, 1);
                ffi::lua_insert(state, 1);
                ffi::lua_concat(state, 2);
            }
            _ => ffi::lua_settop(state, 1),
        }
        ffi::lua_error(state)
    }
}

unsafe extern "C-unwind" fn call_unless_hidden(state: *mut lua_State) -> c_int {
    // SAFETY: as in `call_and_raise`. The first upvalue is a function in C that has no upvalues, which finds its arguments where it would find them if it were called itself.
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TTABLE {
            ffi::lua_pushvalue(state, 1);
            ffi::lua_rawget(state, ffi::lua_upvalueindex(2));
            let is_hidden = ffi::lua_type(state, -1) != ffi::LUA_TNIL;
            ffi::lua_settop(state, -2);
            if is_hidden {
                let count = ffi::lua_gettop(state);
                ffi::lua_pushvalue(state, ffi::lua_upvalueindex(3));
                ffi::lua_insert(state, 1);
                ffi::lua_call(state, count, ffi::LUA_MULTRET);
                return results_or_error(state);
            }
        }
        call_builtin(state)
    }
}

unsafe extern "C-unwind" fn call_with_pattern(state: *mut lua_State) -> c_int {
    // SAFETY: as in `call_unless_hidden`; `lua_objlen` takes any value.
    unsafe {
        if ffi::lua_type(state, 2) == ffi::LUA_TSTRING
            && ffi::lua_rawlen(state, 2) > PATTERN_BYTES_MAX
            && (ffi::lua_toboolean(state, ffi::lua_upvalueindex(2)) == 0
                || ffi::lua_toboolean(state, 4) == 0)
        {
            ffi::lua_settop(state, 0);
            ffi::lua_pushlstring(state, TOO_COMPLEX.as_ptr().cast(), TOO_COMPLEX.len());
            return results_or_error(state);
        }
        call_builtin(state)
    }
}

const TOO_COMPLEX: &[u8] = b"pattern too complex";

/// Goes on as the C function in the first upvalue.
///
/// # Safety
/// As in [`call_unless_hidden`].
unsafe fn call_builtin(state: *mut lua_State) -> c_int {
    // SAFETY: as the caller says.
    unsafe {
        match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(1)) {
            Some(builtin) => builtin(state),
            None => 0,
        }
    }
}
