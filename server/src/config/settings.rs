//! The settings in force, shared by all threads.
//!
//! Numbers, truth values and choices are relaxed atomics: a change may take a batch to be seen, and no two are promised
//! to change together. Texts are behind a lock that only cold paths take.

use super::kind::Value;
use super::special::{self, OutputLimit};
use super::table::{Id, Row, SETTINGS};
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The settings in force. Reading a number is a relaxed load; see `config::table` for what each means.
#[derive(Debug)]
pub struct Settings {
    bits: Box<[AtomicU64]>,
    texts: RwLock<Box<[Arc<str>]>>,
    /// `client-output-buffer-limit` as numbers: hard, soft, seconds for each class.
    output_limits: [[AtomicU64; 3]; 3],
    /// One change at a time, so that CONFIG SET with several pairs is all or nothing among its like.
    changes: Mutex<()>,
    file: Option<PathBuf>,
    users: Vec<String>,
}

/// Why settings were not changed; nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// There is no setting of that name.
    Unknown(String),
    /// The named setting cannot take this value, in Redis's words.
    Refused {
        /// As the client wrote it.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl Default for Settings {
    fn default() -> Self {
        let settings = Settings {
            bits: SETTINGS.iter().map(|_| AtomicU64::new(0)).collect(),
            texts: RwLock::new(SETTINGS.iter().map(|_| Arc::from("")).collect()),
            output_limits: Default::default(),
            changes: Mutex::new(()),
            file: None,
            users: Vec::new(),
        };
        for (index, row) in SETTINGS.iter().enumerate() {
            let value = row.kind.parse("", row.default).expect("a test parses every default");
            settings.store(index, value);
        }
        settings
    }
}

impl Settings {
    /// The value of a row whose kind is kept as bits.
    #[inline]
    pub(super) fn bits(&self, id: Id) -> u64 {
        // Relaxed: see the module's comment.
        self.bits[id as usize].load(Ordering::Relaxed)
    }

    pub(super) fn text(&self, id: Id) -> Arc<str> {
        Arc::clone(&self.texts.read()[id as usize])
    }

    /// The setting at `index` of [`SETTINGS`] as CONFIG GET shows it.
    pub fn render(&self, index: usize) -> String {
        let row = &SETTINGS[index];
        if row.kind.is_bits() {
            return row.kind.render(self.bits[index].load(Ordering::Relaxed));
        }
        let text = self.texts.read()[index].to_string();
        if index == Id::notify_keyspace_events as usize {
            special::shown_events(&text)
        } else {
            text
        }
    }

    /// As [`Settings::render`], for people: a secret stays one.
    pub fn show(&self, index: usize) -> String {
        let shown = self.render(index);
        let is_secret = index == Id::cluster_secret as usize && !shown.is_empty();
        if is_secret { "(hidden)".to_owned() } else { shown }
    }

    /// Whether the node is part of a ring.
    pub fn is_in_ring(&self) -> bool {
        self.cluster_enabled() || !self.join().is_empty()
    }

    /// Sets `name` before the node runs, immutable settings included.
    pub(super) fn set_at_start(&self, name: &str, text: &str) -> Result<(), SetError> {
        let index = find(name).ok_or_else(|| SetError::Unknown(name.to_owned()))?;
        let value = SETTINGS[index]
            .kind
            .parse(&self.render(index), text)
            .map_err(|reason| SetError::Refused { name: name.to_owned(), reason })?;
        self.store(index, value);
        Ok(())
    }

    /// Changes all of `pairs`, or none and says why.
    pub fn set(&self, pairs: &[(&str, &str)]) -> Result<(), SetError> {
        self.set_if(pairs, |_| Ok(()))
    }

