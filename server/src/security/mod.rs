//! Who may connect and run what: passwords and protected mode.
//!
//! There is one user, `default`, whose password is the setting `requirepass`; without one, every client is that user.
//! Source: the pages of AUTH and of Redis's security model on redis.io.

pub mod cluster;

use std::net::IpAddr;

/// Whether `given` is the password `expected`. Takes the same time wherever they differ.
pub fn password_matches(expected: &[u8], given: &[u8]) -> bool {
    // The loop's length depends on what was given alone, so that it tells nothing of the password's length either.
    let mut difference = expected.len() ^ given.len();
    for (index, byte) in given.iter().enumerate() {
        // An empty password compares with zeros; the lengths differ then unless both are empty.
        let wanted = if expected.is_empty() { 0 } else { expected[index % expected.len()] };
        difference |= usize::from(wanted ^ byte);
    }
    std::hint::black_box(difference) == 0
}

/// Whether protected mode refuses a connection from `peer` (`None`: the Unix socket) while no password is set.
pub fn is_refused(peer: Option<IpAddr>, protected_mode: bool, has_password: bool) -> bool {
    let local = peer.is_none_or(|ip| ip.to_canonical().is_loopback());
    protected_mode && !has_password && !local
}

/// What a refused client is told, as its only reply.
pub const REFUSED: &[u8] = b"-DENIED Torc is running in protected mode: no password is set, so connections are accepted from this \
machine alone. To connect from elsewhere, set a password (the setting requirepass, or CONFIG SET requirepass from this machine), \
or turn the protection off (--protected-mode no, or CONFIG SET protected-mode no) if the network is trusted.\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_match_only_whole() {
        assert!(password_matches(b"secret", b"secret"));
        for wrong in [&b"secre"[..], b"secrets", b"", b"secretsecret", b"Secret"] {
            assert!(!password_matches(b"secret", wrong), "{wrong:?}");
        }
        assert!(password_matches(b"", b""));
        assert!(!password_matches(b"", b"\0"));
    }

    #[test]
    fn protected_mode_refuses_strangers_without_a_password() {
        let ip = |text: &str| Some(text.parse().unwrap());
        assert!(is_refused(ip("10.0.0.1"), true, false));
        assert!(!is_refused(ip("10.0.0.1"), true, true));
        assert!(!is_refused(ip("10.0.0.1"), false, false));
        for local in [ip("127.0.0.1"), ip("127.9.9.9"), ip("::1"), ip("::ffff:127.0.0.1"), None] {
            assert!(!is_refused(local, true, false), "{local:?}");
        }
    }
}
