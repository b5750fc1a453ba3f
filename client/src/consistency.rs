//! What calls demand of Torc: how many copies a write needs, and where reads may be answered.
//!
//! Redis has no such levels; there a demand is an error of the server's, which names CLIENT CONSISTENCY.

use std::time::Duration;

/// How many copies must have a write before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteLevel {
    /// The node that took it.
    One,
    /// So many.
    Copies(u8),
    /// More than half of them.
    Quorum,
    /// All of them.
    All,
}

/// Where a read may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReadLevel {
    /// At the node that takes the writes.
    Primary,
    /// By any copy.
    Any,
    /// By a copy that has what the connection has seen; see [`Session`](crate::Session), which carries that from call to call.
    Session,
    /// By the merge of what more than half of the copies hold.
    Quorum,
}

/// What a call demands. What it does not name is as the server's settings say.
///
/// ```no_run
/// # async fn example(client: torc_client::Client) -> torc_client::Result<()> {
/// use torc_client::{Consistency, WriteLevel};
/// let safe = Consistency::new().write(WriteLevel::Copies(2));
/// client.set("order:17", "paid").consistency(safe).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[must_use]
pub struct Consistency {
    pub(crate) write: Option<WriteLevel>,
    pub(crate) read: Option<ReadLevel>,
    pub(crate) timeout: Option<Duration>,
}

impl Consistency {
    /// Nothing beyond the server's settings.
    pub fn new() -> Self {
        Consistency::default()
    }

    /// How many copies writes need.
    pub fn write(mut self, level: WriteLevel) -> Self {
        self.write = Some(level);
        self
    }

    /// Where reads may be answered.
    pub fn read(mut self, level: ReadLevel) -> Self {
        self.read = Some(level);
        self
    }

    /// How long a write waits for its copies; then it is answered `NOQUORUM`, and stays where it is.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Whether it demands nothing.
    pub(crate) fn is_default(&self) -> bool {
        *self == Consistency::default()
    }

    /// What is named here, and the rest as `base` has it.
    pub(crate) fn over(self, base: Consistency) -> Consistency {
        Consistency {
            write: self.write.or(base.write),
            read: self.read.or(base.read),
            timeout: self.timeout.or(base.timeout),
        }
    }

    /// Whether both name something, and not the same.
    pub(crate) fn is_at_odds(self, other: Consistency) -> bool {
        fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            matches!((one, other), (Some(one), Some(other)) if one != other)
        }
        differ(self.write, other.write)
            || differ(self.read, other.read)
            || differ(self.timeout, other.timeout)
    }

    /// What of it can matter to commands that only read, if there are such, and to those that may write.
    pub(crate) fn where_it_matters(self, reads: bool, writes: bool) -> Consistency {
        Consistency {
            write: self.write.filter(|_| writes),
            read: self.read.filter(|_| reads),
            timeout: self.timeout.filter(|_| writes),
        }
    }

    /// `CLIENT CONSISTENCY …`, for the one command behind it or for all until [`Consistency::words_back`].
    pub(crate) fn words(&self, is_once: bool) -> Vec<String> {
        let mut words = vec!["CLIENT".to_owned(), "CONSISTENCY".to_owned()];
        let mut push = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if let Some(write) = self.write {
            push(
                "W",
                match write {
                    WriteLevel::One => "ONE".to_owned(),
                    WriteLevel::Copies(count) => count.to_string(),
                    WriteLevel::Quorum => "QUORUM".to_owned(),
                    WriteLevel::All => "ALL".to_owned(),
                },
            );
        }
        if let Some(read) = self.read {
            push(
                "R",
                match read {
                    ReadLevel::Primary => "PRIMARY",
                    ReadLevel::Any => "ANY",
                    ReadLevel::Session => "SESSION",
                    ReadLevel::Quorum => "QUORUM",
                }
                .to_owned(),
            );
        }
        if let Some(timeout) = self.timeout {
            push("TIMEOUT", timeout.as_millis().max(1).to_string());
        }
        if is_once {
            words.push("ONCE".to_owned());
        }
        words
    }

    /// `CLIENT CONSISTENCY …` that takes back what it names.
    pub(crate) fn words_back(&self) -> Vec<String> {
        let named =
            [self.write.map(|_| "W"), self.read.map(|_| "R"), self.timeout.map(|_| "TIMEOUT")];
        let words = named.into_iter().flatten().flat_map(|name| [name, "DEFAULT"]);
        ["CLIENT", "CONSISTENCY"].into_iter().chain(words).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demands_become_words() {
        let demand = Consistency::new()
            .write(WriteLevel::Copies(2))
            .read(ReadLevel::Any)
            .timeout(Duration::from_millis(50));
        assert_eq!(demand.words(true).join(" "), "CLIENT CONSISTENCY W 2 R ANY TIMEOUT 50 ONCE");
        assert_eq!(
            demand.words_back().join(" "),
            "CLIENT CONSISTENCY W DEFAULT R DEFAULT TIMEOUT DEFAULT"
        );
        let over = Consistency::new().write(WriteLevel::All).over(demand);
        assert_eq!(over.words(false).join(" "), "CLIENT CONSISTENCY W ALL R ANY TIMEOUT 50");
    }
}
