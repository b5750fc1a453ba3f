//! Frames in the words of a trace.

use torc_protocol::peer::{Frame, Kind};
use torc_protocol::slot::Slot;
use torc_server::node::core::message::{Baton, Known, Pull, Pulled};
use torc_server::replication::effect::Batch;

/// Prints what a frame says about `slot`, if anything.
pub fn frame(now: u64, (from, to): (usize, usize), frame: &Frame<'_>, slot: Slot) {
    let (header, payload) = (&frame.header, frame.payload);
    let show = |what: String| eprintln!("{:>10.6} {from} to {to}: {what}", now as f64 / 1e6);
    match header.kind {
        Some(Kind::Fence) => {
            for (of, vector) in Pull::decode(payload).map(|it| it.slots).unwrap_or_default() {
                if of == slot {
                    show(format!("pull, knows {vector:?}"));
                }
            }
        }
        Some(Kind::SyncBegin) if header.slot == Some(slot) => {
            show(format!("{:?}", Pulled::decode(payload)));
        }
        Some(Kind::SyncChunk) if header.slot == Some(slot) => {
            show(format!("part, {}", payload.escape_ascii()));
        }
        Some(Kind::SyncEnd) if header.slot == Some(slot) => show("end".into()),
        Some(Kind::Baton) => match Baton::decode(payload) {
            Ok(Baton::Ask(slots)) => {
                for (_, stamp) in slots.iter().filter(|(of, _)| *of == slot) {
                    show(format!("asks for the baton by {stamp}"));
                }
            }
            Ok(Baton::Word { served, said }) => {
                for said in said.iter().filter(|it| it.slot == slot) {
                    show(format!("{} {said:?}", if served { "grants" } else { "yields" }));
                }
            }
            _ => {}
        },
        Some(Kind::Digest) => {
            let known = Known::decode(payload).unwrap_or_default().slots;
            for (_, vector) in known.iter().filter(|(of, _)| *of == slot) {
                show(format!("knows {vector:?}"));
            }
        }
        Some(Kind::Effects) => {
            for (effect, _) in Batch::new(payload).flatten() {
                if effect.slot == slot {
                    show(format!("effect {effect:?}"));
                }
            }
        }
        _ => {}
    }
}
