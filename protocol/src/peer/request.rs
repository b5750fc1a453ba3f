//! A forwarded command and what it came to.
//!
//! ```text
//!   Request:   [ section: the client's session, what differs from the default ][ commands in RESP, as the client sent them ]
//!   Response:  [ section: what the origin must know                           ][ replies in RESP, for the client as they are ]
//!   Taken:     [ section: how much of a long response its reader has taken    ]
//! ```
//!
//! **Invariant.** The commands and replies are opaque here: they are neither parsed nor copied. A field at its default takes no bytes, so
//! that a plain GET travels with three bytes beside the header and itself.

use super::changes::{AUTHOR_BYTES, Author};
pub use super::level::{ReadLevel, WriteLevel};
use super::wire::{Fields, Malformed, Reader, TooLong, put_field, put_field_varint, put_section};
use crate::reply::Protocol;

/// Bytes of a client's name that travel.
pub const CLIENT_NAME_BYTES_MAX: usize = 255;

/// Bytes of a session's token: 256 slots with a version each, in a few bytes more than eight.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Bytes of the rules of a user's rights: what a section holds beside the other fields.
pub const RULES_BYTES_MAX: usize = 48 * 1024;

/// Bytes of a response's versions: as many as fit a section beside its other fields.
pub const VERSIONS_BYTES_MAX: usize = 65_000;

/// Commands of one request at most. A batch of the pipeline has 16; a scatter may ask once for every slot.
pub const COMMANDS_MAX: u32 = 16_384;

/// The version of both payloads.
const VERSION: u8 = 1;

/// The bits of a request's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionFlags(pub u32);

impl SessionFlags {
    /// The client sent READONLY.
    pub const READONLY: u32 = 1;
    /// The client sent ASKING before this command.
    pub const ASKING: u32 = 2;
    /// The commands are one transaction, to be run as a whole.
    pub const TRANSACTION: u32 = 4;
    /// The command may wait for data, up to the deadline.
    pub const BLOCKING: u32 = 8;
    /// The client wants no eviction and no access time from this command.
    pub const NO_TOUCH: u32 = 16;

    /// Whether all bits of `bits` are set. Unknown bits are kept, and mean nothing.
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits == bits
    }
}

/// A forwarded command, or several of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The protocol that the client reads, for replies go to it as they are.
    pub protocol: Protocol,
    /// The database that the client selected.
    pub db: u16,
    /// How many commands [`Request::commands`] holds; at least 1.
    pub command_count: u32,
    /// How many copies writes need.
    pub write: WriteLevel,
    /// Where reads may be answered.
    pub read: ReadLevel,
    /// What is left until the origin gives up, in milliseconds; 0 means no limit. A duration, for clocks differ.
    pub deadline_ms: u64,
    /// How often it was forwarded; the owner refuses what went round.
    pub hops: u8,
    /// What else the session is.
    pub flags: SessionFlags,
    /// The name that the client gave itself; empty without one.
    pub client_name: &'a [u8],
    /// What the session has seen; empty without one, opaque here.
    pub token: &'a [u8],
    /// The user that the client is; empty for one that may do everything.
    pub user: &'a [u8],
    /// What that user may do, as ACL LIST writes it, without passwords; empty for everything. Who receives it goes by it where it comes to commands that the sender has not
    /// checked: those of scripts.
    pub rules: &'a [u8],
    /// The client, if it tracks: what it changes itself it may not want to hear of.
    pub author: Option<Author>,
    /// How many bytes of replies may be on their way in several frames before [`Taken`] says that they were taken; 0 for any number.
    pub window: u64,
    /// The commands in RESP.
    pub commands: &'a [u8],
}

mod tag {
    pub const PROTOCOL: u8 = 1;
    pub const DB: u8 = 2;
    pub const COMMAND_COUNT: u8 = 3;
    pub const WRITE: u8 = 4;
    pub const READ: u8 = 5;
    pub const DEADLINE: u8 = 6;
    pub const HOPS: u8 = 7;
    pub const FLAGS: u8 = 8;
    pub const CLIENT_NAME: u8 = 9;
    pub const TOKEN: u8 = 10;
    pub const USER: u8 = 11;
    pub const AUTHOR: u8 = 12;
    pub const RULES: u8 = 13;
    pub const WINDOW: u8 = 14;

    pub const WRITTEN: u8 = 1;
    pub const OWNER: u8 = 2;
    pub const VERSIONS: u8 = 3;

    pub const BYTES: u8 = 1;
    pub const UNWANTED: u8 = 2;
}

