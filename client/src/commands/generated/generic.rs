//! Commands of the group generic. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Copies a key to another name or database.
    ///
    /// `COPY source destination [DB destination-db] [REPLACE]`, O(N) in the size of the value.
    pub fn copy(&self, source: impl Arg, destination: impl Arg) -> Call<'_, bool, Copy> {
        Call::of(self, "copy").key(source).key(destination)
    }

    /// Deletes keys.
    ///
    /// `DEL key [key ...]`, O(N) in the number of keys and of their elements.
    pub fn del(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, i64, Del> {
        Call::of(self, "del").keys(keys)
    }

    /// Answers the value at a key in serialised form.
    ///
    /// `DUMP key`, O(N) in the size of the value.
    pub fn dump(&self, key: impl Arg) -> Call<'_, Option<Bytes>, Dump> {
        Call::of(self, "dump").key(key)
    }

    /// Counts how many of the named keys exist.
    ///
    /// `EXISTS key [key ...]`, O(N) in the number of keys.
    pub fn exists(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, i64, Exists> {
        Call::of(self, "exists").keys(keys)
    }

    /// Makes a key expire after some seconds.
    ///
    /// `EXPIRE key seconds [NX | XX | GT | LT]`, O(1).
    pub fn expire(&self, key: impl Arg, seconds: i64) -> Call<'_, bool, Expire> {
        Call::of(self, "expire").key(key).arg(seconds)
    }

    /// Makes a key expire at a Unix time in seconds.
    ///
    /// `EXPIREAT key unix-time-seconds [NX | XX | GT | LT]`, O(1).
    pub fn expireat(&self, key: impl Arg, unix_time_seconds: i64) -> Call<'_, bool, Expireat> {
        Call::of(self, "expireat").key(key).arg(unix_time_seconds)
    }

    /// Answers when a key expires, as a Unix time in seconds.
    ///
    /// `EXPIRETIME key`, O(1).
    pub fn expiretime(&self, key: impl Arg) -> Call<'_, i64, Expiretime> {
        Call::of(self, "expiretime").key(key)
    }

    /// Lists all keys that match a pattern.
    ///
    /// `KEYS pattern`, O(N) in the number of keys of the database.
    pub fn keys(&self, pattern: impl Arg) -> Call<'_, Vec<Bytes>, Keys> {
        Call::of(self, "keys").arg(pattern)
    }

    /// Moves a key to another database.
    ///
    /// `MOVE key db`, O(1).
    pub fn move_key(&self, key: impl Arg, db: i64) -> Call<'_, bool, MoveKey> {
        Call::of(self, "move").key(key).arg(db)
    }

    /// Answers how a value is stored.
    ///
    /// `OBJECT ENCODING key`, O(1).
    pub fn object_encoding(&self, key: impl Arg) -> Call<'_, Option<Bytes>, ObjectEncoding> {
        Call::of(self, "object|encoding").key(key)
    }

    /// Answers how often a key is used, on a logarithmic scale.
    ///
    /// `OBJECT FREQ key`, O(1).
    pub fn object_freq(&self, key: impl Arg) -> Call<'_, Option<i64>, ObjectFreq> {
        Call::of(self, "object|freq").key(key)
    }

    /// Answers for how many seconds a key has not been used.
    ///
    /// `OBJECT IDLETIME key`, O(1).
    pub fn object_idletime(&self, key: impl Arg) -> Call<'_, Option<i64>, ObjectIdletime> {
        Call::of(self, "object|idletime").key(key)
    }

    /// Answers how many references a value has.
    ///
    /// `OBJECT REFCOUNT key`, O(1).
    pub fn object_refcount(&self, key: impl Arg) -> Call<'_, Option<i64>, ObjectRefcount> {
        Call::of(self, "object|refcount").key(key)
    }

    /// Removes the expiry of a key.
    ///
    /// `PERSIST key`, O(1).
    pub fn persist(&self, key: impl Arg) -> Call<'_, bool, Persist> {
        Call::of(self, "persist").key(key)
    }

    /// Makes a key expire after some milliseconds.
    ///
    /// `PEXPIRE key milliseconds [NX | XX | GT | LT]`, O(1).
    pub fn pexpire(&self, key: impl Arg, milliseconds: i64) -> Call<'_, bool, Pexpire> {
        Call::of(self, "pexpire").key(key).arg(milliseconds)
    }

    /// Makes a key expire at a Unix time in milliseconds.
    ///
    /// `PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]`, O(1).
    pub fn pexpireat(
        &self,
        key: impl Arg,
        unix_time_milliseconds: i64,
    ) -> Call<'_, bool, Pexpireat> {
        Call::of(self, "pexpireat").key(key).arg(unix_time_milliseconds)
    }

    /// Answers when a key expires, as a Unix time in milliseconds.
    ///
    /// `PEXPIRETIME key`, O(1).
    pub fn pexpiretime(&self, key: impl Arg) -> Call<'_, i64, Pexpiretime> {
        Call::of(self, "pexpiretime").key(key)
    }

    /// Answers how many milliseconds a key has left.
    ///
    /// `PTTL key`, O(1).
    pub fn pttl(&self, key: impl Arg) -> Call<'_, i64, Pttl> {
        Call::of(self, "pttl").key(key)
    }

    /// Answers a key picked at random.
    ///
    /// `RANDOMKEY`, O(1).
    pub fn randomkey(&self) -> Call<'_, Option<Bytes>, Randomkey> {
        Call::of(self, "randomkey")
    }

    /// Renames a key, replacing what has the new name.
    ///
    /// `RENAME key newkey`, O(1).
    pub fn rename(&self, key: impl Arg, newkey: impl Arg) -> Call<'_, (), Rename> {
        Call::of(self, "rename").key(key).key(newkey)
    }

    /// Renames a key, but only if the new name is free.
    ///
    /// `RENAMENX key newkey`, O(1).
    pub fn renamenx(&self, key: impl Arg, newkey: impl Arg) -> Call<'_, bool, Renamenx> {
        Call::of(self, "renamenx").key(key).key(newkey)
    }

    /// Creates a key from a serialised value.
    ///
    /// `RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`, O(N) in the size of the value.
    pub fn restore(
        &self,
        key: impl Arg,
        ttl: i64,
        serialized_value: impl Arg,
    ) -> Call<'_, (), Restore> {
        Call::of(self, "restore").key(key).arg(ttl).arg(serialized_value)
    }

    /// Walks the keys of the database in small steps.
    ///
    /// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`, O(1) for each call, O(N) for the whole walk.
    pub fn scan(&self, cursor: impl Arg) -> Call<'_, Value, Scan> {
        Call::of(self, "scan").arg(cursor)
    }

    /// Sorts the elements of a list, set or sorted set, and answers or stores them.
    ///
    /// `SORT key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]`, O(N+M*log(M)) for N elements and M answered.
    pub fn sort(&self, key: impl Arg) -> Call<'_, Value, Sort> {
        Call::of(self, "sort").key(key)
    }

    /// Sorts the elements of a list, set or sorted set, and answers them.
    ///
    /// `SORT_RO key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA]`, O(N+M*log(M)) for N elements and M answered.
    pub fn sort_ro(&self, key: impl Arg) -> Call<'_, Value, SortRo> {
        Call::of(self, "sort_ro").key(key)
    }

    /// Marks keys as used now and counts those that exist.
    ///
    /// `TOUCH key [key ...]`, O(N) in the number of keys.
    pub fn touch(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, i64, Touch> {
        Call::of(self, "touch").keys(keys)
    }

    /// Answers how many seconds a key has left.
    ///
    /// `TTL key`, O(1).
    pub fn ttl(&self, key: impl Arg) -> Call<'_, i64, Ttl> {
        Call::of(self, "ttl").key(key)
    }

    /// Answers the type of the value at a key.
    ///
    /// `TYPE key`, O(1).
    pub fn type_of(&self, key: impl Arg) -> Call<'_, Bytes, TypeOf> {
        Call::of(self, "type").key(key)
    }

    /// Deletes keys, leaving large values to be freed in the background.
    ///
    /// `UNLINK key [key ...]`, O(1) for each key, O(N) in the background.
    pub fn unlink(&self, keys: impl IntoIterator<Item = impl Arg>) -> Call<'_, i64, Unlink> {
        Call::of(self, "unlink").keys(keys)
    }

    /// Waits until replicas have received this connection's writes.
    ///
    /// `WAIT numreplicas timeout`, O(1).
    pub fn wait(&self, numreplicas: i64, timeout: i64) -> Call<'_, i64, Wait> {
        Call::of(self, "wait").arg(numreplicas).arg(timeout)
    }

    /// Waits until this connection's writes are on disk, here and on replicas.
    ///
    /// `WAITAOF numlocal numreplicas timeout`, O(1).
    pub fn waitaof(
        &self,
        numlocal: i64,
        numreplicas: i64,
        timeout: i64,
    ) -> Call<'_, Value, Waitaof> {
        Call::of(self, "waitaof").arg(numlocal).arg(numreplicas).arg(timeout)
    }
}

