//! Commands of the group server. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;
use std::collections::HashMap;

impl Client {
    /// Counts the commands.
    ///
    /// `COMMAND COUNT`, O(1).
    pub fn command_count(&self) -> Call<'_, i64, CommandCount> {
        Call::of(self, "command|count")
    }

    /// Documents commands.
    ///
    /// `COMMAND DOCS [command-name [command-name ...]]`, O(N) in the number of commands named.
    pub fn command_docs(&self) -> Call<'_, Value, CommandDocs> {
        Call::of(self, "command|docs")
    }

    /// Finds the keys among the arguments of a command.
    ///
    /// `COMMAND GETKEYS command [arg [arg ...]]`, O(N) in the number of arguments.
    pub fn command_getkeys(&self, command: impl Arg) -> Call<'_, Value, CommandGetkeys> {
        Call::of(self, "command|getkeys").arg(command)
    }

    /// Finds the keys among the arguments of a command, and how each is used.
    ///
    /// `COMMAND GETKEYSANDFLAGS command [arg [arg ...]]`, O(N) in the number of arguments.
    pub fn command_getkeysandflags(
        &self,
        command: impl Arg,
    ) -> Call<'_, Value, CommandGetkeysandflags> {
        Call::of(self, "command|getkeysandflags").arg(command)
    }

    /// Describes the named commands.
    ///
    /// `COMMAND INFO [command-name [command-name ...]]`, O(N) in the number of commands named.
    pub fn command_info(&self) -> Call<'_, Value, CommandInfo> {
        Call::of(self, "command|info")
    }

    /// Lists the names of the commands.
    ///
    /// `COMMAND LIST [FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]`, O(N) in the number of commands.
    pub fn command_list(&self) -> Call<'_, Value, CommandList> {
        Call::of(self, "command|list")
    }

    /// Answers the settings whose names match patterns.
    ///
    /// `CONFIG GET parameter [parameter ...]`, O(N) in the number of patterns.
    pub fn config_get(
        &self,
        parameters: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, HashMap<String, String>, ConfigGet> {
        Call::of(self, "config|get").args(parameters)
    }

    /// Sets the statistics back to zero.
    ///
    /// `CONFIG RESETSTAT`, O(1).
    pub fn config_resetstat(&self) -> Call<'_, (), ConfigResetstat> {
        Call::of(self, "config|resetstat")
    }

    /// Writes the settings in force to the settings file.
    ///
    /// `CONFIG REWRITE`, O(1).
    pub fn config_rewrite(&self) -> Call<'_, (), ConfigRewrite> {
        Call::of(self, "config|rewrite")
    }

    /// Changes settings, all of them or none.
    ///
    /// `CONFIG SET parameter value [parameter value ...]`, O(N) in the number of settings.
    pub fn config_set(
        &self,
        data: impl IntoIterator<Item = (impl Arg, impl Arg)>,
    ) -> Call<'_, (), ConfigSet> {
        data.into_iter().fold(Call::of(self, "config|set"), |call, (parameter, value)| {
            call.arg(parameter).arg(value)
        })
    }

    /// Counts the keys of the database.
    ///
    /// `DBSIZE`, O(1).
    pub fn dbsize(&self) -> Call<'_, i64, Dbsize> {
        Call::of(self, "dbsize")
    }

    /// Deletes all keys of all databases.
    ///
    /// `FLUSHALL [ASYNC | SYNC]`, O(N) in the number of keys.
    pub fn flushall(&self) -> Call<'_, (), Flushall> {
        Call::of(self, "flushall")
    }

    /// Deletes all keys of the database.
    ///
    /// `FLUSHDB [ASYNC | SYNC]`, O(N) in the number of keys.
    pub fn flushdb(&self) -> Call<'_, (), Flushdb> {
        Call::of(self, "flushdb")
    }

    /// Reports the state and the statistics of the node.
    ///
    /// `INFO [section [section ...]]`, O(1).
    pub fn info(&self) -> Call<'_, Bytes, Info> {
        Call::of(self, "info")
    }

    /// Answers when the data was last saved, as a Unix time.
    ///
    /// `LASTSAVE`, O(1).
    pub fn lastsave(&self) -> Call<'_, i64, Lastsave> {
        Call::of(self, "lastsave")
    }

    /// Comments on the slow events for a person to read.
    ///
    /// `LATENCY DOCTOR`, O(1).
    pub fn latency_doctor(&self) -> Call<'_, Bytes, LatencyDoctor> {
        Call::of(self, "latency|doctor")
    }

    /// Draws the latest occurrences of an event.
    ///
    /// `LATENCY GRAPH event`, O(1).
    pub fn latency_graph(&self, event: impl Arg) -> Call<'_, Value, LatencyGraph> {
        Call::of(self, "latency|graph").arg(event)
    }

    /// Answers how the running times of commands are distributed.
    ///
    /// `LATENCY HISTOGRAM [command [command ...]]`, O(N) in the number of commands answered.
    pub fn latency_histogram(&self) -> Call<'_, Value, LatencyHistogram> {
        Call::of(self, "latency|histogram")
    }

    /// Lists the latest occurrences of an event.
    ///
    /// `LATENCY HISTORY event`, O(1).
    pub fn latency_history(&self, event: impl Arg) -> Call<'_, Value, LatencyHistory> {
        Call::of(self, "latency|history").arg(event)
    }

    /// Lists the latest occurrence of each event.
    ///
    /// `LATENCY LATEST`, O(1).
    pub fn latency_latest(&self) -> Call<'_, Value, LatencyLatest> {
        Call::of(self, "latency|latest")
    }

    /// Forgets the occurrences of events.
    ///
    /// `LATENCY RESET [event [event ...]]`, O(1).
    pub fn latency_reset(&self) -> Call<'_, Value, LatencyReset> {
        Call::of(self, "latency|reset")
    }

    /// Draws a picture and says the version.
    ///
    /// `LOLWUT [VERSION version]`, O(1).
    pub fn lolwut(&self) -> Call<'_, Bytes, Lolwut> {
        Call::of(self, "lolwut")
    }

    /// Comments on the use of memory for a person to read.
    ///
    /// `MEMORY DOCTOR`, O(1).
    pub fn memory_doctor(&self) -> Call<'_, Bytes, MemoryDoctor> {
        Call::of(self, "memory|doctor")
    }

    /// Reports the statistics of the allocator.
    ///
    /// `MEMORY MALLOC-STATS`, Depends on how much is allocated.
    pub fn memory_malloc_stats(&self) -> Call<'_, Value, MemoryMallocStats> {
        Call::of(self, "memory|malloc-stats")
    }

    /// Returns unused pages to the operating system.
    ///
    /// `MEMORY PURGE`, Depends on how much is allocated.
    pub fn memory_purge(&self) -> Call<'_, Value, MemoryPurge> {
        Call::of(self, "memory|purge")
    }

    /// Reports what memory is used for.
    ///
    /// `MEMORY STATS`, O(1).
    pub fn memory_stats(&self) -> Call<'_, Value, MemoryStats> {
        Call::of(self, "memory|stats")
    }

    /// Estimates how much memory a key takes.
    ///
    /// `MEMORY USAGE key [SAMPLES count]`, O(N) in the number of samples.
    pub fn memory_usage(&self, key: impl Arg) -> Call<'_, Option<i64>, MemoryUsage> {
        Call::of(self, "memory|usage").key(key)
    }

    /// Answers the role of the node in replication.
    ///
    /// `ROLE`, O(1).
    pub fn role(&self) -> Call<'_, Value, Role> {
        Call::of(self, "role")
    }

    /// Stops the node.
    ///
    /// `SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]`, O(1), O(N) in the number of keys when saving.
    pub fn shutdown(&self) -> Call<'_, Value, Shutdown> {
        Call::of(self, "shutdown")
    }

    /// Lists the latest entries of the slow log.
    ///
    /// `SLOWLOG GET [count]`, O(N) in the number of entries answered.
    pub fn slowlog_get(&self) -> Call<'_, Value, SlowlogGet> {
        Call::of(self, "slowlog|get")
    }

    /// Counts the entries of the slow log.
    ///
    /// `SLOWLOG LEN`, O(1).
    pub fn slowlog_len(&self) -> Call<'_, i64, SlowlogLen> {
        Call::of(self, "slowlog|len")
    }

    /// Empties the slow log.
    ///
    /// `SLOWLOG RESET`, O(N) in the number of entries.
    pub fn slowlog_reset(&self) -> Call<'_, Value, SlowlogReset> {
        Call::of(self, "slowlog|reset")
    }

    /// Exchanges the contents of two databases.
    ///
    /// `SWAPDB index1 index2`, O(N) in the number of waiting clients.
    pub fn swapdb(&self, index1: i64, index2: i64) -> Call<'_, (), Swapdb> {
        Call::of(self, "swapdb").arg(index1).arg(index2)
    }

    /// Answers the time of the node's clock.
    ///
    /// `TIME`, O(1).
    pub fn time(&self) -> Call<'_, (i64, i64), Time> {
        Call::of(self, "time")
    }

    /// Lists the categories, or the commands of one category.
    ///
    /// `ACL CAT [category]`, O(1).
    pub fn acl_cat(&self) -> Call<'_, Value, AclCat> {
        Call::of(self, "acl|cat")
    }

    /// Deletes users and closes their connections.
    ///
    /// `ACL DELUSER username [username ...]`, O(N) in the number of connections.
    pub fn acl_deluser(
        &self,
        usernames: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, AclDeluser> {
        Call::of(self, "acl|deluser").args(usernames)
    }

    /// Says whether a user could run a command, without running it.
    ///
    /// `ACL DRYRUN username command [arg [arg ...]]`, O(1).
    pub fn acl_dryrun(&self, username: impl Arg, command: impl Arg) -> Call<'_, Value, AclDryrun> {
        Call::of(self, "acl|dryrun").arg(username).arg(command)
    }

    /// Generates a random password.
    ///
    /// `ACL GENPASS [bits]`, O(1).
    pub fn acl_genpass(&self) -> Call<'_, Value, AclGenpass> {
        Call::of(self, "acl|genpass")
    }

    /// Answers the rules of a user.
    ///
    /// `ACL GETUSER username`, O(N) in the number of rules.
    pub fn acl_getuser(&self, username: impl Arg) -> Call<'_, Value, AclGetuser> {
        Call::of(self, "acl|getuser").arg(username)
    }

    /// Lists the users with their rules.
    ///
    /// `ACL LIST`, O(N) in the number of users.
    pub fn acl_list(&self) -> Call<'_, Value, AclList> {
        Call::of(self, "acl|list")
    }

    /// Reads the users from the ACL file anew.
    ///
    /// `ACL LOAD`, O(N) in the number of users.
    pub fn acl_load(&self) -> Call<'_, Value, AclLoad> {
        Call::of(self, "acl|load")
    }

    /// Lists the latest refused commands and logins.
    ///
    /// `ACL LOG [count | RESET]`, O(N) in the number of entries answered.
    pub fn acl_log(&self) -> Call<'_, Value, AclLog> {
        Call::of(self, "acl|log")
    }

    /// Writes the users to the ACL file.
    ///
    /// `ACL SAVE`, O(N) in the number of users.
    pub fn acl_save(&self) -> Call<'_, Value, AclSave> {
        Call::of(self, "acl|save")
    }

    /// Creates a user or changes its rules.
    ///
    /// `ACL SETUSER username [rule [rule ...]]`, O(N) in the number of rules.
    pub fn acl_setuser(&self, username: impl Arg) -> Call<'_, Value, AclSetuser> {
        Call::of(self, "acl|setuser").arg(username)
    }

    /// Lists the names of the users.
    ///
    /// `ACL USERS`, O(N) in the number of users.
    pub fn acl_users(&self) -> Call<'_, Value, AclUsers> {
        Call::of(self, "acl|users")
    }

    /// Answers the user of this connection.
    ///
    /// `ACL WHOAMI`, O(1).
    pub fn acl_whoami(&self) -> Call<'_, Value, AclWhoami> {
        Call::of(self, "acl|whoami")
    }
}

