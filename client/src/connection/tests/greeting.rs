//! What a client says first, in either protocol.

use super::{LONG, limits, pipe};
use crate::base::clock;
use crate::config::Config;
use crate::connection::dial::Endpoint;
use crate::connection::handshake::greet;
use crate::error::Result;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use torc_protocol::request::encode_request;

const MAP: &str = "%1\r\n+proto\r\n:3\r\n";
const OK: &str = "+OK\r\n";
const UNKNOWN: &str = "-ERR unknown command 'HELLO'\r\n";
const OTHER_PROTOCOL: &str = "-NOPROTO unsupported protocol version\r\n";

/// A client of `url` asks exactly what stands first in each pair of `talk`, and is answered the second.
async fn greeting(url: &str, talk: &[(&str, &str)]) -> Result<()> {
    let (connection, mut server) = pipe(limits(), 1 << 16);
    let endpoint = Endpoint::new(&Config::from_url(url).unwrap()).unwrap();
    let greeting = tokio::spawn({
        let connection = Arc::clone(&connection);
        let deadline = clock::after(clock::now(), LONG);
        async move {
            let outcome = greet(&connection, &endpoint, false, deadline).await;
            connection.close();
            outcome
        }
    });
    for (asked, answer) in talk {
        let mut request = Vec::new();
        encode_request(&mut request, &asked.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        let mut bytes = vec![0; request.len()];
        server
            .read_exact(&mut bytes)
            .await
            .unwrap_or_else(|_| panic!("{url} does not ask {asked}"));
        assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&request), "{url}");
        server.write_all(answer.as_bytes()).await.unwrap();
    }
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "", "{url} asks more");
    greeting.await.unwrap()
}

#[tokio::test]
async fn who_the_client_is_is_said_in_either_protocol() {
    let hello = "HELLO 3 AUTH me secret SETNAME n";
    let steps = [("AUTH me secret", OK), ("CLIENT SETNAME n", OK), ("SELECT 2", OK)];
    let check = async |url: &str, talk: &[(&str, &str)]| greeting(url, talk).await.unwrap();
    check("redis://h", &[("HELLO 3", MAP)]).await;
    check("redis://h?protocol=2", &[]).await;
    check("redis://me:secret@h/2?name=n", &[(hello, MAP), ("SELECT 2", OK)]).await;
    check("redis://me:secret@h/2?name=n&protocol=2", &steps).await;
    check("redis://:secret@h?protocol=2", &[("AUTH secret", OK)]).await;
    for answer in [UNKNOWN, OTHER_PROTOCOL] {
        let talk: Vec<_> = [(hello, answer)].into_iter().chain(steps).collect();
        check("redis://me:secret@h/2?name=n", &talk).await;
    }
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    let wrong = "-WRONGPASS invalid username-password pair\r\n";
    for (url, asked) in [
        ("redis://me:secret@h?name=n", "HELLO 3 AUTH me secret SETNAME n"),
        ("redis://me:secret@h?name=n&protocol=2", "AUTH me secret"),
    ] {
        let error = greeting(url, &[(asked, wrong)]).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGPASS"), "{url}");
    }
}
