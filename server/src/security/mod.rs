//! Who may connect and run what: users and their rights, protected mode, certificates, what nodes prove to each other.
//!
//! Source: redis.io, "ACL" and "Security".

pub mod acl;
pub mod cluster;
pub mod tls;

use crate::config::Settings;
use acl::Acl;
use std::net::IpAddr;

/// Protected mode as the settings have it at this moment. It owns both judgements: whom an open port may be bound for at start, and who may
/// connect while the node runs.
#[derive(Debug, Clone, Copy)]
pub struct ProtectedMode {
    /// Whether it is in force: it is on, and the user `default` needs no password.
    shuts: bool,
}

impl ProtectedMode {
    /// Reads `protected-mode` and the user `default`. To be read anew for each judgement: both change while the node runs.
    pub fn of(settings: &Settings, acl: &Acl) -> Self {
        let is_open = || acl.default_user().rights().needs_no_password();
        ProtectedMode { shuts: settings.protected_mode() && is_open() }
    }

    /// Whether a connection from `peer` (`None`: the Unix socket) is let in. Where the server listens does not matter, as in Redis since 7.0.
    pub fn admits(self, peer: Option<IpAddr>) -> bool {
        !self.shuts || peer.is_none_or(|ip| ip.to_canonical().is_loopback())
    }

    /// The addresses of `bind` by which other machines would connect only to be turned away.
    pub fn useless_addresses(self, bind: &str) -> Vec<&str> {
        if !self.shuts {
            return Vec::new();
        }
        bind.split(' ').filter(|address| is_beyond_loopback(address)).collect()
    }
}

/// Whether a word of `bind` stands for addresses that other machines can reach.
pub fn is_beyond_loopback(address: &str) -> bool {
    let address = address.strip_prefix('-').unwrap_or(address);
    if address.is_empty() || address == "localhost" {
        return false;
    }
    address.parse::<IpAddr>().map_or(true, |address| !address.is_loopback())
}

/// What a refused client is told, as its only reply.
pub const REFUSED: &[u8] = b"-DENIED Torc is running in protected mode: no password is set, so connections are accepted from this \
machine alone. To connect from elsewhere, set a password (the setting requirepass, or CONFIG SET requirepass from this machine), \
or turn the protection off (--protected-mode no, or CONFIG SET protected-mode no) if the network is trusted.\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_mode_follows_both_settings_while_the_node_runs() {
        let ip = |text: &str| Some(text.parse().unwrap());
        let (settings, acl) = (Settings::default(), Acl::default());
        let check = |pairs: &[(&str, &str)], admitted: bool| {
            settings.set(pairs).unwrap();
            acl.set_default_password(settings.requirepass().as_bytes());
            for stranger in [ip("10.0.0.1"), ip("2001:db8::1"), ip("::ffff:10.0.0.1")] {
                assert_eq!(
                    ProtectedMode::of(&settings, &acl).admits(stranger),
                    admitted,
                    "{pairs:?}"
                );
            }
            for local in [ip("127.0.0.1"), ip("127.9.9.9"), ip("::1"), ip("::ffff:127.0.0.1"), None]
            {
                assert!(ProtectedMode::of(&settings, &acl).admits(local), "{pairs:?} {local:?}");
            }
            let useless =
                ProtectedMode::of(&settings, &acl).useless_addresses("127.0.0.1 * -::1 10.0.0.1");
            assert_eq!(useless.is_empty(), admitted, "{pairs:?} {useless:?}");
        };
        check(&[("protected-mode", "yes")], false);
        check(&[("requirepass", "secret")], true);
        check(&[("requirepass", "")], false);
        check(&[("protected-mode", "no")], true);
        check(&[("protected-mode", "yes")], false);
        check(&[("requirepass", "x"), ("protected-mode", "no")], true);
        check(&[("requirepass", ""), ("protected-mode", "yes")], false);
        acl.set(b"default", [&b">pw"[..]].into_iter()).unwrap();
        assert!(ProtectedMode::of(&settings, &acl).admits(ip("10.0.0.1")), "a password by SETUSER");
    }
}
