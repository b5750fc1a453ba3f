//! Commands of the group stream. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Acknowledges entries, so that they are pending in a group no more.
    ///
    /// `XACK key group id [id ...]`, O(log N) an id, in the number of entries pending.
    pub fn xack(
        &self,
        key: impl Arg,
        group: impl Arg,
        ids: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Xack> {
        Call::of(self, "xack").key(key).arg(group).args(ids)
    }

    /// Adds an entry to a stream, and trims it.
    ///
    /// `XADD key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]`, O(log N), and O(M) in the number of entries trimmed.
    pub fn xadd(&self, key: impl Arg) -> Call<'_, Option<Bytes>, Xadd> {
        Call::of(self, "xadd").key(key)
    }

    /// Takes over for a consumer what has been pending for long.
    ///
    /// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`, O(log N) an entry looked at, in the number of entries pending.
    pub fn xautoclaim(
        &self,
        key: impl Arg,
        group: impl Arg,
        consumer: impl Arg,
        min_idle_time: impl Arg,
        start: impl Arg,
    ) -> Call<'_, Value, Xautoclaim> {
        Call::of(self, "xautoclaim").key(key).arg(group).arg(consumer).arg(min_idle_time).arg(start)
    }

    /// Takes pending entries over for a consumer.
    ///
    /// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID lastid]`, O(log N) an id, in the number of entries pending.
    pub fn xclaim(
        &self,
        key: impl Arg,
        group: impl Arg,
        consumer: impl Arg,
        min_idle_time: impl Arg,
        ids: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, Value, Xclaim> {
        Call::of(self, "xclaim").key(key).arg(group).arg(consumer).arg(min_idle_time).args(ids)
    }

    /// Deletes entries of a stream.
    ///
    /// `XDEL key id [id ...]`, O(log N) an id.
    pub fn xdel(
        &self,
        key: impl Arg,
        ids: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Xdel> {
        Call::of(self, "xdel").key(key).args(ids)
    }

    /// Creates a consumer group.
    ///
    /// `XGROUP CREATE key group <id | $> [MKSTREAM] [ENTRIESREAD entries-read]`, O(1).
    pub fn xgroup_create(
        &self,
        key: impl Arg,
        group: impl Arg,
        id_or_new: impl Arg,
    ) -> Call<'_, (), XgroupCreate> {
        Call::of(self, "xgroup|create").key(key).arg(group).arg(id_or_new)
    }

    /// Creates a consumer in a group.
    ///
    /// `XGROUP CREATECONSUMER key group consumer`, O(1).
    pub fn xgroup_createconsumer(
        &self,
        key: impl Arg,
        group: impl Arg,
        consumer: impl Arg,
    ) -> Call<'_, bool, XgroupCreateconsumer> {
        Call::of(self, "xgroup|createconsumer").key(key).arg(group).arg(consumer)
    }

    /// Deletes a consumer with what is pending for it.
    ///
    /// `XGROUP DELCONSUMER key group consumer`, O(N) in the number of entries pending for it.
    pub fn xgroup_delconsumer(
        &self,
        key: impl Arg,
        group: impl Arg,
        consumer: impl Arg,
    ) -> Call<'_, i64, XgroupDelconsumer> {
        Call::of(self, "xgroup|delconsumer").key(key).arg(group).arg(consumer)
    }

    /// Destroys a consumer group.
    ///
    /// `XGROUP DESTROY key group`, O(N) in the number of entries pending.
    pub fn xgroup_destroy(&self, key: impl Arg, group: impl Arg) -> Call<'_, i64, XgroupDestroy> {
        Call::of(self, "xgroup|destroy").key(key).arg(group)
    }

    /// Sets the last id that a group was delivered.
    ///
    /// `XGROUP SETID key group <id | $> [ENTRIESREAD entriesread]`, O(1).
    pub fn xgroup_setid(
        &self,
        key: impl Arg,
        group: impl Arg,
        id_or_new: impl Arg,
    ) -> Call<'_, (), XgroupSetid> {
        Call::of(self, "xgroup|setid").key(key).arg(group).arg(id_or_new)
    }

    /// Lists the consumers of a group.
    ///
    /// `XINFO CONSUMERS key group`, O(N) in the number of consumers.
    pub fn xinfo_consumers(
        &self,
        key: impl Arg,
        group: impl Arg,
    ) -> Call<'_, Value, XinfoConsumers> {
        Call::of(self, "xinfo|consumers").key(key).arg(group)
    }

    /// Lists the groups of a stream.
    ///
    /// `XINFO GROUPS key`, O(N) in the number of groups.
    pub fn xinfo_groups(&self, key: impl Arg) -> Call<'_, Value, XinfoGroups> {
        Call::of(self, "xinfo|groups").key(key)
    }

    /// Tells about a stream.
    ///
    /// `XINFO STREAM key [FULL [COUNT count]]`, O(1); O(N) in what FULL answers.
    pub fn xinfo_stream(&self, key: impl Arg) -> Call<'_, Value, XinfoStream> {
        Call::of(self, "xinfo|stream").key(key)
    }

    /// Counts the entries of a stream.
    ///
    /// `XLEN key`, O(1).
    pub fn xlen(&self, key: impl Arg) -> Call<'_, i64, Xlen> {
        Call::of(self, "xlen").key(key)
    }

    /// Tells what was delivered in a group and not acknowledged.
    ///
    /// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`, O(N) in the number of entries looked at; of a summary, O(C) in the number of consumers.
    pub fn xpending(&self, key: impl Arg, group: impl Arg) -> Call<'_, Value, Xpending> {
        Call::of(self, "xpending").key(key).arg(group)
    }

    /// Answers the entries in a range of ids.
    ///
    /// `XRANGE key start end [COUNT count]`, O(log N + M) in the number of entries answered.
    pub fn xrange(&self, key: impl Arg, start: impl Arg, end: impl Arg) -> Call<'_, Value, Xrange> {
        Call::of(self, "xrange").key(key).arg(start).arg(end)
    }

    /// Answers entries behind an id of each stream, and waits for one if there are none.
    ///
    /// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`, O(log N + M) a stream, in the number of entries answered.
    pub fn xread(&self) -> Call<'_, Value, Xread> {
        Call::of(self, "xread")
    }

    /// Delivers entries to a consumer of a group, or answers again what is pending for it; waits for entries if there are none.
    ///
    /// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`, O(log N + M) a stream, in the number of entries answered.
    pub fn xreadgroup(&self, group: impl Arg, consumer: impl Arg) -> Call<'_, Value, Xreadgroup> {
        Call::of(self, "xreadgroup").arg(group).arg(consumer)
    }

    /// Answers the entries in a range of ids, the last first.
    ///
    /// `XREVRANGE key end start [COUNT count]`, O(log N + M) in the number of entries answered.
    pub fn xrevrange(
        &self,
        key: impl Arg,
        end: impl Arg,
        start: impl Arg,
    ) -> Call<'_, Value, Xrevrange> {
        Call::of(self, "xrevrange").key(key).arg(end).arg(start)
    }

    /// Sets the last id of a stream.
    ///
    /// `XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]`, O(1).
    pub fn xsetid(&self, key: impl Arg, last_id: impl Arg) -> Call<'_, (), Xsetid> {
        Call::of(self, "xsetid").key(key).arg(last_id)
    }

    /// Trims a stream at its front.
    ///
    /// `XTRIM key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]`, O(N) in the number of entries trimmed.
    pub fn xtrim(
        &self,
        key: impl Arg,
        strategy: impl Arg,
        operator: impl Arg,
        threshold: impl Arg,
        count: i64,
    ) -> Call<'_, i64, Xtrim> {
        Call::of(self, "xtrim")
            .key(key)
            .arg(strategy)
            .arg(operator)
            .arg(threshold)
            .arg("LIMIT")
            .arg(count)
    }
}