    /// As [`Settings::set`], unless `check` refuses the settings as they would be then. What `check` puts into force is in force when the settings are, and no other change comes
    /// between.
    pub fn set_if(
        &self,
        pairs: &[(&str, &str)],
        check: impl FnOnce(&Settings) -> Result<(), SetError>,
    ) -> Result<(), SetError> {
        let _one_at_a_time = self.changes.lock();
        let mut values: Vec<(usize, Value)> = Vec::with_capacity(pairs.len());
        let mut indexes = Vec::with_capacity(pairs.len());
        // Redis looks all names up before it reads a value; so do we, for the same error comes first.
        for &(name, _) in pairs {
            let refused =
                |reason: &str| SetError::Refused { name: name.to_owned(), reason: reason.into() };
            let index = find(name).ok_or_else(|| SetError::Unknown(name.to_owned()))?;
            if !SETTINGS[index].mutable {
                return Err(refused("can't set immutable config"));
            }
            // An older name next to the newer one is allowed, and the last counts: Redis does not see that they are the same.
            let is_twice = pairs[..indexes.len()].iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
            if is_twice {
                return Err(refused("duplicate parameter"));
            }
            indexes.push(index);
        }
        for (&index, &(name, text)) in indexes.iter().zip(pairs) {
            let text = clamp_hz(index, text);
            let value = SETTINGS[index]
                .kind
                .parse(&self.render(index), &text)
                .map_err(|reason| SetError::Refused { name: name.to_owned(), reason })?;
            values.push((index, value));
        }
        let draft = self.copy();
        values.iter().cloned().for_each(|(index, value)| draft.store(index, value));
        check(&draft)?;
        for (index, value) in values {
            self.store(index, value);
        }
        Ok(())
    }

    /// Settings of their own, with the same values.
    fn copy(&self) -> Settings {
        let copy =
            Settings { texts: RwLock::new(self.texts.read().clone()), ..Settings::default() };
        for (of, to) in self.bits.iter().zip(&copy.bits) {
            to.store(of.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        copy.store_output_limits(&copy.client_output_buffer_limit());
        copy
    }

    fn store(&self, index: usize, value: Value) {
        match value {
            Value::Bits(bits) => self.bits[index].store(bits, Ordering::Relaxed),
            Value::Text(text) => {
                if index == Id::client_output_buffer_limit as usize {
                    self.store_output_limits(&text);
                }
                let mut texts = self.texts.write();
                texts[index] = Arc::from(text);
            }
        }
    }

    fn store_output_limits(&self, text: &str) {
        let limits = special::parse_output_limits(text, Default::default()).unwrap_or_default();
        for (cells, limit) in self.output_limits.iter().zip(limits) {
            cells[0].store(limit.hard_bytes, Ordering::Relaxed);
            cells[1].store(limit.soft_bytes, Ordering::Relaxed);
            cells[2].store(limit.soft_seconds, Ordering::Relaxed);
        }
    }

    /// The output buffer limit of ordinary clients. Its three numbers may be read while they change.
    pub fn output_limit_normal(&self) -> OutputLimit {
        self.output_limit(0)
    }

    /// The output buffer limit of clients with subscriptions.
    pub fn output_limit_pubsub(&self) -> OutputLimit {
        self.output_limit(2)
    }

    fn output_limit(&self, class: usize) -> OutputLimit {
        let [hard, soft, seconds] = &self.output_limits[class];
        OutputLimit {
            hard_bytes: hard.load(Ordering::Relaxed),
            soft_bytes: soft.load(Ordering::Relaxed),
            soft_seconds: seconds.load(Ordering::Relaxed),
        }
    }

    /// Worker threads to run: `workers`, or the machine's cores, at most `limits::WORKER_COUNT_MAX`.
    pub fn worker_count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let set = usize::try_from(self.workers()).unwrap_or(0);
        let count = if set == 0 { cores() } else { set };
        count.min(crate::base::limits::WORKER_COUNT_MAX)
    }

    /// The settings file that the node was started with.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The users that the settings define, each as the words behind `user`; those that the node starts with.
    pub fn users(&self) -> &[String] {
        &self.users
    }

    pub(super) fn set_users(&mut self, users: Vec<String>) {
        self.users = users;
    }

    pub(super) fn set_file(&mut self, path: PathBuf) {
        self.file = Some(path);
    }

    /// Whether writes need the primary's copy alone unless the client says otherwise: for every batch to ask.
    #[inline]
    pub fn is_one_copy_enough(&self) -> bool {
        self.bits(Id::default_write_consistency) == 0
    }

    /// Whether clients can come by TLS.
    pub fn has_tls_port(&self) -> bool {
        self.tls_port() != 0 || self.is_in_ring() && self.tls_cluster_port() != 0
    }

    /// Name of the eviction policy in force.
    pub fn maxmemory_policy_name(&self) -> String {
        self.render(Id::maxmemory_policy as usize)
    }
}

/// Redis moves `hz` into its range where other settings answer an error.
fn clamp_hz(index: usize, text: &str) -> std::borrow::Cow<'_, str> {
    if index == Id::hz as usize
        && let Ok(hz) = text.parse::<i64>()
    {
        return hz.clamp(1, 500).to_string().into();
    }
    text.into()
}

