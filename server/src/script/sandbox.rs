//! What a script sees: the globals, protected.
//!
//! Stock Lua 5.1 cannot make a table read-only. So every table that a script gets from us (`_G`, `redis`, `string`, …) is an empty one whose contents lie in another that it
//! cannot reach: reading goes there, writing is an error. What reads or writes tables past their metatables (`rawset`, `next`, `table.insert`, …) is replaced by functions that know
//! these tables. That, and the functions of `redis`, is written in Lua: `prelude.lua`.
//!
//! Functions written in Rust return their error instead of raising it, for mlua's errors are no strings; [`native`] raises it, as the C libraries of Redis do.
//!
//! Known bugs of Lua 5.1.5 are fenced off: bytecode, readers of `load` that run while the parser does, ranges of `unpack` whose size overflows, and patterns whose
//! length makes the matcher recurse beyond the C stack.

use super::cache::sha_of;
use super::convert;
use super::random::Random;
use super::{bit, cjson, cmsgpack, native, structs};
use crate::base::release::{REDIS_VERSION, REDIS_VERSION_NUMBER};
use mlua::{Function, Lua, MultiValue, Table, Value};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use torc_protocol::Args;

const PRELUDE: &str = include_str!("prelude.lua");

/// The name of the prelude's chunk, whose functions are no place of an error.
const PRELUDE_NAME: &str = "=torc";

/// The globals of one interpreter.
pub struct Sandbox {
    /// Where `KEYS` and `ARGV` go.
    globals: Table,
    set_invoke: Function,
    library: LibrarySide,
    xpcall: Function,
    loadstring: Function,
    handler: Function,
    /// Where the last error was raised.
    place: Rc<RefCell<Option<Place>>>,
    random: Rc<Cell<Random>>,
    /// What the generator was before the script gave it a seed.
    unseeded: Rc<Cell<Option<Random>>>,
    json: Rc<Cell<cjson::Settings>>,
}

/// What the prelude has for libraries.
struct LibrarySide {
    /// The globals of their code.
    environment: Table,
    begin: Function,
    finish: Function,
    bind: Function,
}

/// What a library registered.
pub struct Registered {
    /// The function's name, which is one.
    pub name: String,
    /// What it says of the function.
    pub description: Option<Vec<u8>>,
    /// The names of its flags.
    pub flags: Vec<String>,
    /// The function.
    pub callback: Function,
}

struct Place {
    source: String,
    line: i64,
}

/// What begins like bytecode begins with this.
const ESCAPE: u8 = 0x1b;

/// Compiles text by the interpreter's own `loadstring`, whose errors cite it byte for byte; `name` as Lua has it. Bytecode never comes to the interpreter: its first byte is
/// what Redis calls it, a symbol that nobody expected.
fn chunk(
    lua: &Lua,
    loadstring: &Function,
    code: &[u8],
    name: &[u8],
) -> mlua::Result<Result<Function, Vec<u8>>> {
    let (is_bytecode, mut text) = (code.first() == Some(&ESCAPE), Cow::Borrowed(code));
    if is_bytecode {
        text.to_mut()[0] = 1;
    }
    let asked = (lua.create_string(&*text)?, lua.create_string(name)?);
    let (function, said): (Option<Function>, Option<mlua::String>) = loadstring.call(asked)?;
    Ok(function.ok_or_else(|| {
        let said = said.map_or_else(Vec::new, |said| said.as_bytes().to_vec());
        match said.strip_suffix(b"'char(1)'") {
            Some(said) if is_bytecode => [said, b"'char(27)'"].concat(),
            _ => said,
        }
    }))
}

/// What an error of the interpreter says.
pub fn error_text(error: &mlua::Error) -> Vec<u8> {
    match error {
        mlua::Error::SyntaxError { message, .. } | mlua::Error::RuntimeError(message) => {
            message.clone().into_bytes()
        }
        mlua::Error::MemoryError(_) => b"not enough memory".to_vec(),
        mlua::Error::CallbackError { cause, .. } => error_text(cause),
        other => other.to_string().into_bytes(),
    }
}

