//! Users, and what each may do.
//!
//! ```text
//!   ACL SETUSER ─▶ Rights (new) ─▶ User ── generation + 1            shared, rare
//!                                            │
//!   a client's next batch ── generation? ────┘ the Rights it goes by    one client's
//! ```
//!
//! A client keeps the state of its user's rights that held when it last looked, and looks when the number of changes is another than it knows: one load a batch. So checks take no lock, and a
//! change holds from the next batch of every client on. Nobody waits for that: what runs meanwhile counts as having come before the change.
//!
//! A [`User`] stands for itself, not for its name: who is logged in as a user that was deleted is so for good, whoever is made under that name later.
//!
//! **Does not know** sockets or commands' handlers. **Source:** redis.io, "ACL", and the replies of Redis 7.2.

mod file;
mod levels;
mod log;
mod password;
mod rights;
mod rules;
mod selector;
#[cfg(test)]
mod tests;

pub use file::LoadError;
pub use levels::Levels;
pub use log::{AclLog, Context, Entry, Reason, Refused};
pub use password::PasswordHash;
pub use rights::Rights;
pub use selector::{Denial, Selector};

use crate::base::limits::ACL_USERS_MAX;
use arc_swap::ArcSwap;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The name of the user that clients are before they log in. It is always there.
pub const DEFAULT_USER: &str = "default";

/// One user.
pub struct User {
    name: Box<[u8]>,
    rights: ArcSwap<Rights>,
    is_gone: AtomicBool,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.name.escape_ascii())
    }
}

impl User {
    /// A user that is in no list.
    pub fn new(name: &[u8], rights: Rights) -> Arc<Self> {
        let rights = ArcSwap::from_pointee(rights);
        Arc::new(User { name: name.into(), rights, is_gone: AtomicBool::new(false) })
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// What it may do now.
    pub fn rights(&self) -> Arc<Rights> {
        self.rights.load_full()
    }

    /// Whether it was deleted.
    pub fn is_gone(&self) -> bool {
        // Acquire pairs with the Release of who deletes it.
        self.is_gone.load(Ordering::Acquire)
    }

    fn delete(&self) {
        self.is_gone.store(true, Ordering::Release);
    }

    /// As a line of the file of users.
    pub fn describe(&self) -> Vec<u8> {
        [b"user ", self.name(), b" ", &self.rights().describe()].concat()
    }
}

type Users = BTreeMap<Box<[u8]>, Arc<User>>;

/// All users, and what was refused to them.
#[derive(Debug)]
pub struct Acl {
    users: RwLock<Users>,
    default: Arc<User>,
    /// Rises with each change.
    generation: AtomicU64,
    /// Whether clients are the default user without logging in.
    is_open: AtomicBool,
    /// `acl-pubsub-default`.
    all_channels: AtomicBool,
    /// What was refused.
    pub log: AclLog,
}

impl Default for Acl {
    fn default() -> Self {
        let default = User::new(DEFAULT_USER.as_bytes(), Rights::unlimited());
        let users = Users::from([(default.name.clone(), Arc::clone(&default))]);
        Acl {
            users: RwLock::new(users),
            default,
            generation: AtomicU64::new(0),
            is_open: AtomicBool::new(true),
            all_channels: AtomicBool::new(false),
            log: AclLog::default(),
        }
    }
}

/// A user that has other rights than before.
#[derive(Debug)]
pub struct Changed {
    /// The user.
    pub user: Arc<User>,
    /// What it could do.
    pub before: Arc<Rights>,
}

/// Why ACL SETUSER changed nothing: in Redis's words, without the code.
pub type SetError = Vec<u8>;

impl Acl {
    /// How many changes there have been. Who sees a number looks at rights that are at least as new.
    #[inline]
    pub fn generation(&self) -> u64 {
        // Acquire pairs with the Release in `changed`.
        self.generation.load(Ordering::Acquire)
    }

