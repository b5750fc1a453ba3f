//! Who a client is, and by which rights it goes.

use super::Session;
use super::consistency::Consistency;
use crate::admin::pubsub::Kind;
use crate::security::acl::{Acl, Levels, Rights, User};
use std::sync::Arc;

/// A user, and the state of its rights that the client goes by.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: Arc<User>,
    /// What it may do, as of the session's last look.
    pub rights: Arc<Rights>,
}

impl Login {
    /// As `user` stands now.
    pub fn of(user: Arc<User>) -> Self {
        let rights = user.rights();
        Login { user, rights }
    }
}

/// The same user in the same state.
impl PartialEq for Login {
    fn eq(&self, other: &Login) -> bool {
        Arc::ptr_eq(&self.user, &other.user) && Arc::ptr_eq(&self.rights, &other.rights)
    }
}

impl Eq for Login {}

impl Session {
    /// Logs in as the user `default`, as clients are when they connect: without a password, if it needs none.
    pub fn log_in_as_default(&mut self, acl: &Acl) {
        self.acl_generation = acl.generation();
        self.log_in(Arc::clone(acl.default_user()), !acl.requires_login());
    }

    /// Logs in as the user of this name, if `password` is one of its. Returns whether it is.
    pub fn authenticate(&mut self, acl: &Acl, name: &[u8], password: &[u8]) -> bool {
        // Read before the user is looked for: if it is deleted from here on, the session will look.
        let generation = acl.generation();
        let Some(user) = acl.authenticate(name, password) else { return false };
        self.acl_generation = generation;
        self.log_in(user, true);
        true
    }

    fn log_in(&mut self, user: Arc<User>, authenticated: bool) {
        self.authenticated = authenticated;
        self.info.set_user(Arc::clone(&user));
        let login = Login::of(user);
        let Levels { write, read } = login.rights.levels();
        self.consistency = Consistency { write, read, timeout_ms: None };
        self.demands_more |= login.rights.levels() != Levels::default();
        self.set_login(login);
    }

    fn set_login(&mut self, login: Login) {
        self.guarded = !self.authenticated || !login.rights.is_unlimited();
        self.login = Some(login);
    }

    /// Goes by the rights of another node's client, which has checked the command itself: they count for what scripts and transactions come to.
    pub fn visit_as(&mut self, login: Login) {
        self.login = Some(login);
    }

    /// Takes over what has changed of its user's rights. Returns whether the client may stay: not if its user was deleted, or may not hear any more what the client is subscribed to. Then it
    /// is closed before its next command, and its caller closes it now.
    #[inline]
    pub fn follow(&mut self, acl: &Acl) -> bool {
        // What comes from no client of this node has nothing to follow.
        self.login.is_none() || self.acl_generation == acl.generation() || self.follow_changes(acl)
    }

    #[cold]
    fn follow_changes(&mut self, acl: &Acl) -> bool {
        self.acl_generation = acl.generation();
        // A visitor goes by the rights that it came with.
        if self.hops > 0 {
            return true;
        }
        let Some(before) = self.login.take() else { return true };
        let next = Login::of(Arc::clone(&before.user));
        let is_changed = !Arc::ptr_eq(&before.rights, &next.rights);
        let stays = !next.user.is_gone()
            && (!is_changed || !self.is_subscribed() || self.keeps_subscriptions(&before, &next));
        self.set_login(next);
        if !stays {
            self.info.expel();
        }
        stays
    }

    fn keeps_subscriptions(&self, before: &Login, next: &Login) -> bool {
        let may_keep = |kind| {
            let names = self.subscribed_names(kind);
            names.iter().all(|name| next.rights.has_channel(name, kind == Kind::Pattern))
        };
        next.rights.keeps_channels(&before.rights) || Kind::ALL.into_iter().all(may_keep)
    }

    /// The rights that limit it; none if it may do everything.
    pub fn limits(&self) -> Option<&Login> {
        self.login.as_ref().filter(|login| !login.rights.is_unlimited())
    }
}
