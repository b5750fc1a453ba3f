//! Commands of the group scripting. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Runs a Lua script as one step.
    ///
    /// `EVAL script numkeys [key [key ...]] [arg [arg ...]]`, Depends on the script.
    pub fn eval(
        &self,
        script: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, Eval> {
        Call::of(self, "eval").arg(script).counted(keys)
    }

    /// Runs a Lua script that does not write.
    ///
    /// `EVAL_RO script numkeys [key [key ...]] [arg [arg ...]]`, Depends on the script.
    pub fn eval_ro(
        &self,
        script: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, EvalRo> {
        Call::of(self, "eval_ro").arg(script).counted(keys)
    }

    /// Runs a Lua script that the server has seen before, by its SHA1.
    ///
    /// `EVALSHA sha1 numkeys [key [key ...]] [arg [arg ...]]`, Depends on the script.
    pub fn evalsha(
        &self,
        sha1: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, Evalsha> {
        Call::of(self, "evalsha").arg(sha1).counted(keys)
    }

    /// Runs a Lua script that does not write and that the server has seen before, by its SHA1.
    ///
    /// `EVALSHA_RO sha1 numkeys [key [key ...]] [arg [arg ...]]`, Depends on the script.
    pub fn evalsha_ro(
        &self,
        sha1: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, EvalshaRo> {
        Call::of(self, "evalsha_ro").arg(sha1).counted(keys)
    }

    /// Calls a function of a library as one step.
    ///
    /// `FCALL function numkeys [key [key ...]] [arg [arg ...]]`, Depends on the function.
    pub fn fcall(
        &self,
        function: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, Fcall> {
        Call::of(self, "fcall").arg(function).counted(keys)
    }

    /// Calls a function of a library that does not write.
    ///
    /// `FCALL_RO function numkeys [key [key ...]] [arg [arg ...]]`, Depends on the function.
    pub fn fcall_ro(
        &self,
        function: impl Arg,
        keys: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, FcallRo> {
        Call::of(self, "fcall_ro").arg(function).counted(keys)
    }

    /// Deletes a library and its functions.
    ///
    /// `FUNCTION DELETE library-name`, O(1).
    pub fn function_delete(&self, library_name: impl Arg) -> Call<'_, Value, FunctionDelete> {
        Call::of(self, "function|delete").arg(library_name)
    }

    /// Answers all libraries in one payload.
    ///
    /// `FUNCTION DUMP`, O(N) in the number of libraries.
    pub fn function_dump(&self) -> Call<'_, Value, FunctionDump> {
        Call::of(self, "function|dump")
    }

    /// Deletes all libraries.
    ///
    /// `FUNCTION FLUSH [ASYNC | SYNC]`, O(N) in the number of libraries.
    pub fn function_flush(&self) -> Call<'_, Value, FunctionFlush> {
        Call::of(self, "function|flush")
    }

    /// Ends a function that runs for too long and has not written anything.
    ///
    /// `FUNCTION KILL`, O(1).
    pub fn function_kill(&self) -> Call<'_, Value, FunctionKill> {
        Call::of(self, "function|kill")
    }

    /// Lists the libraries and their functions.
    ///
    /// `FUNCTION LIST [LIBRARYNAME library-name-pattern] [WITHCODE]`, O(N) in the number of functions.
    pub fn function_list(&self) -> Call<'_, Value, FunctionList> {
        Call::of(self, "function|list")
    }

    /// Adds a library of functions.
    ///
    /// `FUNCTION LOAD [REPLACE] function-code`, O(1).
    pub fn function_load(&self) -> Call<'_, Value, FunctionLoad> {
        Call::of(self, "function|load")
    }

    /// Adds the libraries of a payload that FUNCTION DUMP answered.
    ///
    /// `FUNCTION RESTORE serialized-value [FLUSH | APPEND | REPLACE]`, O(N) in the number of libraries in the payload.
    pub fn function_restore(&self, serialized_value: impl Arg) -> Call<'_, Value, FunctionRestore> {
        Call::of(self, "function|restore").arg(serialized_value)
    }

    /// Tells of the function that runs, and how many libraries and functions there are.
    ///
    /// `FUNCTION STATS`, O(1).
    pub fn function_stats(&self) -> Call<'_, Value, FunctionStats> {
        Call::of(self, "function|stats")
    }

    /// Answers an error: there is no debugger.
    ///
    /// `SCRIPT DEBUG <YES | SYNC | NO>`, O(1).
    pub fn script_debug(&self, mode: impl Arg) -> Call<'_, Value, ScriptDebug> {
        Call::of(self, "script|debug").arg(mode)
    }

    /// Answers of several scripts whether the server knows them.
    ///
    /// `SCRIPT EXISTS sha1 [sha1 ...]`, O(N) in the number of scripts asked for.
    pub fn script_exists(
        &self,
        sha1s: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Vec<bool>, ScriptExists> {
        Call::of(self, "script|exists").args(sha1s)
    }

    /// Forgets all scripts.
    ///
    /// `SCRIPT FLUSH [ASYNC | SYNC]`, O(N) in the number of scripts that are known.
    pub fn script_flush(&self) -> Call<'_, (), ScriptFlush> {
        Call::of(self, "script|flush")
    }

    /// Ends a script that runs for too long and has not written anything.
    ///
    /// `SCRIPT KILL`, O(1).
    pub fn script_kill(&self) -> Call<'_, (), ScriptKill> {
        Call::of(self, "script|kill")
    }

    /// Keeps a script for EVALSHA without running it.
    ///
    /// `SCRIPT LOAD script`, O(N) in the length of the script.
    pub fn script_load(&self, script: impl Arg) -> Call<'_, Bytes, ScriptLoad> {
        Call::of(self, "script|load").arg(script)
    }
}