    fn changed(&self) {
        let rights = self.default.rights();
        // Relaxed: published by the generation.
        self.is_open.store(rights.is_enabled() && rights.needs_no_password(), Ordering::Relaxed);
        // Release: whoever sees the number sees what was changed before.
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Whether clients have to log in: the user `default` has a password, or is off.
    #[inline]
    pub fn requires_login(&self) -> bool {
        !self.is_open.load(Ordering::Relaxed)
    }

    /// The user that clients are before they log in.
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// The user of this name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// All users, by name.
    pub fn all(&self) -> Vec<Arc<User>> {
        self.users.read().values().cloned().collect()
    }

    /// The user of this name, if `password` is one of its.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.find(name).filter(|user| user.rights().admits(password))
    }

    /// Sets `acl-pubsub-default`: whether new users may use all channels.
    pub fn set_all_channels(&self, all: bool) {
        // Relaxed: no change of a user is promised to come before or behind it.
        self.all_channels.store(all, Ordering::Relaxed);
    }

    fn all_channels(&self) -> bool {
        self.all_channels.load(Ordering::Relaxed)
    }

    /// Makes a user, or changes one: by all of `rules`, or not at all. Returns one that was there before.
    ///
    /// # Errors
    /// A rule is wrong, or there are as many users as there may be.
    pub fn set<'a>(
        &self,
        name: &[u8],
        rules: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Changed>, SetError> {
        let mut users = self.users.write();
        let known = users.get(name).cloned();
        if known.is_none() && users.len() >= ACL_USERS_MAX {
            return Err(format!("There are {ACL_USERS_MAX} users already").into_bytes());
        }
        let all_channels = self.all_channels();
        let mut rights = match &known {
            Some(user) => Rights::clone(&user.rights.load()),
            None => Rights::new(all_channels),
        };
        rights.apply(rules, all_channels)?;
        let changed = known.map(|user| {
            let before = user.rights.swap(Arc::new(rights.clone()));
            Changed { user, before }
        });
        if changed.is_none() {
            users.insert(name.into(), User::new(name, rights));
        }
        self.changed();
        Ok(changed)
    }

    /// `requirepass` is `password` from now on.
    pub fn set_default_password(&self, password: &[u8]) {
        // Under the lock, so that of two changes none is lost.
        let _users = self.users.write();
        let mut rights = Rights::clone(&self.default.rights.load());
        rights.set_password(password);
        self.default.rights.store(Arc::new(rights));
        self.changed();
    }

    /// Deletes users, but not `default`. Returns those that there were: their clients are to be disconnected.
    pub fn delete<'a>(&self, names: impl Iterator<Item = &'a [u8]>) -> Vec<Arc<User>> {
        let mut users = self.users.write();
        let names = names.filter(|name| *name != self.default.name());
        let deleted: Vec<Arc<User>> = names.filter_map(|name| users.remove(name)).collect();
        deleted.iter().for_each(|user| user.delete());
        self.changed();
        deleted
    }

    /// Puts `loaded` in the place of all users, whose rights are new ones. Users that are as they were stay, and so do their clients; the others are returned, as by
    /// [`Acl::delete`]. The user `default` is changed and never replaced.
    fn replace(&self, loaded: BTreeMap<Box<[u8]>, Rights>) -> Vec<Arc<User>> {
        let mut users = self.users.write();
        let mut next = Users::from([(self.default.name.clone(), Arc::clone(&self.default))]);
        let mut default = Rights::unlimited();
        for (name, rights) in loaded {
            if *name == *self.default.name {
                default = rights;
                continue;
            }
            let same = users.get(&name).filter(|user| **user.rights.load() == rights).cloned();
            next.insert(name.clone(), same.unwrap_or_else(|| User::new(&name, rights)));
        }
        self.default.rights.store(Arc::new(default));
        let is_kept =
            |user: &Arc<User>| next.get(&user.name).is_some_and(|other| Arc::ptr_eq(user, other));
        let deleted: Vec<_> = users.values().filter(|user| !is_kept(user)).cloned().collect();
        deleted.iter().for_each(|user| user.delete());
        *users = next;
        self.changed();
        deleted
    }
}