impl Sandbox {
    /// Takes the interpreter's globals and gives it protected ones.
    pub fn new(lua: &Lua) -> mlua::Result<Self> {
        let random = Rc::new(Cell::new(Random::seeded(0)));
        let json = Rc::new(Cell::new(cjson::Settings::default()));
        let xpcall: Function = lua.globals().get("xpcall")?;
        let loadstring: Function = lua.globals().get("loadstring")?;
        let host = lua.create_table()?;
        host.set("bit", bit::functions(lua)?)?;
        host.set("cjson", cjson::functions(lua, &json)?)?;
        let new_json = lua.create_function(|lua, ()| {
            cjson::functions(lua, &Rc::new(Cell::new(cjson::Settings::default())))
        })?;
        host.set("new_cjson", new_json)?;
        host.set("cmsgpack", cmsgpack::functions(lua)?)?;
        host.set("struct", structs::functions(lua)?)?;
        let own = loadstring.clone();
        host.set("compile", lua.create_function(move |lua, asked| compile(lua, &own, asked))?)?;
        host.set("sha1hex", lua.create_function(sha1hex)?)?;
        host.set("null", Value::NULL)?;
        host.set("version", REDIS_VERSION)?;
        host.set("version_number", REDIS_VERSION_NUMBER)?;
        let draws = Rc::clone(&random);
        host.set(
            "random",
            lua.create_function(move |_, ()| {
                let mut random = draws.get();
                let number = random.next();
                draws.set(random);
                Ok(number)
            })?,
        )?;
        let (seeds, unseeded) = (Rc::clone(&random), Rc::new(Cell::new(None)));
        let kept = Rc::clone(&unseeded);
        host.set(
            "seed",
            lua.create_function(move |_, seed: f64| {
                kept.set(kept.get().or(Some(seeds.get())));
                seeds.set(Random::seeded(seed as i64 as i32));
                Ok(())
            })?,
        )?;
        host.set("raising", lua.create_function(native::raising)?)?;
        host.set("unless_hidden", lua.create_function(native::unless_hidden)?)?;
        host.set("with_short_pattern", lua.create_function(native::with_short_pattern)?)?;
        let prelude = lua.load(PRELUDE).set_name(PRELUDE_NAME).into_function()?;
        let (globals, visible, set_invoke, library): (Table, Table, Function, Table) =
            prelude.call(host)?;
        let library = LibrarySide {
            environment: library.get("environment")?,
            begin: library.get("begin")?,
            finish: library.get("finish")?,
            bind: library.get("bind")?,
        };
        lua.set_globals(visible)?;
        let place = Rc::new(RefCell::new(None));
        let found = Rc::clone(&place);
        let handler = lua.create_function(move |lua, error: Value| {
            found.replace(place_of_error(lua));
            Ok(error)
        })?;
        Ok(Sandbox {
            globals,
            set_invoke,
            library,
            xpcall,
            loadstring,
            handler,
            place,
            random,
            unseeded,
            json,
        })
    }

    /// The function that a script is, or why it is none.
    pub fn compile(&self, lua: &Lua, code: &[u8]) -> Result<Function, Vec<u8>> {
        chunk(lua, &self.loadstring, code, b"@user_script")
            .unwrap_or_else(|error| Err(error_text(&error)))
    }

    /// The function that a library is, whose globals are those of libraries, or why it is none.
    pub fn compile_library(&self, lua: &Lua, code: &[u8]) -> Result<Function, Vec<u8>> {
        let of_error = |error| error_text(&error);
        let function =
            chunk(lua, &self.loadstring, code, b"@user_function").map_err(of_error)??;
        let environment = self.library.environment.clone();
        function.set_environment(environment).map_err(of_error)?;
        Ok(function)
    }

    /// From now on, and until [`Sandbox::finish_loading`], functions may be registered.
    pub fn begin_loading(&self) -> mlua::Result<()> {
        self.library.begin.call(())
    }

