//! Replies of many elements, written in pieces: between two pieces other clients have their turn, and what was written goes out.
//!
//! A collection that is read in pieces is a snapshot, so that the reply says what was there when the command came, and no writer waits for it. What does not
//! fit into one piece stays with the session ([`super::Session::long_reply`]), and the pipeline goes on with it before it runs anything else of that client.
//!
//! Within a step (EXEC, scripts), and where CLIENT REPLY leaves replies out, they are written at once.

use super::collection::write_item;
use super::stream::write_entry;
use super::{Ctx, Flow, Mute, Outcome};
use crate::store::{CollectionRef, Snapshot};
use torc_protocol::{Protocol, Reply};

/// Elements of a piece. They take about a tenth of a millisecond.
const PIECE_ELEMENTS: u64 = 1024;

/// Bytes after which a piece ends.
const PIECE_BYTES: usize = 64 * 1024;

/// What is said of each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A hash's fields with their values.
    Pairs,
    /// A hash's fields.
    Fields,
    /// A hash's values.
    Values,
    /// A list's elements.
    Elements,
    /// A set's members.
    Members,
    /// A sorted set's members.
    Ranked,
    /// The same with their scores.
    Scored,
    /// A stream's entries.
    Entries,
}

/// Which elements, by their index in the collection's own order.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    /// The first.
    pub from: u64,
    /// The one behind the last.
    pub to: u64,
    /// Whether they are told from the last one on. Lists, sets and hashes go forwards.
    pub reverse: bool,
}

impl Stretch {
    /// All of `len`.
    pub fn whole(len: u64) -> Self {
        Stretch { from: 0, to: len, reverse: false }
    }

    fn len(self) -> u64 {
        self.to - self.from
    }

    /// Takes the next elements off, as many as go into a piece.
    fn piece(&mut self) -> Stretch {
        let count = self.len().min(PIECE_ELEMENTS);
        match self.reverse {
            false => {
                self.from += count;
                Stretch { from: self.from - count, to: self.from, reverse: false }
            }
            true => {
                self.to -= count;
                Stretch { from: self.to, to: self.to + count, reverse: true }
            }
        }
    }

    /// Puts the last `count` of those elements back that were taken off.
    fn give_back(&mut self, count: u64) {
        match self.reverse {
            false => self.from -= count,
            true => self.to += count,
        }
    }
}

/// What is left of a reply.
#[derive(Debug)]
pub struct LongReply {
    found: Snapshot,
    said: Said,
    left: Stretch,
}

impl LongReply {
    /// Writes the next piece; whether it was the last.
    pub fn write(&mut self, reply: &mut Reply<'_>) -> bool {
        let stretch = self.left.piece();
        let begin = reply.position();
        let more = |reply: &Reply<'_>| reply.position() - begin < PIECE_BYTES;
        let written = write_stretch(self.found.view(), self.said, stretch, reply, more);
        self.left.give_back(stretch.len() - written);
        self.left.len() == 0
    }
}

/// Answers with a stretch of `found`.
pub fn answer(
    ctx: &mut Ctx<'_>,
    found: CollectionRef<'_>,
    said: Said,
    stretch: Stretch,
    reply: &mut Reply<'_>,
) -> Outcome {
    write_head(said, stretch.len() as usize, reply);
    let is_long = stretch.len() > PIECE_ELEMENTS;
    if !is_long || ctx.session.in_step || ctx.session.mute != Mute::Off {
        // Of a large one only the snapshot is read, so that no writer waits.
        let found = if is_long { found.detach() } else { found };
        write_stretch(&found, said, stretch, reply, |_| true);
        return Ok(Flow::Next);
    }
    let found = found.snapshot(&ctx.instance.store);
    let mut rest = LongReply { found, said, left: stretch };
    // More elements than a piece has are never written by one.
    rest.write(reply);
    ctx.session.long_reply = Some(Box::new(rest));
    Ok(Flow::Again)
}

/// Answers that there are no elements.
pub fn answer_nothing(said: Said, reply: &mut Reply<'_>) -> Outcome {
    write_head(said, 0, reply);
    Ok(Flow::Next)
}

fn write_head(said: Said, count: usize, reply: &mut Reply<'_>) {
    match said {
        Said::Pairs => reply.map(count),
        Said::Members => reply.set(count),
        Said::Scored if reply.protocol() == Protocol::Resp2 => reply.array(2 * count),
        _ => reply.array(count),
    }
}

/// Writes elements while there is `more` room, and at least one; how many it were.
fn write_stretch(
    found: &CollectionRef<'_>,
    said: Said,
    Stretch { from, to, reverse }: Stretch,
    reply: &mut Reply<'_>,
    more: impl Fn(&Reply<'_>) -> bool,
) -> u64 {
    let left = (to - from) as usize;
    let mut written = 0;
    // Counts elements, and stops behind the one that fills the piece.
    macro_rules! write_each {
        ($elements:expr, |$known:ident| $write:block) => {
            for $known in $elements.take(left) {
                $write
                written += 1;
                if !more(reply) {
                    break;
                }
            }
        };
    }
    match said {
        Said::Pairs => write_each!(found.hash().iter_from(from), |known| {
            write_item(reply, known.field);
            write_item(reply, known.value);
        }),
        Said::Fields => write_each!(found.hash().iter_from(from), |known| {
            write_item(reply, known.field);
        }),
        Said::Values => write_each!(found.hash().iter_from(from), |known| {
            write_item(reply, known.value);
        }),
        Said::Members => write_each!(found.set().iter_from(from), |known| {
            write_item(reply, known.member);
        }),
        Said::Elements => write_each!(found.list().range(from, to, reverse), |known| {
            write_item(reply, known.value);
        }),
        Said::Ranked => write_each!(found.zset().range(from, to, reverse), |known| {
            write_item(reply, known.member);
        }),
        Said::Entries => {
            let stream = found.stream();
            match reverse {
                false => write_each!(stream.by_index(from), |entry| {
                    write_entry(reply, &entry);
                }),
                true => write_each!(stream.by_index_back(to), |entry| {
                    write_entry(reply, &entry);
                }),
            }
        }
        Said::Scored => {
            let pairs = reply.protocol() == Protocol::Resp3;
            write_each!(found.zset().range(from, to, reverse), |known| {
                if pairs {
                    reply.array(2);
                }
                write_item(reply, known.member);
                reply.double(known.score);
            });
        }
    }
    written
}
