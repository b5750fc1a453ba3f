//! Libraries in one interpreter: loaded when one of their functions is first called there, or when one is added.
//!
//! To load a library is to run its text, which registers functions and can do nothing else: it sees no keys and no commands, and has a bounded time. What its functions
//! share are local variables of that text, so each interpreter has its own; they last until the library changes, or until the interpreter is thrown away or short of memory.

use super::convert;
use super::engine::{Ending, Engine};
use super::header::Permissions;
use super::library::{Function, FunctionRef, RELOAD_TIME_MAX, Source};
use super::sandbox::Registered;
use super::{Called, Host, Judgement};
use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;
use torc_protocol::{Args, Protocol};

/// The functions that this interpreter has loaded: of each library, by its id, in the order in which it registers them.
#[derive(Default)]
pub struct Loaded {
    libraries: HashMap<u64, Vec<(String, mlua::Function)>>,
    changes: u64,
}

impl Loaded {
    /// Lets go of everything; it is loaded again when it is called.
    pub fn clear(&mut self) {
        self.libraries.clear();
    }

    /// Lets go of libraries that are on no shelf any more.
    pub fn retain(&mut self, changes: u64, has: impl Fn(u64) -> bool) {
        if changes != self.changes {
            self.changes = changes;
            self.libraries.retain(|id, _| has(*id));
        }
    }

    fn function(&self, function: &FunctionRef) -> Option<Option<&mlua::Function>> {
        let functions = self.libraries.get(&function.library().id())?;
        let name = &function.function().name;
        Some(functions.iter().find(|(it, _)| it == name).map(|(_, callback)| callback))
    }
}

/// The host of a library that is being loaded: it ends when its time is over.
struct Loading<'h> {
    host: &'h mut dyn Host,
    time_max: Duration,
}

impl Host for Loading<'_> {
    fn call(&mut self, _: Args<'_>, _: Protocol, _: &mut Vec<u8>) -> Called {
        // Nothing that a library sees while it is loaded leads here.
        Called::Refused("ERR no commands while a library is loaded".into())
    }

    fn may(&mut self, _: Args<'_>) -> Option<bool> {
        None
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        self.host.log(level, text);
    }

    fn time(&self) -> Duration {
        self.host.time()
    }

    fn judge(&mut self, elapsed: Duration) -> Judgement {
        if elapsed > self.time_max { Judgement::Kill } else { Judgement::Continue }
    }
}

impl Engine {
    /// What a library of this text registers.
    ///
    /// # Errors
    /// The message of the error, without its code.
    pub(super) fn register(
        &self,
        source: &Source,
        host: &mut dyn Host,
        time_max: Duration,
    ) -> Result<Vec<Registered>, Vec<u8>> {
        let function = self
            .sandbox
            .compile_library(&self.lua, source.code())
            .map_err(|said| [b"Error compiling function: ", &*said].concat())?;
        let mut host = Loading { host, time_max };
        self.sandbox.begin();
        let outcome = self.with_host(&mut host, &Cell::new(Protocol::Resp2), || {
            self.sandbox.begin_loading()?;
            let outcome = self.sandbox.protected(&function);
            let registered = self.sandbox.finish_loading();
            Ok((outcome?, registered?))
        });
        const FAILED: &[u8] = b"Error registering functions: ";
        if self.watch.ending.get() != Ending::None {
            return Err([FAILED, b"ERR FUNCTION LOAD timeout"].concat());
        }
        match outcome {
            Ok(((true, _), registered)) => Ok(registered),
            Ok(((false, error), _)) => Err([FAILED, &*convert::error_of(&error)].concat()),
            Err(error) => Err([FAILED, &*convert::error_line(&error)].concat()),
        }
    }

    /// The functions that a library of this text registers, as others see them.
    ///
    /// # Errors
    /// The message of the error, without its code.
    pub(super) fn functions_of(
        &self,
        source: &Source,
        host: &mut dyn Host,
        time_max: Duration,
    ) -> Result<Vec<Function>, Vec<u8>> {
        let registered = self.register(source, host, time_max)?;
        if registered.is_empty() {
            return Err(b"No functions registered".to_vec());
        }
        let function = |it: Registered| {
            let mut permissions = Permissions { declared: true, ..Permissions::default() };
            for flag in &it.flags {
                permissions.set(flag);
            }
            Function::new(it.name, it.description, permissions)
        };
        Ok(registered.into_iter().map(function).collect())
    }

    /// A library's function in this interpreter.
    ///
    /// # Errors
    /// The line of the error.
    pub(super) fn function_of_library(
        &mut self,
        function: &FunctionRef,
        host: &mut dyn Host,
    ) -> Result<mlua::Function, Vec<u8>> {
        if self.loaded.function(function).is_none() {
            let library = function.library();
            let registered = self
                .register(library.source(), host, RELOAD_TIME_MAX)
                .map_err(|said| [b"ERR ", &*said].concat())?;
            let functions = registered.into_iter().map(|it| (it.name, it.callback)).collect();
            self.loaded.libraries.insert(library.id(), functions);
        }
        let found = self.loaded.function(function).flatten().cloned();
        // What a library registers may depend on things that change, such as the order of a table.
        found.ok_or_else(|| b"ERR Function not found".to_vec())
    }
}

#[cfg(test)]
mod tests;