impl<'a> Request<'a> {
    /// `commands` of a client that asked for nothing special: one command in RESP2 to database 0, without a deadline.
    pub fn plain(commands: &'a [u8]) -> Request<'a> {
        Request {
            protocol: Protocol::Resp2,
            db: 0,
            command_count: 1,
            write: WriteLevel::Setting,
            read: ReadLevel::Setting,
            deadline_ms: 0,
            hops: 0,
            flags: SessionFlags(0),
            client_name: b"",
            token: b"",
            user: b"",
            rules: b"",
            author: None,
            window: 0,
            commands,
        }
    }

    /// Appends it as a payload. A name, user, token or rules beyond their bound are an error.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        let too_long = self.client_name.len() > CLIENT_NAME_BYTES_MAX
            || self.user.len() > CLIENT_NAME_BYTES_MAX
            || self.token.len() > TOKEN_BYTES_MAX
            || self.rules.len() > RULES_BYTES_MAX
            || !(1..=COMMANDS_MAX).contains(&self.command_count);
        if too_long {
            return Err(TooLong);
        }
        put_section(out, VERSION, |out| self.put_fields(out))?;
        out.extend_from_slice(self.commands);
        Ok(())
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        let mut number = |tag, value: u64, default: u64| {
            if value != default {
                put_field_varint(out, tag, value);
            }
        };
        let protocol = if self.protocol == Protocol::Resp3 { 3 } else { 2 };
        number(tag::PROTOCOL, protocol, 2);
        number(tag::DB, self.db.into(), 0);
        number(tag::COMMAND_COUNT, self.command_count.into(), 1);
        number(tag::WRITE, write_number(self.write), 0);
        number(tag::READ, self.read as u64, 0);
        number(tag::DEADLINE, self.deadline_ms, 0);
        number(tag::HOPS, self.hops.into(), 0);
        number(tag::FLAGS, self.flags.0.into(), 0);
        number(tag::WINDOW, self.window, 0);
        let texts = [
            (tag::CLIENT_NAME, self.client_name),
            (tag::TOKEN, self.token),
            (tag::USER, self.user),
            (tag::RULES, self.rules),
        ];
        for (tag, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            put_field(out, tag, text);
        }
        if let Some(author) = self.author {
            let mut bytes = Vec::with_capacity(AUTHOR_BYTES);
            author.put(&mut bytes);
            put_field(out, tag::AUTHOR, &bytes);
        }
    }

    /// Reads a payload.
    pub fn decode(payload: &'a [u8]) -> Result<Request<'a>, Malformed> {
        let mut reader = Reader::new(payload);
        let mut fields = reader.section(VERSION)?;
        let mut request = Request::plain(reader.rest());
        while let Some((tag, value)) = fields.next_field()? {
            request.set_field(tag, value)?;
        }
        Ok(request)
    }

    /// Takes one field over. The casts are lossless, for each varint is bounded before.
    fn set_field(&mut self, tag: u8, mut value: Reader<'a>) -> Result<(), Malformed> {
        match tag {
            tag::PROTOCOL => {
                self.protocol = match value.varint()? {
                    2 => Protocol::Resp2,
                    3 => Protocol::Resp3,
                    _ => return Err(Malformed::Value("protocol")),
                }
            }
            tag::DB => self.db = value.varint_max(u16::MAX.into(), "database")? as u16,
            tag::COMMAND_COUNT => {
                let count = value.varint_max(COMMANDS_MAX.into(), "command count")? as u32;
                self.command_count = Some(count)
                    .filter(|&count| count > 0)
                    .ok_or(Malformed::Value("command count"))?;
            }
            tag::WRITE => self.write = write_level(value.varint()?)?,
            tag::READ => self.read = read_level(value.varint()?)?,
            tag::DEADLINE => self.deadline_ms = value.varint()?,
            tag::HOPS => self.hops = value.varint_max(u8::MAX.into(), "hop count")? as u8,
            tag::FLAGS => {
                let bits = value.varint_max(u32::MAX.into(), "session flags")?;
                self.flags = SessionFlags(bits as u32);
            }
            tag::CLIENT_NAME => {
                self.client_name = whole(&mut value, CLIENT_NAME_BYTES_MAX, "client name")?
            }
            tag::TOKEN => self.token = whole(&mut value, TOKEN_BYTES_MAX, "token")?,
            tag::USER => self.user = whole(&mut value, CLIENT_NAME_BYTES_MAX, "user")?,
            tag::RULES => self.rules = whole(&mut value, RULES_BYTES_MAX, "rules")?,
            tag::AUTHOR => self.author = Some(Author::read(&mut value)?),
            tag::WINDOW => self.window = value.varint()?,
            _ => return Ok(()),
        }
        value.end()
    }
}

/// All of a field's value, of at most `max` bytes.
fn whole<'a>(
    value: &mut Reader<'a>,
    max: usize,
    what: &'static str,
) -> Result<&'a [u8], Malformed> {
    let count = value.rest().len();
    if count > max { Err(Malformed::TooLong(what)) } else { value.take(count) }
}