/// The command XACK: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xack;

/// The command XADD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xadd;

impl<T> Call<'_, T, Xadd> {
    /// `NOMKSTREAM`
    pub fn nomkstream(self) -> Self {
        self.arg("NOMKSTREAM")
    }

    /// `MAXLEN`
    pub fn maxlen(self) -> Self {
        self.arg("MAXLEN")
    }

    /// `MINID`
    pub fn minid(self) -> Self {
        self.arg("MINID")
    }

    /// `=`
    pub fn equal(self) -> Self {
        self.arg("=")
    }

    /// `~`
    pub fn approximately(self) -> Self {
        self.arg("~")
    }

    /// `threshold`
    pub fn threshold(self, threshold: impl Arg) -> Self {
        self.arg(threshold)
    }

    /// `LIMIT count`
    pub fn limit(self, count: i64) -> Self {
        self.arg("LIMIT").arg(count)
    }

    /// `*`
    pub fn auto_id(self) -> Self {
        self.arg("*")
    }

    /// `id`
    pub fn id(self, id: impl Arg) -> Self {
        self.arg(id)
    }

    /// `field value`
    pub fn field_value(self, field: impl Arg, value: impl Arg) -> Self {
        self.arg(field).arg(value)
    }
}

/// The command XAUTOCLAIM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xautoclaim;

impl<T> Call<'_, T, Xautoclaim> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `JUSTID`
    pub fn justid(self) -> Self {
        self.arg("JUSTID")
    }
}