/// Index of the setting that `name` or an older name of it stands for, in any case.
pub(super) fn find(name: &str) -> Option<usize> {
    SETTINGS.iter().position(|row| names(row).any(|known| known.eq_ignore_ascii_case(name)))
}

/// All names of a row.
pub(crate) fn names(row: &Row) -> impl Iterator<Item = &'static str> + use<> {
    std::iter::once(row.name).chain(row.aliases.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Policy;

    #[test]
    fn every_default_is_legal_and_canonical() {
        let settings = Settings::default();
        for (index, row) in SETTINGS.iter().enumerate() {
            assert_eq!(settings.render(index), row.default, "{}", row.name);
        }
    }

    #[test]
    fn names_are_unique_and_lowercase() {
        let mut seen: Vec<&str> = SETTINGS.iter().flat_map(names).collect();
        assert!(seen.iter().all(|n| n.bytes().all(|b| b == b'-' || b.is_ascii_alphanumeric())));
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    #[test]
    fn several_pairs_change_together_or_not_at_all() {
        let settings = Settings::default();
        let refused = settings.set(&[("maxmemory", "1kb"), ("maxmemory-samples", "0")]);
        assert!(
            matches!(refused, Err(SetError::Refused { name, .. }) if name == "maxmemory-samples")
        );
        assert_eq!(settings.maxmemory(), 0);
        settings.set(&[("maxmemory", "1kb"), ("MAXMEMORY-SAMPLES", "3")]).unwrap();
        assert_eq!((settings.maxmemory(), settings.maxmemory_samples()), (1024, 3));
    }

    #[test]
    fn what_is_refused_as_a_whole_changes_nothing() {
        let settings = Settings::default();
        settings.set(&[("requirepass", "old"), ("hz", "20")]).unwrap();
        let pairs = [("requirepass", "new"), ("maxmemory", "1kb")];
        let refused = settings.set_if(&pairs, |draft| {
            assert_eq!((&*draft.requirepass(), draft.maxmemory(), draft.hz()), ("new", 1024, 20));
            Err(SetError::Unknown("x".into()))
        });
        assert_eq!(refused, Err(SetError::Unknown("x".into())));
        assert_eq!((&*settings.requirepass(), settings.maxmemory()), ("old", 0));
        settings.set_if(&pairs, |_| Ok(())).unwrap();
        assert_eq!((&*settings.requirepass(), settings.maxmemory()), ("new", 1024));
    }

    #[test]
    fn wrong_sets_name_their_cause() {
        let settings = Settings::default();
        let check = |pairs: &[(&str, &str)], reason: &str| match settings.set(pairs) {
            Err(SetError::Refused { reason: given, .. }) => assert_eq!(given, reason),
            other => panic!("{other:?}"),
        };
        check(&[("port", "1")], "can't set immutable config");
        check(&[("timeout", "1"), ("timeout", "2")], "duplicate parameter");
        settings.set(&[("hash-max-ziplist-value", "1"), ("hash-max-listpack-value", "2")]).unwrap();
        assert_eq!(settings.hash_max_listpack_value(), 2);
        assert_eq!(settings.set(&[("nope", "1")]), Err(SetError::Unknown("nope".into())));
    }

    #[test]
    fn typed_getters_follow() {
        let settings = Settings::default();
        settings.set(&[("maxmemory-policy", "ALLKEYS-LFU"), ("requirepass", "x")]).unwrap();
        assert_eq!(settings.maxmemory_policy(), Policy::AllKeysLfu);
        assert_eq!(&*settings.requirepass(), "x");
        settings.set(&[("client-output-buffer-limit", "normal 1kb 2 3")]).unwrap();
        let limit = settings.output_limit_normal();
        assert_eq!((limit.hard_bytes, limit.soft_bytes, limit.soft_seconds), (1024, 2, 3));
        assert!(settings.is_one_copy_enough());
        settings.set(&[("default-write-consistency", "QUORUM")]).unwrap();
        assert!(!settings.is_one_copy_enough());
        settings.set(&[("hz", "9999")]).unwrap();
        assert_eq!(settings.hz(), 500);
    }
}