/// The command COMMAND COUNT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct CommandCount;

/// The command COMMAND DOCS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct CommandDocs;

impl<T> Call<'_, T, CommandDocs> {
    /// `command-name`
    pub fn command_name(self, command_names: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(command_names)
    }
}

/// The command COMMAND GETKEYS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct CommandGetkeys;

/// The command COMMAND GETKEYSANDFLAGS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct CommandGetkeysandflags;

/// The command COMMAND INFO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct CommandInfo;

impl<T> Call<'_, T, CommandInfo> {
    /// `command-name`
    pub fn command_name(self, command_names: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(command_names)
    }
}

/// The command COMMAND LIST: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct CommandList;

impl<T> Call<'_, T, CommandList> {
    /// `FILTERBY MODULE module-name ACLCAT category PATTERN pattern`
    pub fn filterby(self, filterby: impl Arg) -> Self {
        self.arg("FILTERBY").arg(filterby)
    }
}

/// The command CONFIG GET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ConfigGet;

/// The command CONFIG RESETSTAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ConfigResetstat;

/// The command CONFIG REWRITE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ConfigRewrite;

/// The command CONFIG SET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ConfigSet;

/// The command DBSIZE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Dbsize;

/// The command FLUSHALL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Flushall;

impl<T> Call<'_, T, Flushall> {
    /// `ASYNC`
    pub fn asynchronously(self) -> Self {
        self.arg("ASYNC")
    }

    /// `SYNC`
    pub fn synchronously(self) -> Self {
        self.arg("SYNC")
    }
}

