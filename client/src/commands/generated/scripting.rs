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
