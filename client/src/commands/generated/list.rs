//! Commands of the group list. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Moves an element from one end of a list to an end of another, and waits for one if there is none.
    ///
    /// `BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout`, O(1).
    pub fn blmove(
        &self,
        source: impl Arg,
        destination: impl Arg,
        wherefrom: impl Arg,
        whereto: impl Arg,
        timeout: f64,
    ) -> Call<'_, Option<Bytes>, Blmove> {
        Call::of(self, "blmove")
            .key(source)
            .key(destination)
            .arg(wherefrom)
            .arg(whereto)
            .arg(timeout)
    }

    /// Pops elements of the first list that has any, and waits for one if none has.
    ///
    /// `BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`, O(N+M) in the numbers of keys and of elements popped.
    pub fn blmpop(
        &self,
        timeout: f64,
        keys: impl IntoIterator<Item = impl Arg>,
        whence: impl Arg,
    ) -> Call<'_, Value, Blmpop> {
        Call::of(self, "blmpop").arg(timeout).counted(keys).arg(whence)
    }

    /// Pops the first element of the first list that has any, and waits for one if none has.
    ///
    /// `BLPOP key [key ...] timeout`, O(N) in the number of keys.
    pub fn blpop(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
        timeout: f64,
    ) -> Call<'_, Option<(Bytes, Bytes)>, Blpop> {
        Call::of(self, "blpop").keys(keys).arg(timeout)
    }

    /// Pops the last element of the first list that has any, and waits for one if none has.
    ///
    /// `BRPOP key [key ...] timeout`, O(N) in the number of keys.
    pub fn brpop(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
        timeout: f64,
    ) -> Call<'_, Option<(Bytes, Bytes)>, Brpop> {
        Call::of(self, "brpop").keys(keys).arg(timeout)
    }

    /// Moves the last element of a list to the front of another, and waits for one if there is none.
    ///
    /// `BRPOPLPUSH source destination timeout`, O(1).
    ///
    /// Redis deprecated it in 6.2.0: use `BLMOVE` with the `RIGHT` and `LEFT` arguments.
    pub fn brpoplpush(
        &self,
        source: impl Arg,
        destination: impl Arg,
        timeout: f64,
    ) -> Call<'_, Option<Bytes>, Brpoplpush> {
        Call::of(self, "brpoplpush").key(source).key(destination).arg(timeout)
    }

    /// Reads the element at a place of a list.
    ///
    /// `LINDEX key index`, O(N) in the distance from the nearer end in Redis, O(log N) here.
    pub fn lindex(&self, key: impl Arg, index: i64) -> Call<'_, Option<Bytes>, Lindex> {
        Call::of(self, "lindex").key(key).arg(index)
    }

    /// Inserts an element before or after another.
    ///
    /// `LINSERT key <BEFORE | AFTER> pivot element`, O(N) in the number of elements passed on the way.
    pub fn linsert(
        &self,
        key: impl Arg,
        whence: impl Arg,
        pivot: impl Arg,
        element: impl Arg,
    ) -> Call<'_, i64, Linsert> {
        Call::of(self, "linsert").key(key).arg(whence).arg(pivot).arg(element)
    }

    /// Counts the elements of a list.
    ///
    /// `LLEN key`, O(1).
    pub fn llen(&self, key: impl Arg) -> Call<'_, i64, Llen> {
        Call::of(self, "llen").key(key)
    }

    /// Moves an element from one end of a list to an end of another.
    ///
    /// `LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>`, O(1).
    pub fn lmove(
        &self,
        source: impl Arg,
        destination: impl Arg,
        wherefrom: impl Arg,
        whereto: impl Arg,
    ) -> Call<'_, Option<Bytes>, Lmove> {
        Call::of(self, "lmove").key(source).key(destination).arg(wherefrom).arg(whereto)
    }

    /// Pops elements of the first list that has any.
    ///
    /// `LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]`, O(N+M) in the numbers of keys and of elements popped.
    pub fn lmpop(
        &self,
        keys: impl IntoIterator<Item = impl Arg>,
        whence: impl Arg,
    ) -> Call<'_, Value, Lmpop> {
        Call::of(self, "lmpop").counted(keys).arg(whence)
    }

    /// Pops elements from the front of a list.
    ///
    /// `LPOP key [count]`, O(N) in the number of elements popped.
    pub fn lpop(&self, key: impl Arg) -> Call<'_, Value, Lpop> {
        Call::of(self, "lpop").key(key)
    }

    /// Answers where in a list an element stands.
    ///
    /// `LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]`, O(N) in the length of the list.
    pub fn lpos(&self, key: impl Arg, element: impl Arg) -> Call<'_, Value, Lpos> {
        Call::of(self, "lpos").key(key).arg(element)
    }

    /// Puts elements to the front of a list, which is made if it is absent.
    ///
    /// `LPUSH key element [element ...]`, O(N) in the number of elements.
    pub fn lpush(
        &self,
        key: impl Arg,
        elements: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Lpush> {
        Call::of(self, "lpush").key(key).args(elements)
    }

    /// Puts elements to the front of a list that exists.
    ///
    /// `LPUSHX key element [element ...]`, O(N) in the number of elements.
    pub fn lpushx(
        &self,
        key: impl Arg,
        elements: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Lpushx> {
        Call::of(self, "lpushx").key(key).args(elements)
    }

    /// Reads elements of a list from one place to another.
    ///
    /// `LRANGE key start stop`, O(S+N) in the distance of the first and the number of elements.
    pub fn lrange(&self, key: impl Arg, start: i64, stop: i64) -> Call<'_, Vec<Bytes>, Lrange> {
        Call::of(self, "lrange").key(key).arg(start).arg(stop)
    }

    /// Removes elements that are equal to a value.
    ///
    /// `LREM key count element`, O(N+M) in the length of the list and the number of elements removed.
    pub fn lrem(&self, key: impl Arg, count: i64, element: impl Arg) -> Call<'_, i64, Lrem> {
        Call::of(self, "lrem").key(key).arg(count).arg(element)
    }

    /// Replaces the element at a place of a list.
    ///
    /// `LSET key index element`, O(N) in the distance from the nearer end in Redis, O(log N) here.
    pub fn lset(&self, key: impl Arg, index: i64, element: impl Arg) -> Call<'_, (), Lset> {
        Call::of(self, "lset").key(key).arg(index).arg(element)
    }

    /// Removes all elements of a list but those from one place to another.
    ///
    /// `LTRIM key start stop`, O(N) in the number of elements removed.
    pub fn ltrim(&self, key: impl Arg, start: i64, stop: i64) -> Call<'_, (), Ltrim> {
        Call::of(self, "ltrim").key(key).arg(start).arg(stop)
    }

    /// Pops elements from the end of a list.
    ///
    /// `RPOP key [count]`, O(N) in the number of elements popped.
    pub fn rpop(&self, key: impl Arg) -> Call<'_, Value, Rpop> {
        Call::of(self, "rpop").key(key)
    }

    /// Moves the last element of a list to the front of another.
    ///
    /// `RPOPLPUSH source destination`, O(1).
    ///
    /// Redis deprecated it in 6.2.0: use `LMOVE` with the `RIGHT` and `LEFT` arguments.
    pub fn rpoplpush(
        &self,
        source: impl Arg,
        destination: impl Arg,
    ) -> Call<'_, Option<Bytes>, Rpoplpush> {
        Call::of(self, "rpoplpush").key(source).key(destination)
    }

    /// Puts elements to the end of a list, which is made if it is absent.
    ///
    /// `RPUSH key element [element ...]`, O(N) in the number of elements.
    pub fn rpush(
        &self,
        key: impl Arg,
        elements: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Rpush> {
        Call::of(self, "rpush").key(key).args(elements)
    }

    /// Puts elements to the end of a list that exists.
    ///
    /// `RPUSHX key element [element ...]`, O(N) in the number of elements.
    pub fn rpushx(
        &self,
        key: impl Arg,
        elements: impl IntoIterator<Item = impl Arg>,
    ) -> Call<'_, i64, Rpushx> {
        Call::of(self, "rpushx").key(key).args(elements)
    }
}

