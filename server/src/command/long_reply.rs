//! Replies of many elements, written in pieces: between two pieces other clients have their turn, and what was written goes out.
//!
//! A collection that is read in pieces is a snapshot, so that the reply says what was there when the command came, and no writer waits for it. What does not
//! fit into one piece stays with the session ([`super::Session::long_reply`]), and the pipeline goes on with it before it runs anything else of that client.
//!
//! Within a step (EXEC, scripts), and where CLIENT REPLY leaves replies out, they are written at once. Elements at random, of which a few bytes may ask for any
//! number, are refused there where they would take more than [`STEP_REPLY_BYTES_MAX`].

use super::collection::write_item;
use super::stream::write_entry;
use super::{Ctx, Flow, Mute, Outcome};
use crate::base::limits::STEP_REPLY_BYTES_MAX;
use crate::base::rng::Rng;
use crate::store::{CollectionRef, Snapshot};
use crate::types::collection::{Element, Field, Member, Scored};
use torc_protocol::{Protocol, Reply, WireError};

/// Elements of a piece. They take about a tenth of a millisecond.
const PIECE_ELEMENTS: u64 = 1024;

/// Bytes after which a piece ends.
const PIECE_BYTES: usize = 64 * 1024;

/// What is said of each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A hash's fields with their values.
    Pairs,
    /// The same, each field and its value an array of their own where the protocol tells pairs apart.
    Couples,
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
    left: Left,
}

/// Which elements are still to be told.
#[derive(Debug)]
enum Left {
    Stretch(Stretch),
    /// So many, each any of them.
    Random(u64, Rng),
}

impl LongReply {
    /// Writes the next piece; whether it was the last.
    pub fn write(&mut self, reply: &mut Reply<'_>) -> bool {
        let begin = reply.position();
        let more = |reply: &Reply<'_>| reply.position() - begin < PIECE_BYTES;
        match &mut self.left {
            Left::Stretch(left) => {
                let stretch = left.piece();
                let written = write_stretch(self.found.view(), self.said, stretch, reply, more);
                left.give_back(stretch.len() - written);
                left.len() == 0
            }
            Left::Random(left, rng) => {
                let count = (*left).min(PIECE_ELEMENTS);
                *left -= write_random(self.found.view(), self.said, count, rng, reply, more);
                *left == 0
            }
        }
    }
}

