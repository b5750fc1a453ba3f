//! Which node this process is: a random id drawn once, kept in the data directory, and a number that grows with every start.
//!
//! ```text
//! # Torc's node id. Copying this file to another node makes two nodes fight over one name.
//! id 0123456789abcdef…        40 digits, as CLUSTER MYID prints them
//! incarnation 1790000000000   of the last start
//! ```
//!
//! Invariant: no two starts with one data directory share an incarnation, even if the clock went back: the file is written before the
//! node speaks. Without a data directory the id is new at every start, and the clock alone orders incarnations.
//!
//! This is start-up code; it touches the file system and nothing after it does.

use crate::base::clock::UnixMs;
use crate::cluster::node_id::NodeId;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// The file's name in the data directory.
pub const FILE_NAME: &str = "node-id";

/// Who this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Stays for life.
    pub node: NodeId,
    /// Grows with every start.
    pub incarnation: u64,
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The file cannot be read or written.
    #[error("cannot {verb} {path}: {source}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else. It is left as it is: the id in it may be worth saving.
    #[error("{path} is not a node id file; delete it to give the node a new name")]
    Malformed {
        /// Where.
        path: String,
    },
}

/// Reads the identity in `directory`, or draws one, and writes it back with the incarnation of this start. `given` overrides the id.
///
/// # Errors
/// If the file cannot be read, understood or written. A node that cannot keep its name must not start: it would come back as a stranger and
/// leave a dead node behind each time.
pub fn load_or_create(
    directory: &Path,
    given: Option<NodeId>,
    now: UnixMs,
    draw: u64,
) -> Result<Identity, IdentityError> {
    let path = directory.join(FILE_NAME);
    let failed =
        |verb, source| IdentityError::File { verb, path: path.display().to_string(), source };
    let stored = match fs::read_to_string(&path) {
        Ok(text) => Some(
            parse(&text)
                .ok_or_else(|| IdentityError::Malformed { path: path.display().to_string() })?,
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("read", error)),
    };
    let identity = next(stored, given, now, draw);
    write(directory, &path, &render(identity)).map_err(|error| failed("write", error))?;
    Ok(identity)
}

/// The identity of this start, given that of the last one.
pub fn next(stored: Option<Identity>, given: Option<NodeId>, now: UnixMs, draw: u64) -> Identity {
    match stored {
        Some(last) if given.is_none_or(|node| node == last.node) => {
            Identity { node: last.node, incarnation: now.max(last.incarnation.saturating_add(1)) }
        }
        _ => Identity { node: given.unwrap_or(NodeId(draw)), incarnation: now },
    }
}

fn render(identity: Identity) -> String {
    format!(
        "# Torc's node id. Copying this file to another node makes two nodes fight over one name.\n\
         id {}\nincarnation {}\n",
        identity.node.text(),
        identity.incarnation
    )
}

fn parse(text: &str) -> Option<Identity> {
    let (mut node, mut incarnation) = (None, None);
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match line.split_once(' ')? {
            ("id", digits) => node = Some(NodeId::parse(digits.trim().as_bytes())?),
            ("incarnation", digits) => incarnation = Some(digits.trim().parse().ok()?),
            // A later version may keep more in here.
            _ => {}
        }
    }
    Some(Identity { node: node?, incarnation: incarnation? })
}

/// Writes beside the file and renames, so that a crash leaves the old file or the new one.
fn write(directory: &Path, path: &Path, text: &str) -> io::Result<()> {
    let beside = directory.join(format!("{FILE_NAME}.new"));
    let mut file = fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // The rename itself lies in the directory. Some file systems cannot sync one; the file is whole all the same.
    let _ = fs::File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incarnations_grow_even_if_the_clock_does_not() {
        let first = next(None, None, 1_000, 77);
        assert_eq!(first, Identity { node: NodeId(77), incarnation: 1_000 });
        for (now, expected) in [(2_000, 2_000), (1_000, 1_001), (500, 1_001), (0, 1_001)] {
            let again = next(Some(first), None, now, 88);
            assert_eq!(again, Identity { node: NodeId(77), incarnation: expected }, "{now}");
        }
        let other = next(Some(first), Some(NodeId(5)), 10, 88);
        assert_eq!(other, Identity { node: NodeId(5), incarnation: 10 });
    }

    #[test]
    fn the_file_is_kept_and_broken_ones_are_not_overwritten() {
        let directory = std::env::temp_dir().join(format!("torc-identity-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let first = load_or_create(&directory, None, 1_000, 77).unwrap();
        let second = load_or_create(&directory, None, 900, 88).unwrap();
        assert_eq!(second, Identity { node: first.node, incarnation: 1_001 });
        for text in ["", "id 12\nincarnation 3\n", "id\n", "\u{0}\u{1}", "incarnation 4\n"] {
            fs::write(directory.join(FILE_NAME), text).unwrap();
            let error = load_or_create(&directory, None, 1_000, 9).unwrap_err();
            assert!(matches!(error, IdentityError::Malformed { .. }), "{text:?}: {error}");
            assert_eq!(fs::read_to_string(directory.join(FILE_NAME)).unwrap(), text);
        }
        let missing = load_or_create(&directory.join("none"), None, 1, 1).unwrap_err();
        assert!(matches!(missing, IdentityError::File { verb: "write", .. }));
        fs::remove_dir_all(&directory).unwrap();
    }
}
