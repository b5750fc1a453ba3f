//! The greeting: protocol version, password, name, database.
//!
//! HELLO 3 with AUTH and SETNAME does most of it in one round trip. Servers that do not know it (before Redis 6) answer an error and are spoken to in RESP2;
//! where RESP2 is asked for, HELLO is not sent at all.

use super::dial::Endpoint;
use super::shared::{Connection, Submission};
use crate::config::Protocol;
use crate::error::{Applied, Error, ErrorKind, Result};
use crate::reply::{Frame, FromReply as _, Value};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Instant;
use torc_protocol::request::encode_request;

/// Greets.
pub(super) async fn greet(
    connection: &Arc<Connection>,
    endpoint: &Endpoint,
    reads_copies: bool,
    deadline: Instant,
) -> Result<()> {
    let is_greeted = match endpoint.protocol {
        Protocol::Resp2 => false,
        Protocol::Resp3 => hello(connection, endpoint, deadline).await?,
    };
    if !is_greeted {
        introduce(connection, endpoint, deadline).await?;
    }
    if endpoint.database != 0 {
        let database = endpoint.database.to_string();
        ask(connection, &[b"SELECT", database.as_bytes()], deadline).await?;
    }
    if reads_copies {
        // A server that is no cluster refuses it, and answers reads anyway.
        let outcome = ask(connection, &[b"READONLY"], deadline).await;
        outcome.map(drop).or_else(|error| match error.kind() {
            ErrorKind::Server => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(())
}

/// Says HELLO; false if the server does not know it, or not RESP3.
async fn hello(
    connection: &Arc<Connection>,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<bool> {
    let user = endpoint.username.as_deref().unwrap_or("default");
    let mut hello: Vec<&[u8]> = vec![b"HELLO", b"3"];
    if let Some(password) = &endpoint.password {
        hello.extend([&b"AUTH"[..], user.as_bytes(), password.as_bytes()]);
    }
    if let Some(name) = &endpoint.client_name {
        hello.extend([&b"SETNAME"[..], name.as_bytes()]);
    }
    match ask(connection, &hello, deadline).await {
        Ok(Value::Map(_)) => Ok(true),
        Ok(_) => Err(refused("it answered HELLO with something else")),
        Err(error) if is_unknown(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says the same without HELLO.
async fn introduce(
    connection: &Arc<Connection>,
    endpoint: &Endpoint,
    deadline: Instant,
) -> Result<()> {
    if let Some(password) = &endpoint.password {
        let mut auth: Vec<&[u8]> = vec![b"AUTH"];
        auth.extend(endpoint.username.as_deref().map(str::as_bytes));
        auth.push(password.as_bytes());
        ask(connection, &auth, deadline).await?;
    }
    if let Some(name) = &endpoint.client_name {
        ask(connection, &[b"CLIENT", b"SETNAME", name.as_bytes()], deadline).await?;
    }
    Ok(())
}

fn is_unknown(error: &Error) -> bool {
    let message = error.message();
    error.kind() == ErrorKind::Server
        && (message.starts_with("ERR unknown command") || message.starts_with("NOPROTO"))
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Protocol, Applied::No, message)
}

/// One command and its reply.
async fn ask(connection: &Arc<Connection>, args: &[&[u8]], deadline: Instant) -> Result<Value> {
    let mut bytes = Vec::new();
    encode_request(&mut bytes, args);
    let request = Submission { parts: [&bytes, &[], &[]], replies: 1, deadline };
    let ticket = poll_fn(|cx| std::task::Poll::Ready(connection.submit(&request, cx))).await?;
    let frame: Frame = ticket.await?;
    Value::from_reply(frame.into_value()?)
}
