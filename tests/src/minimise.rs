//! Shrinks a list of commands to the fewest that still make two servers answer differently.

use crate::generator::Generated;
use crate::resp::{Connection, encode};
use crate::wait;
use std::time::Duration;

/// Shrinking ends here, whatever is left.
const LIMIT: Duration = Duration::from_secs(20);

/// The commands that are left, and the two replies to the last one.
#[derive(Debug)]
pub struct Reproduction {
    /// To be run in order on empty databases.
    pub commands: Vec<Generated>,
    /// Our reply to the last.
    pub ours: Vec<u8>,
    /// The reference's.
    pub reference: Vec<u8>,
}

/// Removes ever smaller runs of `commands` (all but the last) as long as the replies to the last still differ.
/// `None` if they do not differ when the whole list is run again.
pub fn minimise(
    ours: &dyn Fn() -> Connection,
    reference: &dyn Fn() -> Connection,
    protocol: u8,
    commands: &[Generated],
) -> Option<Reproduction> {
    let start = wait::now();
    let mut best = replay(ours, reference, protocol, commands)?;
    let mut run = best.commands.len().div_ceil(2);
    while run > 0 && start.elapsed() < LIMIT {
        let mut at = 0;
        while at + 1 < best.commands.len() && start.elapsed() < LIMIT {
            let end = (at + run).min(best.commands.len() - 1);
            let mut fewer = best.commands.clone();
            fewer.drain(at..end);
            match replay(ours, reference, protocol, &fewer) {
                Some(found) => best = found,
                None => at = end,
            }
        }
        run /= 2;
    }
    Some(best)
}

/// Runs the commands on empty databases up to the first difference.
fn replay(
    ours: &dyn Fn() -> Connection,
    reference: &dyn Fn() -> Connection,
    protocol: u8,
    commands: &[Generated],
) -> Option<Reproduction> {
    let replies = |connect: &dyn Fn() -> Connection| -> Vec<Vec<u8>> {
        let mut connection = connect();
        let version = protocol.to_string();
        let mut bytes = [encode(&["HELLO", &version]), encode(&["FLUSHALL"])].concat();
        commands.iter().for_each(|command| bytes.extend(encode(&command.args)));
        connection.pipeline(&bytes, commands.len() + 2).split_off(2)
    };
    let (ours, reference) = (replies(ours), replies(reference));
    let at = (0..commands.len()).find(|&i| !commands[i].compare.equal(&ours[i], &reference[i]))?;
    // Commands of two transactions whose slots differ would be found in the place of what is looked for.
    if ours[at].starts_with(b"-CROSSSLOT") && commands.len() > 1 {
        return None;
    }
    Some(Reproduction {
        commands: commands[..=at].to_vec(),
        ours: ours[at].clone(),
        reference: reference[at].clone(),
    })
}
