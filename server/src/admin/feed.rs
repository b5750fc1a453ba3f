//! What monitoring clients see: one line a command, in the form of Redis's MONITOR.

use super::clients::Endpoint;
use super::slowlog::is_secret;
use std::io::Write as _;
use torc_protocol::Args;

/// Who sent a command.
#[derive(Debug, Clone, Copy)]
pub enum Sender<'a> {
    /// A client.
    Client(&'a Endpoint),
    /// A script that a client runs.
    Script,
}

/// Appends `+seconds.microseconds [db address] "argument" ...` and CRLF. A script's address is `lua`.
pub fn push_line(unix_us: u64, db: u8, sender: Sender<'_>, args: Args<'_>, out: &mut Vec<u8>) {
    let (seconds, microseconds) = (unix_us / 1_000_000, unix_us % 1_000_000);
    let (kind, address) = match sender {
        Sender::Script => ("", "lua"),
        // A Unix socket's address ends in `:0`, which MONITOR leaves out.
        Sender::Client(Endpoint { address, unix_socket: true, .. }) => {
            ("unix:", address.strip_suffix(":0").unwrap_or(address))
        }
        Sender::Client(endpoint) => ("", &*endpoint.address),
    };
    // Writing to a Vec cannot fail.
    let _ = write!(out, "+{seconds}.{microseconds:06} [{db} {kind}{address}]");
    for (index, arg) in args.iter().enumerate() {
        out.push(b' ');
        push_quoted(if is_secret(args, index) { b"(redacted)" } else { arg }, out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends `bytes` in quotes, escaped as Redis escapes them.
fn push_quoted(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x07 => out.extend_from_slice(b"\\a"),
            0x08 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_protocol::request::Span;

    fn line(args: &[&[u8]], sender: Sender<'_>) -> String {
        let (mut bytes, mut spans) = (Vec::new(), Vec::new());
        for arg in args {
            spans.push(Span { start: bytes.len() as u32, len: arg.len() as u32 });
            bytes.extend_from_slice(arg);
        }
        let mut out = Vec::new();
        push_line(1_339_518_083_107_412, 3, sender, Args::new(&bytes, &spans), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn tcp() -> Endpoint {
        Endpoint { address: "127.0.0.1:60866".into(), ..Endpoint::default() }
    }

    #[test]
    fn lines_look_as_redis_prints_them() {
        assert_eq!(
            line(&[b"keys", b"*"], Sender::Client(&tcp())),
            "+1339518083.107412 [3 127.0.0.1:60866] \"keys\" \"*\"\r\n"
        );
        assert_eq!(
            line(&[b"set", b"a\x01\"\\\n\r\t\x07\x08\xff ~", b""], Sender::Client(&tcp())),
            "+1339518083.107412 [3 127.0.0.1:60866] \"set\" \"a\\x01\\\"\\\\\\n\\r\\t\\a\\b\\xff ~\" \"\"\r\n"
        );
        let unix =
            Endpoint { address: "/run/t.sock:0".into(), unix_socket: true, ..Endpoint::default() };
        assert_eq!(
            line(&[b"ping"], Sender::Client(&unix)),
            "+1339518083.107412 [3 unix:/run/t.sock] \"ping\"\r\n"
        );
        let script = line(&[b"ping"], Sender::Script);
        assert_eq!(script, "+1339518083.107412 [3 lua] \"ping\"\r\n");
    }

    #[test]
    fn secrets_are_hidden() {
        let shown = |args: &[&[u8]]| {
            line(args, Sender::Client(&tcp())).split_once("] ").unwrap().1.trim_end().to_owned()
        };
        assert_eq!(shown(&[b"auth", b"a", b"b"]), r#""auth" "(redacted)" "(redacted)""#);
        assert_eq!(
            shown(&[b"HELLO", b"3", b"auth", b"default", b"x", b"setname", b"n"]),
            r#""HELLO" "3" "auth" "(redacted)" "(redacted)" "setname" "n""#
        );
        assert_eq!(
            shown(&[b"config", b"set", b"port", b"1", b"requirepass", b"x"]),
            r#""config" "set" "port" "1" "requirepass" "(redacted)""#
        );
        assert_eq!(shown(&[b"get", b"auth"]), r#""get" "auth""#);
    }
}
