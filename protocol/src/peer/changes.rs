//! Client-side caching between nodes: whether a node has clients that track, and which keys another one has changed.
//!
//! ```text
//!   Tracks    version u8 │ flags u8: 1 a client tracks │ change u64
//!   Changed   version u8 │ flags u8: 1 all keys may have changed │ entries: key bytes │ 0: nobody's doing │ 1: author
//!     author  node u64 │ client u64
//! ```
//!
//! Whoever tells that it tracks numbers what it tells, and is answered by that number ([`super::message::encode_heard`]). Names need no answer: a link that is lost stands for all keys.

use super::wire::{Malformed, Reader, put_bytes, put_u64};

/// The version of all.
const VERSION: u8 = 1;

/// In the flags of [`encode_tracks`]: a client of the sender tracks.
const TRACKS: u8 = 1;

/// In the flags of a payload of changed keys: all may have changed, those that are not named too.
const ALL: u8 = 1;

/// Bytes of an author.
pub const AUTHOR_BYTES: usize = 16;

/// A client of any node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Author {
    /// The id of its node.
    pub node: u64,
    /// Its id there.
    pub client: u64,
}

impl Author {
    /// Appends it.
    pub fn put(self, out: &mut Vec<u8>) {
        put_u64(out, self.node);
        put_u64(out, self.client);
    }

    /// Reads what [`Author::put`] wrote.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Author, Malformed> {
        Ok(Author { node: reader.u64()?, client: reader.u64()? })
    }
}

/// Appends a payload that tells whether a client of the sender tracks, as of change number `change`, which the receiver is to confirm.
pub fn encode_tracks(tracks: bool, change: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, if tracks { TRACKS } else { 0 }]);
    put_u64(out, change);
}

/// Reads the payload that [`encode_tracks`] wrote.
///
/// # Errors
/// See [`Malformed`].
pub fn decode_tracks(payload: &[u8]) -> Result<(bool, u64), Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let tracks = reader.u8()? & TRACKS != 0;
    let change = reader.u64()?;
    reader.end()?;
    Ok((tracks, change))
}

/// Begins a payload of changed keys; [`put_changed`] appends entries. `all`: all keys may have changed.
pub fn begin_changed(all: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, if all { ALL } else { 0 }]);
}

/// Appends a key that was changed, and by whom, if that is known and matters to anybody.
pub fn put_changed(key: &[u8], author: Option<Author>, out: &mut Vec<u8>) {
    put_bytes(out, key);
    match author {
        None => out.push(0),
        Some(author) => {
            out.push(1);
            author.put(out);
        }
    }
}

/// A key that was changed, and by whom.
pub type Changed<'a> = (&'a [u8], Option<Author>);

/// Reads a payload of changed keys: whether all may have changed, and those that are named. It is checked as a whole first, so that none is taken of a payload that is
/// malformed behind it.
///
/// # Errors
/// See [`Malformed`].
pub fn decode_changed(
    payload: &[u8],
) -> Result<(bool, impl Iterator<Item = Changed<'_>>), Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let all = reader.u8()? & ALL != 0;
    Ok((all, reader.all(read_changed)?))
}

fn read_changed<'a>(reader: &mut Reader<'a>) -> Result<Changed<'a>, Malformed> {
    let key = reader.bytes(usize::MAX, "key")?;
    let author = match reader.u8()? {
        0 => None,
        1 => Some(Author::read(reader)?),
        _ => return Err(Malformed::Value("author of a change")),
    };
    Ok((key, author))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tracks_comes_back() {
        let mut bytes = Vec::new();
        encode_tracks(true, 7, &mut bytes);
        assert_eq!(decode_tracks(&bytes), Ok((true, 7)));
        assert_eq!(decode_tracks(&bytes[..9]), Err(Malformed::Truncated));
        bytes.push(0);
        assert_eq!(decode_tracks(&bytes), Err(Malformed::Trailing));
        bytes[0] = 9;
        assert_eq!(decode_tracks(&bytes), Err(Malformed::Version(9)));
    }

    #[test]
    fn changed_keys_come_back_or_not_at_all() {
        let author = Author { node: u64::MAX, client: 3 };
        let entries: [Changed<'_>; 3] = [(b"a", None), (b"", Some(author)), (b"\r\n\0", None)];
        let mut bytes = Vec::new();
        begin_changed(false, &mut bytes);
        let head = bytes.len();
        entries.iter().for_each(|&(key, author)| put_changed(key, author, &mut bytes));
        let (all, found) = decode_changed(&bytes).unwrap();
        assert_eq!((all, found.collect::<Vec<_>>()), (false, entries.to_vec()));
        for end in head + 1..bytes.len() {
            let is_between = end == head + 3 || end == head + 3 + 18;
            assert_eq!(decode_changed(&bytes[..end]).is_ok(), is_between, "{end}");
        }
        *bytes.last_mut().unwrap() = 2;
        let wrong = Malformed::Value("author of a change");
        assert_eq!(decode_changed(&bytes).err(), Some(wrong));
        let mut all = Vec::new();
        begin_changed(true, &mut all);
        let (all, mut none) = decode_changed(&all).unwrap();
        assert!(all && none.next().is_none());
    }
}