/// The command COPY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Copy;

impl<T> Call<'_, T, Copy> {
    /// `DB destination-db`
    pub fn db(self, destination_db: i64) -> Self {
        self.arg("DB").arg(destination_db)
    }

    /// `REPLACE`
    pub fn replace(self) -> Self {
        self.arg("REPLACE")
    }
}

/// The command DEL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Del;

/// The command DUMP: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Dump;

/// The command EXISTS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Exists;

/// The command EXPIRE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Expire;

impl<T> Call<'_, T, Expire> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `GT`
    pub fn gt(self) -> Self {
        self.arg("GT")
    }

    /// `LT`
    pub fn lt(self) -> Self {
        self.arg("LT")
    }
}

/// The command EXPIREAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Expireat;

impl<T> Call<'_, T, Expireat> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `GT`
    pub fn gt(self) -> Self {
        self.arg("GT")
    }

    /// `LT`
    pub fn lt(self) -> Self {
        self.arg("LT")
    }
}

/// The command EXPIRETIME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Expiretime;

/// The command KEYS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Keys;

/// The command MOVE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct MoveKey;

/// The command OBJECT ENCODING: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ObjectEncoding;

/// The command OBJECT FREQ: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ObjectFreq;

/// The command OBJECT IDLETIME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ObjectIdletime;