/// The command FLUSHDB: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Flushdb;

impl<T> Call<'_, T, Flushdb> {
    /// `ASYNC`
    pub fn asynchronously(self) -> Self {
        self.arg("ASYNC")
    }

    /// `SYNC`
    pub fn synchronously(self) -> Self {
        self.arg("SYNC")
    }
}

/// The command INFO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Info;

impl<T> Call<'_, T, Info> {
    /// `section`
    pub fn section(self, sections: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(sections)
    }
}

/// The command LASTSAVE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lastsave;

/// The command LATENCY DOCTOR: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct LatencyDoctor;

/// The command LATENCY GRAPH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct LatencyGraph;

/// The command LATENCY HISTOGRAM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct LatencyHistogram;

impl<T> Call<'_, T, LatencyHistogram> {
    /// `command`
    pub fn command(self, commands: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(commands)
    }
}

/// The command LATENCY HISTORY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct LatencyHistory;

/// The command LATENCY LATEST: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct LatencyLatest;

/// The command LATENCY RESET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct LatencyReset;

impl<T> Call<'_, T, LatencyReset> {
    /// `event`
    pub fn event(self, events: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(events)
    }
}

/// The command LOLWUT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lolwut;

impl<T> Call<'_, T, Lolwut> {
    /// `VERSION version`
    pub fn version(self, version: i64) -> Self {
        self.arg("VERSION").arg(version)
    }
}