/// The command EVAL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Eval;

/// The command EVAL_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct EvalRo;

/// The command EVALSHA: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Evalsha;

/// The command EVALSHA_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct EvalshaRo;

/// The command FCALL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Fcall;

/// The command FCALL_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FcallRo;

/// The command FUNCTION DELETE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionDelete;

/// The command FUNCTION DUMP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionDump;

/// The command FUNCTION FLUSH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionFlush;

impl<T> Call<'_, T, FunctionFlush> {
    /// `ASYNC`
    pub fn asynchronously(self) -> Self {
        self.arg("ASYNC")
    }

    /// `SYNC`
    pub fn synchronously(self) -> Self {
        self.arg("SYNC")
    }
}

/// The command FUNCTION KILL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionKill;

/// The command FUNCTION LIST: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionList;

impl<T> Call<'_, T, FunctionList> {
    /// `LIBRARYNAME library-name-pattern`
    pub fn libraryname(self, library_name_pattern: impl Arg) -> Self {
        self.arg("LIBRARYNAME").arg(library_name_pattern)
    }

    /// `WITHCODE`
    pub fn withcode(self) -> Self {
        self.arg("WITHCODE")
    }
}

/// The command FUNCTION LOAD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionLoad;

impl<T> Call<'_, T, FunctionLoad> {
    /// `REPLACE`
    pub fn replace(self) -> Self {
        self.arg("REPLACE")
    }

    /// `function-code`
    pub fn function_code(self, function_code: impl Arg) -> Self {
        self.arg(function_code)
    }
}

/// The command FUNCTION RESTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionRestore;

impl<T> Call<'_, T, FunctionRestore> {
    /// `FLUSH`
    pub fn flush(self) -> Self {
        self.arg("FLUSH")
    }

    /// `APPEND`
    pub fn append(self) -> Self {
        self.arg("APPEND")
    }

    /// `REPLACE`
    pub fn replace(self) -> Self {
        self.arg("REPLACE")
    }
}

/// The command FUNCTION STATS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct FunctionStats;

/// The command SCRIPT DEBUG: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ScriptDebug;

/// The command SCRIPT EXISTS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ScriptExists;

/// The command SCRIPT FLUSH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ScriptFlush;

impl<T> Call<'_, T, ScriptFlush> {
    /// `ASYNC`
    pub fn asynchronously(self) -> Self {
        self.arg("ASYNC")
    }

    /// `SYNC`
    pub fn synchronously(self) -> Self {
        self.arg("SYNC")
    }
}

/// The command SCRIPT KILL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ScriptKill;

/// The command SCRIPT LOAD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ScriptLoad;
