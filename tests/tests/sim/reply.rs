//! Replies as a client reads them.

/// One reply of RESP2, or of RESP3 as far as clients that track read that: nulls are those of RESP2, maps are arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Bulk(Option<Vec<u8>>),
    Array(Vec<Reply>),
    /// No reply: something that the client is told.
    Push(Vec<Reply>),
}

impl Reply {
    /// The reply at the beginning of `bytes` and its length, if it is all there.
    pub fn parse(bytes: &[u8]) -> Option<(Reply, usize)> {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let (kind, text) = (bytes[0], String::from_utf8_lossy(&bytes[1..end]).into_owned());
        let at = end + 2;
        match kind {
            b'+' => Some((Reply::Status(text), at)),
            b'-' => Some((Reply::Error(text), at)),
            b':' => Some((Reply::Integer(text.parse().unwrap()), at)),
            b'$' if text == "-1" => Some((Reply::Bulk(None), at)),
            b'$' => {
                let length: usize = text.parse().unwrap();
                let value = bytes.get(at..at + length + 2)?;
                Some((Reply::Bulk(Some(value[..length].to_vec())), at + length + 2))
            }
            b'_' => Some((Reply::Bulk(None), at)),
            b'*' | b'%' | b'>' => {
                let (mut at, mut items) = (at, Vec::new());
                let count = text.parse::<i64>().unwrap().max(0);
                for _ in 0..if kind == b'%' { 2 * count } else { count } {
                    let (item, length) = Reply::parse(&bytes[at..])?;
                    items.push(item);
                    at += length;
                }
                let reply = if kind == b'>' { Reply::Push(items) } else { Reply::Array(items) };
                Some((reply, at))
            }
            _ => panic!("not a reply: {}", bytes.escape_ascii()),
        }
    }

    /// A number, where the reply is one, as an integer or in digits.
    pub fn number(&self) -> Option<i64> {
        match self {
            Reply::Integer(number) => Some(*number),
            Reply::Bulk(Some(bytes)) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        }
    }
}

/// A command as clients send it.
pub fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend(format!("${}\r\n", word.len()).bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}
