//! Reads a URL. A grammar of its own, small enough to need no crate: a list of hosts is no legal authority elsewhere.

use super::{Address, Config, Mode, Protocol, ReadFrom};
use crate::error::{Error, Result};
use std::time::Duration;

/// Redis's own port.
const PORT: u16 = 6379;

pub(super) fn parse(url: &str) -> Result<Config> {
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| wrong(url, "it has no `redis://` before the host"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let config = match scheme {
        "redis" | "torc" => at_hosts(url, rest)?,
        "rediss" | "torcs" => encrypted(url, at_hosts(url, rest)?)?,
        "unix" | "redis+unix" => Config::new([Address::Unix(decode(url, rest)?.into())]),
        _ => return Err(wrong(url, "its scheme is none of redis, rediss and unix")),
    };
    query.split('&').filter(|pair| !pair.is_empty()).try_fold(config, |config, pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        with_option(url, config, name, &decode(url, value)?)
    })
}

fn at_hosts(url: &str, rest: &str) -> Result<Config> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // A password may hold an @ that somebody forgot to encode.
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (Some(credentials), hosts),
        None => (None, authority),
    };
    let addresses = hosts.split(',').map(|host| address(url, host)).collect::<Result<Vec<_>>>()?;
    let mut config = Config::new(addresses);
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or(("", credentials));
        let user = decode(url, user)?;
        let user = Some(user.as_str()).filter(|user| !user.is_empty());
        config = config.credentials(user, &decode(url, password)?);
    }
    if !path.is_empty() {
        config = config.database(number(url, "database", path)?);
    }
    Ok(config)
}

fn address(url: &str, text: &str) -> Result<Address> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) =
                rest.split_once(']').ok_or_else(|| wrong(url, "a bracket is not closed"))?;
            (host, behind.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err(wrong(url, "a host is missing"));
    }
    let port = port.map_or(Ok(PORT), |port| number(url, "port", port))?;
    Ok(Address::Tcp(host.to_owned(), port))
}

#[cfg(feature = "tls")]
fn encrypted(_: &str, config: Config) -> Result<Config> {
    Ok(config.tls(crate::tls::TlsConfig::default()))
}

#[cfg(not(feature = "tls"))]
fn encrypted(url: &str, _: Config) -> Result<Config> {
    Err(wrong(url, "TLS needs the crate's feature `tls`"))
}

fn with_option(url: &str, config: Config, name: &str, value: &str) -> Result<Config> {
    let ms = || Ok(Duration::from_millis(number(url, name, value)?));
    let illegal = || wrong(url, &format!("`{value}` is no value of {name}"));
    Ok(match name {
        "mode" => config.mode(match value {
            "auto" => Mode::Auto,
            "standalone" => Mode::Standalone,
            "cluster" => Mode::Cluster,
            _ => return Err(illegal()),
        }),
        "protocol" => config.protocol(match value {
            "2" => Protocol::Resp2,
            "3" => Protocol::Resp3,
            _ => return Err(illegal()),
        }),
        "read" => config.read_from(match value {
            "primary" => ReadFrom::Primary,
            "any" => ReadFrom::Any,
            "session" => ReadFrom::Session,
            _ => match value.strip_prefix("zone:") {
                Some(zone) if !zone.is_empty() => ReadFrom::Zone(zone.to_owned()),
                _ => return Err(illegal()),
            },
        }),
        "timeout_ms" => config.call_timeout(ms()?),
        "attempt_timeout_ms" => config.attempt_timeout(ms()?),
        "connect_timeout_ms" => config.connect_timeout(ms()?),
        "busy_poll_us" => config.busy_poll(Duration::from_micros(number(url, name, value)?)),
        "connections" => config.connections_per_node(number(url, name, value)?),
        "name" => config.client_name(value),
        "db" => config.database(number(url, name, value)?),
        _ => return Err(wrong(url, &format!("there is no option `{name}`"))),
    })
}

fn number<T: std::str::FromStr>(url: &str, what: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(url, &format!("`{text}` is no {what}")))
}

/// Percent-encoding undone.
fn decode(url: &str, text: &str) -> Result<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(wrong(url, "two hexadecimal digits have to follow each %"));
        };
        bytes.push((high << 4 | low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| wrong(url, "a part is not UTF-8"))
}

/// The URL itself stays out of the message as far as it may hold a password.
fn wrong(url: &str, why: &str) -> Error {
    let shown = match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{after}")
        }
        None => url.to_owned(),
    };
    Error::config(format!("`{shown}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let check =
            |url: &str, addresses: &str, user: Option<&str>, password: Option<&str>, database| {
                let config = parse(url).unwrap();
                let found: Vec<String> = config.seeds.iter().map(Address::to_string).collect();
                assert_eq!(found.join(" "), addresses, "{url}");
                assert_eq!(config.username.as_deref(), user, "{url}");
                assert_eq!(config.password.as_deref(), password, "{url}");
                assert_eq!(config.database, database, "{url}");
            };
        check("redis://localhost", "localhost:6379", None, None, 0);
        check("torc://a:1,b,[::1]:3/7", "a:1 b:6379 [::1]:3", None, None, 7);
        check("redis://:p%40ss@h/", "h:6379", None, Some("p@ss"), 0);
        check("redis://me:a:b@h", "h:6379", Some("me"), Some("a:b"), 0);
        check("redis://secret@h", "h:6379", None, Some("secret"), 0);
        check("unix:///tmp/a.sock?db=3", "/tmp/a.sock", None, None, 3);
        let config = parse("redis://h?read=any&timeout_ms=250&connections=3&name=x%20y").unwrap();
        assert_eq!((config.read_from, config.call_timeout.as_millis()), (ReadFrom::Any, 250));
        assert_eq!(
            (config.connections_per_node, config.client_name),
            (Some(3), Some("x y".into()))
        );
        let config = parse("redis://h?protocol=2&busy_poll_us=50").unwrap();
        assert_eq!((config.protocol, config.busy_poll.as_micros()), (Protocol::Resp2, 50));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for url in [
            "localhost:6379",
            "http://h",
            "redis://",
            "redis://h:x",
            "redis://h/x",
            "redis://h?mode=x",
            "redis://h?protocol=4",
            "redis://h?busy_poll_us=-1",
            "redis://h?no=1",
            "redis://%zz@h",
            "redis://[::1",
            "redis://me:secret@h?no=1",
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Config);
            assert!(!error.message().contains("secret"), "{error}");
        }
    }
}
