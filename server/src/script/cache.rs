//! The scripts that a node knows, by the SHA1 of their text.
//!
//! Scripts stay until SCRIPT FLUSH. Their texts take at most `script-cache-max` bytes: where one more does not fit, scripts that came by EVAL alone give way, oldest
//! first (as in Redis 7.4, for a client that writes values into its scripts would fill the memory); those of SCRIPT LOAD stay, and one more is refused.

use super::header::Permissions;
use super::library::Libraries;
use super::watchdog::Standing;
use parking_lot::Mutex;
use sha1::{Digest, Sha1};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A script's name: 40 hexadecimal digits, in lower case.
pub type Sha = [u8; 40];

/// The name of a script.
pub fn sha_of(body: &[u8]) -> Sha {
    let mut text = [0; 40];
    for (pair, byte) in text.chunks_exact_mut(2).zip(Sha1::digest(body)) {
        let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

/// One script.
#[derive(Debug)]
pub struct Script {
    /// Its name.
    pub sha: Sha,
    /// Its text.
    pub body: Box<[u8]>,
    /// What it says of itself.
    pub permissions: Permissions,
    /// Where its code begins, behind the first line that says so.
    pub(super) code: usize,
    alone: AtomicBool,
}

impl Script {
    /// A script of this text.
    ///
    /// # Errors
    /// If its first line says what cannot be; the line of the error.
    pub fn new(sha: Sha, body: &[u8]) -> Result<Arc<Script>, Cow<'static, str>> {
        let (permissions, code) = Permissions::of(body)?;
        Ok(Arc::new(Script {
            sha,
            body: body.into(),
            permissions,
            code,
            alone: AtomicBool::new(false),
        }))
    }

    /// Whether it was seen to come to keys that it does not declare, or to take long: it is to have the store for itself from its beginning.
    pub fn wants_alone(&self) -> bool {
        // Relaxed: a hint; who misses it finds out himself.
        self.alone.load(Ordering::Relaxed)
    }

    /// See [`Script::wants_alone`].
    pub fn set_alone(&self) {
        self.alone.store(true, Ordering::Relaxed);
    }
}

/// There is no room for a script that is to stay.
#[derive(Debug, PartialEq, Eq)]
pub struct ScriptFull;

/// What a script costs besides its text.
const SCRIPT_OVERHEAD_BYTES: usize = 256;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Scripts {
    known: Mutex<Known>,
    /// How often all were forgotten.
    flushes: AtomicU64,
    /// The scripts that take long.
    pub standing: Standing,
    /// The libraries of functions.
    pub libraries: Libraries,
}

#[derive(Debug, Default)]
struct Known {
    scripts: HashMap<Sha, Entry>,
    /// Those that came by EVAL alone, oldest first. One that was kept since stands here too, until it would be its turn.
    passing: VecDeque<Sha>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    script: Arc<Script>,
    kept: bool,
}

impl Scripts {
    /// The script of this name.
    pub fn find(&self, sha: &Sha) -> Option<Arc<Script>> {
        self.known.lock().scripts.get(sha).map(|entry| Arc::clone(&entry.script))
    }

    /// Adds a script, or finds that it is there. One that is to be `kept` stays until all are forgotten.
    ///
    /// # Errors
    /// If it takes more than is left of `bytes_max`. One that need not be kept can run all the same.
    pub fn add(&self, script: &Arc<Script>, kept: bool, bytes_max: u64) -> Result<(), ScriptFull> {
        let mut known = self.known.lock();
        if let Some(entry) = known.scripts.get_mut(&script.sha) {
            entry.kept |= kept;
            return Ok(());
        }
        let bytes = script.body.len() + SCRIPT_OVERHEAD_BYTES;
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        while known.bytes.saturating_add(bytes) > bytes_max {
            let Some(oldest) = known.passing.pop_front() else { return Err(ScriptFull) };
            if known.scripts.get(&oldest).is_some_and(|entry| !entry.kept) {
                known.remove(&oldest);
            }
        }
        known.bytes += bytes;
        known.scripts.insert(script.sha, Entry { script: Arc::clone(script), kept });
        if !kept {
            known.passing.push_back(script.sha);
        }
        Ok(())
    }

    /// Forgets all scripts.
    pub fn flush(&self) {
        *self.known.lock() = Known::default();
        // Relaxed: threads drop what they have compiled when they see it.
        self.flushes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Relaxed)
    }

    /// The texts of the scripts that were told to stay.
    pub fn kept(&self) -> Vec<Arc<Script>> {
        let known = self.known.lock();
        known.scripts.values().filter(|it| it.kept).map(|it| Arc::clone(&it.script)).collect()
    }

    /// How many there are, and the bytes that they take.
    pub fn count(&self) -> (usize, usize) {
        let known = self.known.lock();
        (known.scripts.len(), known.bytes)
    }
}

impl Known {
    fn remove(&mut self, sha: &Sha) {
        if let Some(entry) = self.scripts.remove(sha) {
            self.bytes -= entry.script.body.len() + SCRIPT_OVERHEAD_BYTES;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(body: &str) -> Arc<Script> {
        Script::new(sha_of(body.as_bytes()), body.as_bytes()).unwrap()
    }

    #[test]
    fn names_are_sha1() {
        assert_eq!(&sha_of(b""), b"da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(&sha_of(b"return 1"), b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
    }

    #[test]
    fn passing_scripts_make_room_and_kept_ones_stay() {
        let scripts = Scripts::default();
        let room = 2 * (SCRIPT_OVERHEAD_BYTES as u64 + 8);
        let [one, two, three, four] = ["return 1", "return 2", "return 3", "return 4"].map(script);
        assert_eq!(scripts.add(&one, false, room), Ok(()));
        assert_eq!(scripts.add(&two, false, room), Ok(()));
        assert_eq!(scripts.add(&two, true, room), Ok(()));
        assert_eq!(scripts.add(&three, true, room), Ok(()));
        assert!(scripts.find(&one.sha).is_none(), "it gave way");
        assert!(scripts.find(&two.sha).is_some() && scripts.find(&three.sha).is_some());
        assert_eq!(scripts.add(&four, false, room), Err(ScriptFull));
        assert_eq!(scripts.count().0, 2);
        scripts.flush();
        assert_eq!((scripts.count(), scripts.flushes()), ((0, 0), 1));
    }
}
