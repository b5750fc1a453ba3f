//! A node's name: 64 bits that stay with it for life, and the 40 hexadecimal digits that Redis's clients know it by.
//!
//! Whoever makes an id draws it at random; nothing here checks that it is unique.

use super::mix::splitmix64;
use std::fmt;
use std::str::FromStr;

/// The stable name of a node. Addresses change, this does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// Digits of the text form.
pub const NODE_ID_DIGITS: usize = 40;

/// Digits that hold the id itself.
const VALUE_DIGITS: usize = 16;

/// Sets the digits that fill the text form up apart from those of the shard's name, which is made of the same id.
const TEXT_SALT: u64 = 0x746f_7263_6e6f_6465;

/// What the names of shards are mixed with.
const SHARD_SALT: u64 = 0x746f_7263_7368_6172;

impl NodeId {
    /// The text form: 16 digits of the id, then 24 digits of its mix, which tell a mistyped name from a node's.
    pub fn text(self) -> String {
        let fill = splitmix64(self.0 ^ TEXT_SALT, 0);
        let tail = splitmix64(self.0 ^ TEXT_SALT, 1) as u32;
        format!("{:016x}{fill:016x}{tail:08x}", self.0)
    }

    /// The name of the shard that this node leads, for CLUSTER SHARDS and MYSHARDID: 40 digits, no node's text form.
    pub fn shard_text(self) -> String {
        let part = |index| splitmix64(self.0 ^ SHARD_SALT, index);
        format!("{:016x}{:016x}{:08x}", part(0), part(1), part(2) as u32)
    }

    /// Reads the text form, in either case. `None` for anything else, a wrong digit in the mix included.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() != NODE_ID_DIGITS || !text.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let digits = std::str::from_utf8(&text[..VALUE_DIGITS]).ok()?;
        let id = NodeId(u64::from_str_radix(digits, 16).ok()?);
        id.text().as_bytes().eq_ignore_ascii_case(text).then_some(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// The text is no node's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 40 hexadecimal digits as CLUSTER MYID prints them")]
pub struct NotANodeId;

impl FromStr for NodeId {
    type Err = NotANodeId;

    fn from_str(text: &str) -> Result<Self, NotANodeId> {
        NodeId::parse(text.as_bytes()).ok_or(NotANodeId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for id in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX].map(NodeId) {
            let text = id.to_string();
            assert_eq!(text.len(), NODE_ID_DIGITS);
            assert!(text.starts_with(&format!("{:016x}", id.0)));
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.to_uppercase().parse(), Ok(id));
            assert_eq!(id.shard_text().len(), NODE_ID_DIGITS);
            assert_eq!(NodeId::parse(id.shard_text().as_bytes()), None);
        }
    }

    #[test]
    fn other_texts_are_no_names() {
        let good = NodeId(7).to_string();
        let mistyped = good.replace(&good[39..], if good.ends_with('0') { "1" } else { "0" });
        for text in
            ["", "7", &good[1..], &format!("{good}0"), &"g".repeat(40), &"é".repeat(20), &mistyped]
        {
            assert_eq!(text.parse::<NodeId>(), Err(NotANodeId), "{text}");
        }
    }
}
