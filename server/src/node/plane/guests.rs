//! Users of other nodes, as which requests of theirs run here.
//!
//! Each node has its own users, and the node that a client is connected to checks what the client sends, as in Redis Cluster. What a script calls, nobody knows before it runs, and what a transaction
//! holds may be forbidden by the time it runs. So the rights of a user who may not do everything travel with the request, and who runs it goes by those, whoever has that name here.
//!
//! **Why not the name alone:** a user would have to be the same on all nodes at every moment, and one that somebody forgot to make, or to change, at one of them would be
//! denied there what it may do, or allowed what it may not.

use crate::base::limits::GUESTS_MAX;
use crate::command::Login;
use crate::security::acl::{Rights, User};
use std::collections::HashMap;
use torc_protocol::peer::request::{CLIENT_NAME_BYTES_MAX, Request};

/// A feature of a node: it goes by the rules that come with a request.
pub const GOES_BY_RULES: u64 = 1;

/// A user's name and rules.
type Told = (Box<[u8]>, Box<[u8]>);

/// Those who were here lately, so that their rules are not read for each request.
#[derive(Debug, Default)]
pub(super) struct Guests(HashMap<Told, Login>);

impl Guests {
    /// As whom a request is to run; none for one that may do everything.
    pub fn login(&mut self, request: &Request<'_>) -> Option<Login> {
        let Request { user, rules, .. } = *request;
        if user.is_empty() && rules.is_empty() {
            return None;
        }
        if let Some(known) = self.0.get(&(user.into(), rules.into())) {
            return Some(known.clone());
        }
        let login = Login::of(User::new(user, Rights::described(rules)));
        if self.0.len() >= GUESTS_MAX {
            self.0.clear();
        }
        self.0.insert((user.into(), rules.into()), login.clone());
        Some(login)
    }
}

/// What a request says of the user that it runs as.
pub(super) fn told(login: Option<&Login>) -> (&[u8], Vec<u8>) {
    let Some(login) = login else { return (b"", Vec::new()) };
    let name = login.user.name();
    // It stands in errors and logs alone.
    (&name[..name.len().min(CLIENT_NAME_BYTES_MAX)], login.rights.describe_selectors())
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_protocol::Protocol;

    fn request<'a>(user: &'a [u8], rules: &'a [u8]) -> Request<'a> {
        Request { user, rules, protocol: Protocol::Resp3, ..Request::plain(b"") }
    }

    #[test]
    fn a_guest_has_the_rights_that_are_told_of_it() {
        let mut guests = Guests::default();
        assert_eq!(guests.login(&request(b"", b"")), None);
        let mut rights = Rights::new(false);
        rights
            .apply([&b">pw"[..], b"~a", b"+get", b"(%R~b", b"+@all)"].into_iter(), false)
            .unwrap();
        let own = Login::of(User::new(b"alice", rights));
        let (user, rules) = told(Some(&own));
        assert!(!rules.contains(&b'#'), "no password leaves the node");
        let guest = guests.login(&request(user, &rules)).unwrap();
        assert_eq!(guest.rights.describe_selectors(), own.rights.describe_selectors());
        assert_eq!(guests.login(&request(user, &rules)), Some(guest.clone()));
        let other = guests.login(&request(b"bob", b"~* &* -@all +nosuchcommand +get")).unwrap();
        assert_eq!(other.rights.describe_selectors(), b"~* &* -@all +get");
        for nothing in [&b""[..], b"~* ~*x", b"nonsense +@all", b"(~a"] {
            let guest = guests.login(&request(b"eve", nothing)).unwrap();
            assert_eq!(guest.rights.describe_selectors(), b"resetchannels -@all");
        }
        for number in 0..2 * GUESTS_MAX {
            guests.login(&request(number.to_string().as_bytes(), b""));
        }
        assert!(guests.0.len() <= GUESTS_MAX);
    }
}
