//! Listening sockets: the addresses of `bind`, and the Unix socket.

use super::StartError;
use super::stream::Stream;
use super::tls::TlsStream;
use crate::cluster::member::Transport;
use crate::cluster::route::Port;
use crate::config::Settings;
use crate::security::tls::Tls;
use mio::event::Source as _;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Listener {
    /// A port: for whom, and how they talk.
    Tcp(mio::net::TcpListener, Port, Transport),
    Unix(mio::net::UnixListener, PathBuf),
}

/// One accepted connection.
pub(super) struct Incoming {
    pub stream: Stream,
    /// The client's address, `ip:port` or `path:0`.
    pub address: Box<str>,
    /// Ours.
    pub local_address: Box<str>,
    /// The client's machine; none for the Unix socket.
    pub ip: Option<IpAddr>,
    /// What the client may expect.
    pub port: Port,
}

/// An address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BindAddress {
    pub ip: IpAddr,
    /// Whether the machine need not have it.
    pub optional: bool,
}

/// The addresses in `bind`: IP addresses, `*` and `::*` for all, with `-` before those that may be missing.
pub(super) fn bind_addresses(bind: &str) -> Result<Vec<BindAddress>, StartError> {
    let parse = |word: &str| {
        let (optional, address) = match word.strip_prefix('-') {
            Some(address) => (true, address),
            None => (false, word),
        };
        let ip = match address {
            "*" => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            "::*" => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            _ => address.parse().ok(),
        };
        ip.map(|ip| BindAddress { ip, optional }).ok_or_else(|| StartError::Address(word.into()))
    };
    bind.split_whitespace().map(parse).collect()
}

/// Listens wherever the settings say.
///
/// # Errors
/// An address that is not optional cannot be listened on, or there is none at all.
pub(super) fn listen(settings: &Settings) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    let in_ring = |port| if settings.is_in_ring() { port } else { 0 };
    let ports = [
        (settings.port(), Port::Plain, Transport::Plain),
        (settings.tls_port(), Port::Plain, Transport::Tls),
        (in_ring(settings.cluster_port()), Port::Cluster, Transport::Plain),
        (in_ring(settings.tls_cluster_port()), Port::Cluster, Transport::Tls),
    ];
    for (port, whose, transport) in ports {
        let port = port as u16;
        if port == 0 {
            continue;
        }
        let found = listen_at(&settings.bind(), port, settings.tcp_backlog() as i32)?;
        listeners.extend(found.into_iter().map(|it| Listener::Tcp(it, whose, transport)));
    }
    let path = settings.unixsocket();
    if !path.is_empty() {
        let listener = listen_unix(
            Path::new(&*path),
            settings.unixsocketperm(),
            settings.tcp_backlog() as i32,
        )
        .map_err(|source| StartError::Listen { at: path.to_string(), source })?;
        listeners.push(listener);
    }
    if listeners.is_empty() { Err(StartError::Nowhere) } else { Ok(listeners) }
}

/// Listens on `port` of each of the addresses in `bind`.
///
/// # Errors
/// One that is not optional cannot be listened on.
pub(super) fn listen_at(
    bind: &str,
    port: u16,
    backlog: i32,
) -> Result<Vec<mio::net::TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for BindAddress { ip, optional } in bind_addresses(bind)? {
        let address = SocketAddr::new(ip, port);
        match listen_tcp(address, backlog) {
            Ok(listener) => listeners.push(listener),
            Err(error) if optional && is_missing(&error) => {
                tracing::info!(%address, %error, "not listening on an optional address");
            }
            Err(source) => return Err(StartError::Listen { at: address.to_string(), source }),
        }
    }
    Ok(listeners)
}

/// Whether listening failed because the machine does not have the address, or its whole family.
pub(super) fn is_missing(error: &io::Error) -> bool {
    // EAFNOSUPPORT and its like have no stable kind of their own; creating a socket fails with nothing else that an optional address
    // should stop the start for.
    let taken = [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied];
    !taken.contains(&error.kind())
}

/// Listens on `address`; on any free port where that is 0.
pub(super) fn listen_tcp(address: SocketAddr, backlog: i32) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for the old process's connections to be forgotten.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `*` and `::*` are two sockets, so that either can be left out.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

/// Listens at `path`, with these permissions unless they are 0.
pub(super) fn listen_unix(path: &Path, mode: u32, backlog: i32) -> io::Result<Listener> {
    make_way(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    if mode != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog)?;
    Ok(Listener::Unix(mio::net::UnixListener::from_std(socket.into()), path.to_owned()))
}

