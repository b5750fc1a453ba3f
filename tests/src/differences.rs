//! Where Torc answers otherwise than the reference on purpose: one data file, from which the README's list comes.
//!
//! Each entry is used by at least one line of a conformance script, which fails once the difference is gone.

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The name that scripts refer to.
    pub id: String,
    /// What differs, and why.
    pub reason: String,
}

/// The data file.
pub const TEXT: &str = include_str!("../conformance/differences.txt");

/// Every difference, in the file's order. A line `id: reason` begins one, an indented line continues it.
///
/// # Panics
/// If a line is neither, or an id is given twice.
pub fn all() -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    for line in TEXT.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            let last = found.last_mut().expect("an indented line continues an entry");
            last.reason.push(' ');
            last.reason.push_str(line.trim());
            continue;
        }
        let (id, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no `id: `: {line}"));
        assert!(found.iter().all(|d| d.id != id), "{id} is given twice");
        found.push(Difference { id: id.to_string(), reason: reason.to_string() });
    }
    found
}

/// Commands of which COMMAND INFO tells otherwise than the reference, because Redis 7.2 does.
pub fn command_info() -> Vec<&'static str> {
    let line = TEXT.lines().find_map(|line| line.strip_prefix("#command-info "));
    line.map(|names| names.split_whitespace().collect()).unwrap_or_default()
}

/// The list as it stands in the README.
pub fn markdown() -> String {
    all().iter().map(|difference| format!("* {}\n", difference.reason)).collect()
}