/// The command XCLAIM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xclaim;

impl<T> Call<'_, T, Xclaim> {
    /// `IDLE ms`
    pub fn idle(self, ms: i64) -> Self {
        self.arg("IDLE").arg(ms)
    }

    /// `TIME unix-time-milliseconds`
    pub fn time(self, unix_time_milliseconds: i64) -> Self {
        self.arg("TIME").arg(unix_time_milliseconds)
    }

    /// `RETRYCOUNT count`
    pub fn retrycount(self, count: i64) -> Self {
        self.arg("RETRYCOUNT").arg(count)
    }

    /// `FORCE`
    pub fn force(self) -> Self {
        self.arg("FORCE")
    }

    /// `JUSTID`
    pub fn justid(self) -> Self {
        self.arg("JUSTID")
    }

    /// `LASTID lastid`
    pub fn lastid(self, lastid: impl Arg) -> Self {
        self.arg("LASTID").arg(lastid)
    }
}

/// The command XDEL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xdel;

/// The command XGROUP CREATE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XgroupCreate;

impl<T> Call<'_, T, XgroupCreate> {
    /// `MKSTREAM`
    pub fn mkstream(self) -> Self {
        self.arg("MKSTREAM")
    }

    /// `ENTRIESREAD entries-read`
    pub fn entriesread(self, entries_read: i64) -> Self {
        self.arg("ENTRIESREAD").arg(entries_read)
    }
}

/// The command XGROUP CREATECONSUMER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XgroupCreateconsumer;

/// The command XGROUP DELCONSUMER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XgroupDelconsumer;

/// The command XGROUP DESTROY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XgroupDestroy;

/// The command XGROUP SETID: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XgroupSetid;

impl<T> Call<'_, T, XgroupSetid> {
    /// `ENTRIESREAD entriesread`
    pub fn entriesread(self, entriesread: i64) -> Self {
        self.arg("ENTRIESREAD").arg(entriesread)
    }
}

/// The command XINFO CONSUMERS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XinfoConsumers;

/// The command XINFO GROUPS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XinfoGroups;

/// The command XINFO STREAM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct XinfoStream;

impl<T> Call<'_, T, XinfoStream> {
    /// `FULL`
    pub fn full(self) -> Self {
        self.arg("FULL")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command XLEN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xlen;

/// The command XPENDING: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xpending;

impl<T> Call<'_, T, Xpending> {
    /// `start end count`
    pub fn start(self, start: impl Arg, end: impl Arg, count: i64) -> Self {
        self.arg(start).arg(end).arg(count)
    }

    /// `IDLE min-idle-time`
    pub fn idle(self, min_idle_time: i64) -> Self {
        self.arg("IDLE").arg(min_idle_time)
    }

    /// `consumer`
    pub fn consumer(self, consumer: impl Arg) -> Self {
        self.arg(consumer)
    }
}

/// The command XRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xrange;

impl<T> Call<'_, T, Xrange> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command XREAD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xread;

impl<T> Call<'_, T, Xread> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `BLOCK milliseconds`
    pub fn block(self, milliseconds: i64) -> Self {
        self.arg("BLOCK").arg(milliseconds)
    }

    /// `STREAMS key id`
    pub fn streams(
        self,
        keys: impl IntoIterator<Item = impl Arg>,
        ids: impl IntoIterator<Item = impl Arg>,
    ) -> Self {
        self.arg("STREAMS").keys(keys).args(ids)
    }
}

/// The command XREADGROUP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xreadgroup;

impl<T> Call<'_, T, Xreadgroup> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `BLOCK milliseconds`
    pub fn block(self, milliseconds: i64) -> Self {
        self.arg("BLOCK").arg(milliseconds)
    }

    /// `NOACK`
    pub fn noack(self) -> Self {
        self.arg("NOACK")
    }

    /// `STREAMS key id`
    pub fn streams(
        self,
        keys: impl IntoIterator<Item = impl Arg>,
        ids: impl IntoIterator<Item = impl Arg>,
    ) -> Self {
        self.arg("STREAMS").keys(keys).args(ids)
    }
}

/// The command XREVRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xrevrange;

impl<T> Call<'_, T, Xrevrange> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command XSETID: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xsetid;

impl<T> Call<'_, T, Xsetid> {
    /// `ENTRIESADDED entries-added`
    pub fn entriesadded(self, entries_added: i64) -> Self {
        self.arg("ENTRIESADDED").arg(entries_added)
    }

    /// `MAXDELETEDID max-deleted-id`
    pub fn maxdeletedid(self, max_deleted_id: impl Arg) -> Self {
        self.arg("MAXDELETEDID").arg(max_deleted_id)
    }
}

/// The command XTRIM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Xtrim;
