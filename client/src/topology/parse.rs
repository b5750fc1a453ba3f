//! CLUSTER SLOTS as a table, checked: hosts that servers leave out, slots out of range, ranges that overlap.

use crate::reply::Value;
use std::collections::HashMap;
use torc_protocol::slot::SLOT_COUNT;

/// A node as a table names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableNode {
    pub host: String,
    pub port: u16,
    /// Its name among the servers; empty before Redis 4.
    pub id: String,
}

/// Who serves which slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// Every node once.
    pub nodes: Vec<TableNode>,
    /// Those who serve the same slots together: the primary first, as indices of `nodes`.
    pub shards: Vec<Vec<u16>>,
    /// For each slot its index in `shards`; [`Table::NOBODY`] where nobody serves it.
    pub slots: Box<[u16]>,
}

impl Table {
    pub(crate) const NOBODY: u16 = u16::MAX;

    /// How many slots somebody serves.
    #[cfg(test)]
    fn covered(&self) -> usize {
        self.slots.iter().filter(|&&shard| shard != Self::NOBODY).count()
    }
}

/// Bounds of a table, beyond which it is taken for nonsense: the highest number that an index can be.
const NODES_MAX: usize = 16_384;

/// Reads the reply to CLUSTER SLOTS of a node that was reached as `asked`; `None` if it is none, or names nobody.
pub(crate) fn parse_slots(reply: Value, asked: &str) -> Option<Table> {
    let Value::Array(entries) = reply else { return None };
    let mut table = Table {
        nodes: Vec::new(),
        shards: Vec::new(),
        slots: vec![Table::NOBODY; SLOT_COUNT].into(),
    };
    let (mut known_nodes, mut known_shards) = (HashMap::new(), HashMap::new());
    for entry in entries {
        let mut parts = entry.into_elements().into_iter();
        let mut number = || parts.next()?.as_i64().and_then(|slot| usize::try_from(slot).ok());
        let (first, last) = (number()?, number()?);
        if first > last || last >= SLOT_COUNT {
            return None;
        }
        let mut shard = Vec::new();
        for node in parts.filter_map(|node| parse_node(node, asked)) {
            let next = table.nodes.len();
            let index = *known_nodes.entry(node.clone()).or_insert(next);
            if index == next {
                if next >= NODES_MAX {
                    return None;
                }
                table.nodes.push(node);
            }
            shard.push(index as u16);
        }
        if shard.is_empty() {
            continue;
        }
        let next = table.shards.len();
        let index = *known_shards.entry(shard.clone()).or_insert(next);
        if index == next {
            table.shards.push(shard);
        }
        // Each shard takes a slot at least, so there are fewer than `NOBODY`.
        table.slots[first..=last].fill(index as u16);
    }
    (!table.shards.is_empty()).then_some(table)
}

/// `[host, port, id, …]`. A host that is empty or null is that of the node which was asked; a `?` or no port means that there is no way to it.
fn parse_node(node: Value, asked: &str) -> Option<TableNode> {
    let parts = node.into_elements();
    let host = match parts.first()? {
        Value::Null => asked,
        host => match host.as_str()? {
            "" => asked,
            "?" => return None,
            host => host,
        },
    };
    let port = parts.get(1)?.as_i64().and_then(|port| u16::try_from(port).ok())?;
    let id = parts.get(2).and_then(Value::as_str).unwrap_or_default();
    (port != 0).then(|| TableNode { host: host.to_owned(), port, id: id.to_owned() })
}

/// The zones of nodes by their names, out of Torc's TORC STATUS; none from other servers.
pub(crate) fn parse_zones(status: &Value) -> HashMap<String, String> {
    let text = status.as_str().unwrap_or_default();
    let zone_of = |line: &str| {
        let mut words = line.split(' ').filter_map(|word| word.split_once(':'));
        let id = words.clone().find(|(name, _)| *name == "id")?.1;
        let zone = words.find(|(name, _)| *name == "zone")?.1;
        Some((id.to_owned(), zone.to_owned()))
    };
    text.lines().filter(|line| line.starts_with("node ")).filter_map(zone_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(reply: &'static [u8]) -> Option<Table> {
        let value = Value::parse(bytes::Bytes::from_static(reply)).unwrap();
        parse_slots(value, "asked")
    }

    #[test]
    fn ranges_become_a_table() {
        let table = parse(
            b"*3\r\n*4\r\n:0\r\n:5\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n*3\r\n$1\r\nb\r\n:2\r\n$2\r\nib\r\n\
              *3\r\n:6\r\n:6\r\n*2\r\n$-1\r\n:3\r\n\
              *4\r\n:7\r\n:16383\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n*3\r\n$1\r\nb\r\n:2\r\n$2\r\nib\r\n",
        )
        .unwrap();
        let hosts: Vec<_> = table.nodes.iter().map(|node| (&node.host[..], node.port)).collect();
        assert_eq!(hosts, [("a", 1), ("b", 2), ("asked", 3)]);
        assert_eq!(table.shards, [vec![0, 1], vec![2]]);
        assert_eq!((table.slots[5], table.slots[6], table.slots[7]), (0, 1, 0));
        assert_eq!(table.covered(), SLOT_COUNT);
    }

    #[test]
    fn nonsense_is_no_table() {
        for reply in [
            &b"+OK\r\n"[..],
            b"*0\r\n",
            b"*1\r\n*2\r\n:5\r\n:4\r\n",
            b"*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n",
            b"*1\r\n*3\r\n:-1\r\n:4\r\n*2\r\n$1\r\na\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:4\r\n*2\r\n$1\r\n?\r\n:1\r\n",
            b"*1\r\n*3\r\n:0\r\n:4\r\n*2\r\n$1\r\na\r\n:70000\r\n",
        ] {
            assert_eq!(parse(reply), None, "{}", reply.escape_ascii());
        }
    }

    #[test]
    fn zones_are_read_from_the_status() {
        let text =
            "torc 1\nnode id:a host:h zone:left weight:1\nslots full:1\nnode id:b zone:right\n";
        let zones = parse_zones(&Value::Bulk(crate::Bytes::from(text)));
        assert_eq!((zones.len(), &zones["a"][..], &zones["b"][..]), (2, "left", "right"));
    }
}