/// The command OBJECT REFCOUNT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ObjectRefcount;

/// The command PERSIST: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Persist;

/// The command PEXPIRE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pexpire;

impl<T> Call<'_, T, Pexpire> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `GT`
    pub fn gt(self) -> Self {
        self.arg("GT")
    }

    /// `LT`
    pub fn lt(self) -> Self {
        self.arg("LT")
    }
}

/// The command PEXPIREAT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pexpireat;

impl<T> Call<'_, T, Pexpireat> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `GT`
    pub fn gt(self) -> Self {
        self.arg("GT")
    }

    /// `LT`
    pub fn lt(self) -> Self {
        self.arg("LT")
    }
}

/// The command PEXPIRETIME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pexpiretime;

/// The command PTTL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Pttl;

/// The command RANDOMKEY: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Randomkey;

/// The command RENAME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Rename;

/// The command RENAMENX: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Renamenx;

/// The command RESTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Restore;

impl<T> Call<'_, T, Restore> {
    /// `REPLACE`
    pub fn replace(self) -> Self {
        self.arg("REPLACE")
    }

    /// `ABSTTL`
    pub fn absttl(self) -> Self {
        self.arg("ABSTTL")
    }

    /// `IDLETIME seconds`
    pub fn idletime(self, seconds: i64) -> Self {
        self.arg("IDLETIME").arg(seconds)
    }

    /// `FREQ frequency`
    pub fn freq(self, frequency: i64) -> Self {
        self.arg("FREQ").arg(frequency)
    }
}

/// The command SCAN: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Scan;

impl<T> Call<'_, T, Scan> {
    /// `MATCH pattern`
    pub fn matching(self, pattern: impl Arg) -> Self {
        self.arg("MATCH").arg(pattern)
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `TYPE type`
    pub fn kind(self, kind: impl Arg) -> Self {
        self.arg("TYPE").arg(kind)
    }
}

/// The command SORT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Sort;

impl<T> Call<'_, T, Sort> {
    /// `BY by-pattern`
    pub fn by(self, by_pattern: impl Arg) -> Self {
        self.arg("BY").key(by_pattern)
    }

    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }

    /// `GET get-pattern`
    pub fn get(self, get_pattern: impl Arg) -> Self {
        self.arg("GET").key(get_pattern)
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }

    /// `ALPHA`
    pub fn alpha(self) -> Self {
        self.arg("ALPHA")
    }

    /// `STORE destination`
    pub fn store(self, destination: impl Arg) -> Self {
        self.arg("STORE").key(destination)
    }
}

/// The command SORT_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct SortRo;

impl<T> Call<'_, T, SortRo> {
    /// `BY by-pattern`
    pub fn by(self, by_pattern: impl Arg) -> Self {
        self.arg("BY").key(by_pattern)
    }

    /// `LIMIT offset count`
    pub fn limit(self, offset: i64, count: i64) -> Self {
        self.arg("LIMIT").arg(offset).arg(count)
    }

    /// `GET get-pattern`
    pub fn get(self, get_pattern: impl Arg) -> Self {
        self.arg("GET").key(get_pattern)
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }

    /// `ALPHA`
    pub fn alpha(self) -> Self {
        self.arg("ALPHA")
    }
}

/// The command TOUCH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Touch;

/// The command TTL: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Ttl;

/// The command TYPE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct TypeOf;

/// The command UNLINK: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Unlink;

/// The command WAIT: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Wait;

/// The command WAITAOF: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Waitaof;