impl LongReply {
    /// Leaves out what is not written yet, for nobody reads it.
    pub fn leave_out(&mut self) {
        self.left = Left::Stretch(Stretch::whole(0));
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
    begin(ctx, LongReply { found, said, left: Left::Stretch(stretch) }, reply)
}

/// Answers with `count` elements of `found`, which is not empty, each any of them.
///
/// # Errors
/// Within a step, where they take too much.
pub fn answer_random(
    ctx: &mut Ctx<'_>,
    found: CollectionRef<'_>,
    said: Said,
    count: u64,
    reply: &mut Reply<'_>,
) -> Outcome {
    let flat = matches!(said, Said::Couples | Said::Scored) && reply.protocol() == Protocol::Resp2;
    reply.array(if flat { 2 * count as usize } else { count as usize });
    let mut rng = ctx.local.rng().fork();
    if count > PIECE_ELEMENTS && !ctx.session.in_step && ctx.session.mute == Mute::Off {
        let found = found.snapshot(&ctx.instance.store);
        return begin(ctx, LongReply { found, said, left: Left::Random(count, rng) }, reply);
    }
    let start = reply.position();
    let more = |reply: &Reply<'_>| reply.position() - start <= STEP_REPLY_BYTES_MAX;
    match write_random(&found, said, count, &mut rng, reply, more) == count {
        true => Ok(Flow::Next),
        false => Err(WireError::fixed("ERR value is out of range, the reply would exceed 64 MiB")),
    }
}

/// Writes the first piece of a reply that has more of them: never are more elements than a piece has written by one.
fn begin(ctx: &mut Ctx<'_>, mut rest: LongReply, reply: &mut Reply<'_>) -> Outcome {
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

/// Writes what `$write` says of each element, up to `$left` of them, while there is `$more` room, and at least one. How many it were.
macro_rules! write_each {
    ($elements:expr, $left:expr, $reply:ident, $more:ident, $write:expr) => {{
        let mut written = 0;
        for known in $elements.take($left as usize) {
            $write($reply, &known);
            written += 1;
            if !$more($reply) {
                break;
            }
        }
        written
    }};
}

/// Writes elements while there is `more` room, and at least one; how many it were.
fn write_stretch(
    found: &CollectionRef<'_>,
    said: Said,
    Stretch { from, to, reverse }: Stretch,
    reply: &mut Reply<'_>,
    more: impl Fn(&Reply<'_>) -> bool,
) -> u64 {
    macro_rules! each {
        ($elements:expr, $write:expr) => {
            write_each!($elements, to - from, reply, more, $write)
        };
    }
    match said {
        Said::Pairs => each!(found.hash().iter_from(from), write_pair),
        Said::Couples => each!(found.hash().iter_from(from), write_couple),
        Said::Fields => each!(found.hash().iter_from(from), write_field),
        Said::Values => each!(found.hash().iter_from(from), write_value),
        Said::Members => each!(found.set().iter_from(from), write_member),
        Said::Elements => each!(found.list().range(from, to, reverse), write_element),
        Said::Ranked => each!(found.zset().range(from, to, reverse), write_ranked),
        Said::Scored => each!(found.zset().range(from, to, reverse), write_scored),
        Said::Entries => match reverse {
            false => each!(found.stream().by_index(from), write_entry),
            true => each!(found.stream().by_index_back(to), write_entry),
        },
    }
}

/// Writes up to `count` elements, each any of them, while there is `more` room, and at least one; how many it were.
fn write_random(
    found: &CollectionRef<'_>,
    said: Said,
    count: u64,
    rng: &mut Rng,
    reply: &mut Reply<'_>,
    more: impl Fn(&Reply<'_>) -> bool,
) -> u64 {
    macro_rules! each {
        ($collection:expr, $write:expr) => {{
            let collection = $collection;
            let len = collection.len();
            let any = std::iter::repeat_with(|| collection.at(rng.below(len))).flatten();
            write_each!(any, count, reply, more, $write)
        }};
    }
    match said {
        Said::Couples => each!(found.hash(), write_couple),
        Said::Fields => each!(found.hash(), write_field),
        Said::Members => each!(found.set(), write_member),
        Said::Ranked => each!(found.zset(), write_ranked),
        Said::Scored => each!(found.zset(), write_scored),
        Said::Pairs | Said::Values | Said::Elements | Said::Entries => {
            unreachable!("no command tells these at random")
        }
    }
}

fn write_field(reply: &mut Reply<'_>, known: &Field<'_>) {
    write_item(reply, known.field);
}

fn write_value(reply: &mut Reply<'_>, known: &Field<'_>) {
    write_item(reply, known.value);
}

fn write_pair(reply: &mut Reply<'_>, known: &Field<'_>) {
    write_field(reply, known);
    write_value(reply, known);
}

fn write_couple(reply: &mut Reply<'_>, known: &Field<'_>) {
    begin_pair(reply);
    write_pair(reply, known);
}

fn write_member(reply: &mut Reply<'_>, known: &Member<'_>) {
    write_item(reply, known.member);
}

fn write_element(reply: &mut Reply<'_>, known: &Element<'_>) {
    write_item(reply, known.value);
}

fn write_ranked(reply: &mut Reply<'_>, known: &Scored<'_>) {
    write_item(reply, known.member);
}

fn write_scored(reply: &mut Reply<'_>, known: &Scored<'_>) {
    begin_pair(reply);
    write_item(reply, known.member);
    reply.double(known.score);
}

/// Two that belong together are an array in RESP3, and follow one another in RESP2.
fn begin_pair(reply: &mut Reply<'_>) {
    if reply.protocol() == Protocol::Resp3 {
        reply.array(2);
    }
}
