//! What happens to keys without a command that says so, taken down for whoever tells clients: keys that expired, were evicted, came into being, or were looked for
//! in vain.
//!
//! Nothing is taken down unless it was asked for. Where nothing is, a write of a new key and a read of an absent one pay a load and a branch.

use super::evict::Limits;
use super::local::Local;
use std::sync::atomic::Ordering;

/// What happened to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum NoticeKind {
    /// Its time had come, and it was removed.
    Expired = 1,
    /// It made room.
    Evicted = 2,
    /// A command looked for it in vain.
    Missed = 4,
    /// It was not there before.
    New = 8,
}

/// A key, and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub kind: NoticeKind,
    /// In which database.
    pub db: u8,
    /// The key.
    pub key: Box<[u8]>,
}

impl Limits {
    /// What all threads take down from now on.
    pub fn set_notices(&self, kinds: impl Iterator<Item = NoticeKind>) {
        let bits = kinds.fold(0, |bits, kind| bits | kind as u8);
        self.notices.store(bits, Ordering::Relaxed);
    }
}

impl Local {
    /// Takes a key down if that was asked for.
    #[inline]
    pub(super) fn notice(&mut self, kind: NoticeKind, db: u8, key: &[u8]) {
        if self.inner.limits.notices.load(Ordering::Relaxed) & kind as u8 != 0 {
            self.take_down(kind, db, key);
        }
    }

    /// As [`Local::notice`], of a key that was missed by a look-up which has put something there since: it was missed before it was new.
    #[inline]
    pub(super) fn notice_missed_before(&mut self, db: u8, key: &[u8]) {
        self.notice(NoticeKind::Missed, db, key);
        if let [.., new, missed] = self.notices.as_mut_slice()
            && (new.kind, missed.kind) == (NoticeKind::New, NoticeKind::Missed)
            && new.key == missed.key
        {
            std::mem::swap(new, missed);
        }
    }

    #[cold]
    fn take_down(&mut self, kind: NoticeKind, db: u8, key: &[u8]) {
        self.notices.push(Notice { kind, db, key: key.into() });
    }

    /// Whether [`Local::take_notices`] has any.
    #[inline]
    pub fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// What was taken down since the last call, in order. To be called at the end of each batch and each stretch of sweeping: that bounds it.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }
}