/// Removes what lies at `path`, as Redis does: the socket of an earlier run, a file, a link. A socket that is served stays, which Redis would take from its server without a word; so does
/// what is none of these, and the bind fails on it.
fn make_way(path: &Path) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let kind = found.file_type();
    if !(kind.is_socket() || kind.is_file() || kind.is_symlink()) {
        return Ok(());
    }
    if is_served(path)? {
        let why = "another process serves this socket";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, why));
    }
    fs::remove_file(path)
}

/// Whether what `path` leads to is a socket that somebody has, as far as can be told.
fn is_served(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        return Ok(false);
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Where the server's queue is full, the answer is not waited for.
    socket.set_nonblocking(true)?;
    Ok(match socket.connect(&socket2::SockAddr::unix(path)?) {
        Ok(()) => true,
        Err(error) => error.kind() != io::ErrorKind::ConnectionRefused,
    })
}

impl Listener {
    /// Asks to be told of connections.
    pub fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener, ..) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
        }
    }

    /// Takes one connection. Nothing is said on it yet.
    pub fn accept(&self, keepalive_seconds: i64, tls: &Tls) -> io::Result<Incoming> {
        match self {
            Listener::Tcp(listener, port, transport) => {
                let (stream, peer) = listener.accept()?;
                // Neither option is worth a connection: a socket that was reset meanwhile refuses them, and is found out at its first read.
                let _ = stream.set_nodelay(true);
                let _ = set_keepalive(&stream, keepalive_seconds);
                let local = stream.local_addr().map_or_else(|_| "?:0".into(), |a| a.to_string());
                let stream = match transport {
                    Transport::Plain => Stream::Tcp(stream),
                    Transport::Tls => {
                        // A node that listens for TLS has read what it needs for that.
                        let session = tls.accept().ok_or(io::ErrorKind::ConnectionAborted)?;
                        Stream::Tls(Box::new(TlsStream::new(stream, session)))
                    }
                };
                Ok(Incoming {
                    stream,
                    address: peer.to_string().into(),
                    local_address: local.into(),
                    ip: Some(peer.ip()),
                    port: *port,
                })
            }
            Listener::Unix(listener, path) => {
                let (stream, _) = listener.accept()?;
                let address: Box<str> = format!("{}:0", path.display()).into();
                Ok(Incoming {
                    stream: Stream::Unix(stream),
                    local_address: address.clone(),
                    address,
                    ip: None,
                    port: Port::Plain,
                })
            }
        }
    }

    /// Where it listens, for the log.
    pub fn place(&self) -> String {
        match self {
            Listener::Tcp(listener, ..) => {
                listener.local_addr().map_or_else(|_| "?".into(), |address| address.to_string())
            }
            Listener::Unix(_, path) => path.display().to_string(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // Someone else may have removed it.
            let _ = fs::remove_file(path);
        }
    }
}

/// Probes a silent client after `seconds`, and gives it up after three probes a third of that apart, as Redis does.
fn set_keepalive(stream: &mio::net::TcpStream, seconds: i64) -> io::Result<()> {
    let Some(idle) = u64::try_from(seconds).ok().filter(|&idle| idle != 0) else { return Ok(()) };
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(idle))
        .with_interval(Duration::from_secs((idle / 3).max(1)))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_lists_addresses() {
        let parsed = bind_addresses("127.0.0.1 -::1 * -::*").unwrap();
        let shown: Vec<_> = parsed.iter().map(|a| (a.ip.to_string(), a.optional)).collect();
        let expected = [("127.0.0.1", false), ("::1", true), ("0.0.0.0", false), ("::", true)];
        assert_eq!(shown, expected.map(|(ip, optional)| (ip.to_owned(), optional)));
        assert!(bind_addresses("nowhere").is_err());
        assert!(bind_addresses("").unwrap().is_empty());
    }

    #[test]
    fn a_unix_socket_takes_the_place_of_what_nobody_serves() {
        let dir = std::env::temp_dir().join(format!("torc-listener-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (path, target) = (dir.join("socket"), dir.join("target"));
        let listen = || listen_unix(&path, 0, 1);
        fs::write(&path, b"a file").unwrap();
        let first = listen().unwrap();
        assert!(std::os::unix::net::UnixStream::connect(&path).is_ok(), "it listens");
        for _ in 0..4 {
            // The queue fills up on the way.
            assert_eq!(listen().unwrap_err().kind(), io::ErrorKind::AddrInUse);
        }
        assert!(path.exists(), "it was taken from its server");
        drop(first);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(listen().unwrap());
        fs::write(&target, b"kept").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        drop(listen().unwrap());
        assert_eq!(fs::read(&target).unwrap(), b"kept");
        fs::create_dir(&path).unwrap();
        assert!(listen().is_err(), "a folder stays");
        assert!(path.is_dir());
        fs::remove_dir_all(&dir).unwrap();
    }
}