/// 0 the setting, 1 quorum, 2 all, then 2 + the copies.
fn write_number(level: WriteLevel) -> u64 {
    match level {
        WriteLevel::Setting => 0,
        WriteLevel::Quorum => 1,
        WriteLevel::All => 2,
        // No copies at all would be no write; it counts as one.
        WriteLevel::Copies(count) => 2 + u64::from(count.max(1)),
    }
}

fn write_level(number: u64) -> Result<WriteLevel, Malformed> {
    match number {
        0 => Ok(WriteLevel::Setting),
        1 => Ok(WriteLevel::Quorum),
        2 => Ok(WriteLevel::All),
        _ => u8::try_from(number - 2)
            .map(WriteLevel::Copies)
            .map_err(|_| Malformed::Value("write consistency")),
    }
}

fn read_level(number: u64) -> Result<ReadLevel, Malformed> {
    match number {
        0 => Ok(ReadLevel::Setting),
        1 => Ok(ReadLevel::Primary),
        2 => Ok(ReadLevel::Any),
        3 => Ok(ReadLevel::Session),
        4 => Ok(ReadLevel::Quorum),
        _ => Err(Malformed::Value("read consistency")),
    }
}

/// What a response's frame flags say. Those of [`response_flags::NOT_RUN`] mean that nothing was run, so that the origin may send the request elsewhere.
pub mod response_flags {
    /// The responder does not serve that slot; [`super::Response::owner`] may say who does.
    pub const NOT_OWNER: u8 = 1;
    /// The responder has no room for more.
    pub const BUSY: u8 = 2;
    /// The request came too late, or went round.
    pub const REFUSED: u8 = 4;
    /// The replies go on in another frame of the same id. This one ends behind a whole value, which may lie within a longer reply.
    pub const MORE: u8 = 8;
    /// Any of those that mean so.
    pub const NOT_RUN: u8 = NOT_OWNER | BUSY | REFUSED;
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// The highest version that its writes took in the frame's slot, for WAIT and session tokens; 0 without writes.
    pub written: u64,
    /// The same where the request had no slot: entries of 10 bytes, slot u16 and version u64, little-endian; opaque here.
    pub versions: &'a [u8],
    /// Who serves the slot, as far as the responder knows, beside [`response_flags::NOT_OWNER`].
    pub owner: Option<u64>,
    /// The replies in RESP, one a command.
    pub replies: &'a [u8],
}

impl<'a> Response<'a> {
    /// Replies and nothing else.
    pub fn plain(replies: &'a [u8]) -> Response<'a> {
        Response { written: 0, versions: b"", owner: None, replies }
    }

    /// Appends all but the replies, so that they can be rendered right behind it.
    pub fn encode_fields(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        put_section(out, VERSION, |out| {
            if self.written != 0 {
                put_field_varint(out, tag::WRITTEN, self.written);
            }
            if !self.versions.is_empty() {
                put_field(out, tag::VERSIONS, self.versions);
            }
            if let Some(owner) = self.owner {
                put_field(out, tag::OWNER, &owner.to_le_bytes());
            }
        })
    }

    /// Appends it as a payload.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        self.encode_fields(out)?;
        out.extend_from_slice(self.replies);
        Ok(())
    }

    /// Reads a payload.
    pub fn decode(payload: &'a [u8]) -> Result<Response<'a>, Malformed> {
        let mut reader = Reader::new(payload);
        let mut fields: Fields<'a> = reader.section(VERSION)?;
        let mut response = Response::plain(reader.rest());
        while let Some((tag, mut value)) = fields.next_field()? {
            match tag {
                tag::WRITTEN => response.written = value.varint()?,
                tag::OWNER => response.owner = Some(value.u64()?),
                tag::VERSIONS => {
                    response.versions = whole(&mut value, VERSIONS_BYTES_MAX, "versions")?
                }
                _ => continue,
            }
            value.end()?;
        }
        Ok(response)
    }
}

/// How a long response fares at the node that asked for it. Its frame has the request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Bytes of replies that were taken, of all that came in frames with [`response_flags::MORE`]. A sum, so that later ones make up for lost ones.
    pub bytes: u64,
    /// Whether nobody wants the rest.
    pub unwanted: bool,
}

impl Taken {
    /// Appends it as a payload.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        put_section(out, VERSION, |out| {
            put_field_varint(out, tag::BYTES, self.bytes);
            if self.unwanted {
                put_field_varint(out, tag::UNWANTED, 1);
            }
        })
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Taken, Malformed> {
        let mut fields = Reader::new(payload).section(VERSION)?;
        let mut taken = Taken { bytes: 0, unwanted: false };
        while let Some((tag, mut value)) = fields.next_field()? {
            match tag {
                tag::BYTES => taken.bytes = value.varint()?,
                tag::UNWANTED => taken.unwanted = value.varint()? != 0,
                _ => continue,
            }
            value.end()?;
        }
        Ok(taken)
    }
}
