//! Commands of the group connection. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Says whether the keys of the next command are to be tracked.
    ///
    /// `CLIENT CACHING <YES | NO>`, O(1).
    pub fn client_caching(&self, mode: impl Arg) -> Call<'_, Value, ClientCaching> {
        Call::of(self, "client|caching").arg(mode)
    }

    /// Answers the name of this connection.
    ///
    /// `CLIENT GETNAME`, O(1).
    pub fn client_getname(&self) -> Call<'_, Option<Bytes>, ClientGetname> {
        Call::of(self, "client|getname")
    }

    /// Answers which client receives the invalidations of this one.
    ///
    /// `CLIENT GETREDIR`, O(1).
    pub fn client_getredir(&self) -> Call<'_, Value, ClientGetredir> {
        Call::of(self, "client|getredir")
    }

    /// Answers the number of this connection.
    ///
    /// `CLIENT ID`, O(1).
    pub fn client_id(&self) -> Call<'_, i64, ClientId> {
        Call::of(self, "client|id")
    }

    /// Describes this connection.
    ///
    /// `CLIENT INFO`, O(1).
    pub fn client_info(&self) -> Call<'_, Bytes, ClientInfo> {
        Call::of(self, "client|info")
    }

    /// Records the name or the version of the client library.
    ///
    /// `CLIENT SETINFO <LIB-NAME libname | LIB-VER libver>`, O(1).
    pub fn client_setinfo(&self, attr: impl Arg) -> Call<'_, (), ClientSetinfo> {
        Call::of(self, "client|setinfo").arg(attr)
    }

    /// Names this connection.
    ///
    /// `CLIENT SETNAME connection-name`, O(1).
    pub fn client_setname(&self, connection_name: impl Arg) -> Call<'_, (), ClientSetname> {
        Call::of(self, "client|setname").arg(connection_name)
    }

    /// Answers its argument.
    ///
    /// `ECHO message`, O(1).
    pub fn echo(&self, message: impl Arg) -> Call<'_, Bytes, Echo> {
        Call::of(self, "echo").arg(message)
    }

    /// Answers PONG, or its argument.
    ///
    /// `PING [message]`, O(1).
    pub fn ping(&self) -> Call<'_, Bytes, Ping> {
        Call::of(self, "ping")
    }
}

/// The command CLIENT CACHING: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientCaching;

/// The command CLIENT GETNAME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientGetname;

/// The command CLIENT GETREDIR: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientGetredir;

/// The command CLIENT ID: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientId;

/// The command CLIENT INFO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientInfo;

/// The command CLIENT SETINFO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientSetinfo;

/// The command CLIENT SETNAME: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct ClientSetname;

/// The command ECHO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Echo;

/// The command PING: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Ping;

impl<T> Call<'_, T, Ping> {
    /// `message`
    pub fn message(self, message: impl Arg) -> Self {
        self.arg(message)
    }
}
