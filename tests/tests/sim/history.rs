//! What clients asked, when, and what they heard.

use super::collect::Collect;
use super::reply::Reply;

/// What a client asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    Get(String),
    /// Values are unique in a world.
    Set(String, u64),
    /// SET with PX.
    SetFor(String, u64, u64),
    Expire(String, u64),
    Del(String),
    Incr(String),
    MSet(Vec<(String, u64)>),
    MGet(Vec<String>),
    /// Something of a collection.
    Collect(Collect),
    /// One step of a full iteration: iteration and cursor.
    Scan(usize, u64),
}

impl Ask {
    pub fn words(&self) -> Vec<Vec<u8>> {
        let word = |text: &str| text.as_bytes().to_vec();
        let number = |n: &u64| n.to_string().into_bytes();
        match self {
            Ask::Get(key) => vec![word("GET"), word(key)],
            Ask::Set(key, value) => vec![word("SET"), word(key), number(value)],
            Ask::SetFor(key, value, ms) => {
                vec![word("SET"), word(key), number(value), word("PX"), number(ms)]
            }
            Ask::Expire(key, ms) => vec![word("PEXPIRE"), word(key), number(ms)],
            Ask::Del(key) => vec![word("DEL"), word(key)],
            Ask::Incr(key) => vec![word("INCR"), word(key)],
            Ask::MSet(pairs) => {
                let mut words = vec![word("MSET")];
                for (key, value) in pairs {
                    words.extend([word(key), number(value)]);
                }
                words
            }
            Ask::MGet(keys) => {
                std::iter::once(word("MGET")).chain(keys.iter().map(|key| word(key))).collect()
            }
            Ask::Collect(ask) => ask.words(),
            Ask::Scan(_, cursor) => vec![word("SCAN"), number(cursor), word("COUNT"), word("500")],
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was heard yet.
    Open,
    /// It was done.
    Done(Reply),
    /// It certainly was not done.
    Refused(String),
    /// It may have been done, may be done yet, or not.
    Unknown(String),
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Operation {
    pub client: usize,
    /// Distinguishes connections of one client: sessions end with them.
    pub session: u64,
    pub node: usize,
    /// Copies that the client demands; none, if it may read copies that are behind.
    pub copies: u8,
    pub ask: Ask,
    pub began: u64,
    /// World time of the reply; never for what nobody heard of.
    pub ended: u64,
    pub outcome: Outcome,
}

impl Operation {
    pub fn is_scan(&self) -> bool {
        matches!(self.ask, Ask::Scan(..))
    }

    /// Whether it may have changed something.
    pub fn may_be_done(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused(_))
    }
}

/// What a reply says about whether the command was run.
pub fn outcome(reply: Reply) -> Outcome {
    match reply {
        Reply::Error(text)
            if text.contains("nothing was changed") || text.starts_with("CLUSTERDOWN") =>
        {
            Outcome::Refused(text)
        }
        Reply::Error(text) => Outcome::Unknown(text),
        reply => Outcome::Done(reply),
    }
}
