//! A handshake that finds its socket full.

use super::{Node, expect};
use crate::cluster::member::Transport;
use crate::cluster::route::Port;
use crate::net::listener::{Listener, listen_tcp};
use crate::security::tls::testing::{Authority, Folder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConnection, StreamOwned};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Bytes of certificates at most. A message of a handshake may have 65,535; rustls keeps it in one place with the last of its records, and refuses what does not fit
/// there: 65,283 do, 65,450 do not. With what is sent along it is more than the kernel takes at once, whatever room it is told to keep.
const MESSAGE_BYTES_MAX: usize = 65_283;
/// Bytes beside each certificate: its length, and that it has no extensions.
const ENTRY_BYTES: usize = 5;

/// A connection whose client has as little room as the kernel has.
fn little_room(address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    // Only so that a fault ends the test; nothing waits this long.
    socket.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
    socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.into()
}

/// What a node has to show may take more than a socket takes at once, and then nothing but the socket tells when to go on.
#[test]
fn what_the_socket_did_not_take_follows() {
    let (folder, authority) = (Folder::empty(), Authority::unknown());
    let pair = authority.node();
    let bytes =
        |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().len() + ENTRY_BYTES;
    let count = (MESSAGE_BYTES_MAX - bytes(&pair.certificate)) / bytes(&authority.certificate);
    let chain = pair.certificate + &authority.certificate.repeat(count);
    let words = [
        "--tls-cert-file",
        &folder.write("chain", &chain),
        "--tls-key-file",
        &folder.write("key", &pair.key),
        "--tls-auth-clients",
        "no",
    ];
    let listener = listen_tcp("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    // As little as the kernel has; connections inherit it.
    SockRef::from(&listener).set_send_buffer_size(1).unwrap();
    let listener = Listener::Tcp(listener, Port::Plain, Transport::Tls);
    let mut node = Node::on(&words, vec![listener]);
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(Arc::new(authority.client_config(None)), name).unwrap();
    let mut stream = StreamOwned::new(client, little_room(&node.address));
    stream.write_all(b"PING\r\n").unwrap();
    expect(&mut stream, b"+PONG\r\n");
    node.stop();
}
