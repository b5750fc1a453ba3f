//! TLS for the suites: an authority with a certificate for a node, the settings that name them, and connections that trust it.

#[path = "../../server/src/security/tls/testing.rs"]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
mod certificates;

pub use certificates::{Authority, Folder, Pair};

use crate::resp::{Connection, TIMEOUT};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// What a node shows, and whom it trusts.
pub struct Keys {
    folder: Folder,
    /// Who signed the node's certificate, and signs clients'.
    pub authority: Authority,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.folder.path().display())
    }
}

impl Default for Keys {
    fn default() -> Self {
        Keys::new()
    }
}

impl Keys {
    /// A new authority, and a node's certificate of it.
    pub fn new() -> Self {
        let keys = Keys { folder: Folder::empty(), authority: Authority::unknown() };
        keys.renew();
        keys
    }

    /// Puts another certificate into the place of the node's.
    pub fn renew(&self) {
        let pair = self.authority.node();
        self.folder.write("node.pem", &pair.certificate);
        self.folder.write("node.key", &pair.key);
        self.folder.write("ca.pem", &self.authority.certificate);
    }

    /// Where a file of the node's is: `node.pem`, `node.key` or `ca.pem`.
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a file beside them, and tells where.
    pub fn write(&self, name: &str, text: &str) -> String {
        self.folder.write(name, text)
    }

    /// What a node with TLS at `port` is started with; it asks clients for certificates as `auth` says.
    pub fn settings(&self, port: u16, auth: &str) -> Vec<String> {
        let (port, cert, key, ca) =
            (port.to_string(), self.file("node.pem"), self.file("node.key"), self.file("ca.pem"));
        let pairs = [
            ("--tls-port", port.as_str()),
            ("--tls-cert-file", &cert),
            ("--tls-key-file", &key),
            ("--tls-ca-cert-file", &ca),
            ("--tls-auth-clients", auth),
        ];
        pairs.iter().flat_map(|&(name, value)| [name.to_owned(), value.to_owned()]).collect()
    }

    /// How a client without a certificate talks to the node.
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::new(self.authority.client_config(None))
    }
}

/// A session over a socket.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects, and goes no further.
///
/// # Errors
/// Those of the socket; a reading takes [`TIMEOUT`] at most.
///
/// # Panics
/// If `config` makes no client.
pub fn connect(port: u16, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    over(TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?, config)
}

/// As [`connect`], by a socket that takes so many bytes at a time, or as few as the kernel has it.
///
/// # Errors
/// As [`connect`].
pub fn connect_with_room(
    port: u16,
    config: &Arc<ClientConfig>,
    bytes: usize,
) -> io::Result<Stream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_recv_buffer_size(bytes)?;
    // Loopback's segments are so long that the other side would keep megabytes for some of them.
    socket.set_tcp_mss(536)?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    over(socket.into(), config)
}

fn over(socket: TcpStream, config: &Arc<ClientConfig>) -> io::Result<Stream> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    let session = ClientConnection::new(Arc::clone(config), name).expect("a client's settings");
    Ok(StreamOwned::new(session, socket))
}

/// A connection that has shaken hands.
///
/// # Errors
/// The node does not want to talk to this client.
pub fn open(port: u16, config: &Arc<ClientConfig>) -> io::Result<Connection> {
    let mut stream = connect(port, config)?;
    stream.conn.complete_io(&mut stream.sock)?;
    Connection::over(Box::new(stream))
}

/// A port that nobody listens on now.
///
/// # Panics
/// If loopback has none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}