    /// What was registered, in order.
    pub fn finish_loading(&self) -> mlua::Result<Vec<Registered>> {
        let entries: Vec<Table> = self.library.finish.call(())?;
        let registered = |entry: Table| {
            let description: Option<mlua::String> = entry.raw_get("description")?;
            let flags: Table = entry.raw_get("flags")?;
            let flags = flags.pairs::<String, Value>().map(|pair| Ok(pair?.0));
            Ok(Registered {
                name: entry.raw_get("name")?,
                description: description.map(|text| text.as_bytes().to_vec()),
                flags: flags.collect::<mlua::Result<_>>()?,
                callback: entry.raw_get("callback")?,
            })
        };
        entries.into_iter().map(registered).collect()
    }

    /// A call of a library's function with its keys and arguments.
    pub fn bind(
        &self,
        lua: &Lua,
        callback: &Function,
        (keys, arguments): (Args<'_>, Args<'_>),
    ) -> mlua::Result<Function> {
        self.library.bind.call((callback, list_of(lua, keys)?, list_of(lua, arguments)?))
    }

    /// Before a run: all is as it was for the first one.
    pub fn begin(&self) {
        self.place.replace(None);
        if let Some(random) = self.unseeded.take() {
            self.random.set(random);
        }
        self.json.set(cjson::Settings::default());
    }

    /// The keys and arguments of a script.
    pub fn set_arguments(
        &self,
        lua: &Lua,
        keys: Args<'_>,
        arguments: Args<'_>,
    ) -> mlua::Result<()> {
        self.globals.raw_set("KEYS", list_of(lua, keys)?)?;
        self.globals.raw_set("ARGV", list_of(lua, arguments)?)
    }

    /// What the next run's `redis.call` is.
    pub fn set_invoke(&self, invoke: &Function) -> mlua::Result<()> {
        self.set_invoke.call(invoke)
    }

    /// Runs a script; whether it went well, and what it returned or raised.
    pub fn protected(&self, function: &Function) -> mlua::Result<(bool, Value)> {
        self.xpcall.call((function, &self.handler))
    }

    /// Lets go of the last run's arguments.
    pub fn forget(&self) {
        for name in ["KEYS", "ARGV"] {
            // Taking a field away allocates nothing.
            let _ = self.globals.raw_set(name, Value::Nil);
        }
    }

    /// Appends where the last error was raised.
    pub fn push_place(&self, name: &[u8], line: &mut Vec<u8>) {
        if let Some(place) = &*self.place.borrow() {
            line.extend_from_slice(b" script: ");
            line.extend_from_slice(name);
            line.extend_from_slice(format!(", on {}:{}.", place.source, place.line).as_bytes());
        }
    }
}

fn list_of(lua: &Lua, words: Args<'_>) -> mlua::Result<Table> {
    let table = lua.create_table_with_capacity(words.len(), 0)?;
    for (index, word) in words.iter().enumerate() {
        table.raw_set(index + 1, lua.create_string(word)?)?;
    }
    Ok(table)
}

/// The innermost function of a script, as seen by an error's handler.
fn place_of_error(lua: &Lua) -> Option<Place> {
    // A stack is a few thousand levels deep at most; the prelude's functions are near its top.
    for level in 1..32 {
        let place = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            if source.what == "C" || source.what == "tail" {
                return None;
            }
            let source = source.source?.into_owned();
            let line = i64::try_from(debug.current_line()?).ok()?;
            (source != PRELUDE_NAME).then_some(Place { source, line })
        })?;
        if place.is_some() {
            return place;
        }
    }
    None
}

/// `loadstring`, and the end of `load`: the function, or nil and why not.
fn compile(
    lua: &Lua,
    loadstring: &Function,
    (code, name): (mlua::String, Option<mlua::String>),
) -> mlua::Result<(Value, Value)> {
    let code = code.as_bytes();
    // What has no name is called by its text.
    let name = name.as_ref().map_or_else(|| code.to_vec(), |name| name.as_bytes().to_vec());
    match chunk(lua, loadstring, &code, &name)? {
        Ok(function) => Ok((Value::Function(function), Value::Nil)),
        Err(said) => Ok((Value::Nil, Value::String(lua.create_string(said)?))),
    }
}

fn sha1hex(lua: &Lua, words: MultiValue) -> mlua::Result<Value> {
    // What is no text counts as an empty one, as in Redis.
    let text = words.front().and_then(convert::text_of).unwrap_or_default();
    Ok(Value::String(lua.create_string(sha_of(&text))?))
}