/// The command BLMOVE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Blmove;

/// The command BLMPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Blmpop;

impl<T> Call<'_, T, Blmpop> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command BLPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Blpop;

/// The command BRPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Brpop;

/// The command BRPOPLPUSH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Brpoplpush;

/// The command LINDEX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lindex;

/// The command LINSERT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Linsert;

/// The command LLEN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Llen;

/// The command LMOVE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lmove;

/// The command LMPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lmpop;

impl<T> Call<'_, T, Lmpop> {
    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }
}

/// The command LPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lpop;

impl<T> Call<'_, T, Lpop> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command LPOS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lpos;

impl<T> Call<'_, T, Lpos> {
    /// `RANK rank`
    pub fn rank(self, rank: i64) -> Self {
        self.arg("RANK").arg(rank)
    }

    /// `COUNT num-matches`
    pub fn count(self, num_matches: i64) -> Self {
        self.arg("COUNT").arg(num_matches)
    }

    /// `MAXLEN len`
    pub fn maxlen(self, len: i64) -> Self {
        self.arg("MAXLEN").arg(len)
    }
}

/// The command LPUSH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lpush;

/// The command LPUSHX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lpushx;

/// The command LRANGE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lrange;

/// The command LREM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lrem;

/// The command LSET: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Lset;

/// The command LTRIM: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Ltrim;

/// The command RPOP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Rpop;

impl<T> Call<'_, T, Rpop> {
    /// `count`
    pub fn count(self, count: i64) -> Self {
        self.arg(count)
    }
}

/// The command RPOPLPUSH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Rpoplpush;

/// The command RPUSH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Rpush;

/// The command RPUSHX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Rpushx;