/// The command MEMORY DOCTOR: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct MemoryDoctor;

/// The command MEMORY MALLOC-STATS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct MemoryMallocStats;

/// The command MEMORY PURGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct MemoryPurge;

/// The command MEMORY STATS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct MemoryStats;

/// The command MEMORY USAGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct MemoryUsage;

impl<T> Call<'_, T, MemoryUsage> {
    /// `SAMPLES count`
    pub fn samples(self, count: i64) -> Self {
        self.arg("SAMPLES").arg(count)
    }
}

/// The command ROLE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Role;

/// The command SHUTDOWN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown;

impl<T> Call<'_, T, Shutdown> {
    /// `NOSAVE`
    pub fn nosave(self) -> Self {
        self.arg("NOSAVE")
    }

    /// `SAVE`
    pub fn save(self) -> Self {
        self.arg("SAVE")
    }

    /// `NOW`
    pub fn now(self) -> Self {
        self.arg("NOW")
    }

    /// `FORCE`
    pub fn force(self) -> Self {
        self.arg("FORCE")
    }

    /// `ABORT`
    pub fn abort(self) -> Self {
        self.arg("ABORT")
    }
}

/// The command SLOWLOG GET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct SlowlogGet;

impl<T> Call<'_, T, SlowlogGet> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command SLOWLOG LEN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct SlowlogLen;

/// The command SLOWLOG RESET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct SlowlogReset;

/// The command SWAPDB: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Swapdb;

/// The command TIME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Time;

/// The command ACL CAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclCat;

impl<T> Call<'_, T, AclCat> {
    /// `category`
    pub fn category(self, category: impl Arg) -> Self {
        self.arg(category)
    }
}

/// The command ACL DELUSER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclDeluser;

/// The command ACL DRYRUN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclDryrun;

/// The command ACL GENPASS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclGenpass;

impl<T> Call<'_, T, AclGenpass> {
    /// `bits`
    pub fn bits(self, bits: i64) -> Self {
        self.arg(bits)
    }
}

/// The command ACL GETUSER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclGetuser;

/// The command ACL LIST: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclList;

/// The command ACL LOAD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclLoad;

/// The command ACL LOG: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclLog;

impl<T> Call<'_, T, AclLog> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }

    /// `RESET`
    pub fn reset(self) -> Self {
        self.arg("RESET")
    }
}

/// The command ACL SAVE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclSave;

/// The command ACL SETUSER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclSetuser;

impl<T> Call<'_, T, AclSetuser> {
    /// `rule`
    pub fn rule(self, rules: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(rules)
    }
}

/// The command ACL USERS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclUsers;

/// The command ACL WHOAMI: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct AclWhoami;
