//! Libraries of functions between nodes: what each has, and what it lacks.
//!
//! ```text
//!   Libraries        version u8 │ flags u8: 1 more is to follow │ number u64 │ flushed: stamp │ entries
//!     entry          name bytes │ stamp │ 0: this is the last word on it │ 1: it was deleted │ 2, text bytes
//!     stamp          version u64 │ origin u64
//!   LibrariesHeard   version u8 │ number u64 │ names whose texts the sender of this lacks: bytes each
//! ```
//!
//! Whoever tells numbers its payloads on each link from 1 on, and each is answered. What versions and names mean is the server's.

use super::wire::{Malformed, Reader, put_bytes, put_u64};

/// The version of both.
const VERSION: u8 = 1;

/// In the flags: this payload is not the last of those that belong together.
const MORE: u8 = 1;

/// When a word was said, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The moment, by the hybrid clock.
    pub version: u64,
    /// The node's id.
    pub origin: u64,
}

/// What is said of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word<'a> {
    /// That this is the last word; its content comes if it is asked for.
    Named,
    /// That it was deleted.
    Deleted,
    /// Its text.
    Text(&'a [u8]),
}

/// One entry of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The library's name.
    pub name: &'a [u8],
    /// When that was said of it.
    pub stamp: Stamp,
    /// What is said of it.
    pub word: Word<'a>,
}

/// What a payload says before its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LibrariesHead {
    /// Whether more follows that belongs to it.
    pub more: bool,
    /// The payload's number on this link.
    pub number: u64,
    /// When all libraries were deleted last.
    pub flushed: Stamp,
}

/// Begins a payload; [`put_library`] appends entries.
pub fn begin_libraries(head: LibrariesHead, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION, if head.more { MORE } else { 0 }]);
    put_u64(out, head.number);
    put_stamp(head.flushed, out);
}

fn put_stamp(stamp: Stamp, out: &mut Vec<u8>) {
    put_u64(out, stamp.version);
    put_u64(out, stamp.origin);
}

/// Appends an entry.
pub fn put_library(entry: Entry<'_>, out: &mut Vec<u8>) {
    put_bytes(out, entry.name);
    put_stamp(entry.stamp, out);
    match entry.word {
        Word::Named => out.push(0),
        Word::Deleted => out.push(1),
        Word::Text(text) => {
            out.push(2);
            put_bytes(out, text);
        }
    }
}

/// Reads a payload that tells of libraries. It is checked as a whole first, so that none is taken of a payload that is malformed behind it.
///
/// # Errors
/// See [`Malformed`].
pub fn decode_libraries(
    payload: &[u8],
) -> Result<(LibrariesHead, impl Iterator<Item = Entry<'_>>), Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let more = reader.u8()? & MORE != 0;
    let head = LibrariesHead { more, number: reader.u64()?, flushed: read_stamp(&mut reader)? };
    Ok((head, reader.all(read_entry)?))
}

fn read_stamp(reader: &mut Reader<'_>) -> Result<Stamp, Malformed> {
    Ok(Stamp { version: reader.u64()?, origin: reader.u64()? })
}

fn read_entry<'a>(reader: &mut Reader<'a>) -> Result<Entry<'a>, Malformed> {
    let name = reader.bytes(usize::MAX, "name of a library")?;
    let stamp = read_stamp(reader)?;
    let word = match reader.u8()? {
        0 => Word::Named,
        1 => Word::Deleted,
        2 => Word::Text(reader.bytes(usize::MAX, "text of a library")?),
        _ => return Err(Malformed::Value("word on a library")),
    };
    Ok(Entry { name, stamp, word })
}

/// Appends the answer to payload `number`, which asks for the texts of these libraries.
pub fn encode_libraries_heard<'n>(
    number: u64,
    wanted: impl Iterator<Item = &'n [u8]>,
    out: &mut Vec<u8>,
) {
    out.push(VERSION);
    put_u64(out, number);
    wanted.for_each(|name| put_bytes(out, name));
}

/// Reads the payload that [`encode_libraries_heard`] wrote: the number, and the names.
///
/// # Errors
/// See [`Malformed`].
pub fn decode_libraries_heard(
    payload: &[u8],
) -> Result<(u64, impl Iterator<Item = &[u8]>), Malformed> {
    let mut reader = Reader::new(payload);
    reader.version(VERSION)?;
    let number = reader.u64()?;
    Ok((number, reader.all(|reader| reader.bytes(usize::MAX, "name of a library"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back_or_not_at_all() {
        let stamp = Stamp { version: 7, origin: 8 };
        let head = LibrariesHead { more: true, number: 3, flushed: stamp };
        let words = [Word::Named, Word::Deleted, Word::Text(b"#!lua")];
        let entries = words.map(|word| Entry { name: b"lib", stamp, word });
        let mut bytes = Vec::new();
        begin_libraries(head, &mut bytes);
        entries.iter().for_each(|entry| put_library(*entry, &mut bytes));
        let (read, found) = decode_libraries(&bytes).unwrap();
        assert_eq!((read, found.collect::<Vec<_>>()), (head, entries.to_vec()));
        assert!(decode_libraries(&bytes[..bytes.len() - 1]).is_err());
        *bytes.last_mut().unwrap() = 0;
        bytes[0] = 9;
        assert_eq!(decode_libraries(&bytes).err(), Some(Malformed::Version(9)));
    }

    #[test]
    fn answers_come_back_or_not_at_all() {
        let mut bytes = Vec::new();
        encode_libraries_heard(5, [&b"a"[..], b"bc"].into_iter(), &mut bytes);
        let (number, names) = decode_libraries_heard(&bytes).unwrap();
        assert_eq!((number, names.collect::<Vec<_>>()), (5, vec![&b"a"[..], b"bc"]));
        assert!(decode_libraries_heard(&bytes[..bytes.len() - 1]).is_err());
    }
}
