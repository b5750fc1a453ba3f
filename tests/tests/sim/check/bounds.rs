//! Nothing is left over, and nothing has grown beyond its bound.

use crate::world::World;

pub fn check(world: &mut World) {
    let mut wrongs = Vec::new();
    for seat in &mut world.seats {
        let Some(node) = &mut seat.node else { continue };
        let held = node.log_held();
        // The open segment may exceed the budget of a small log until it is dropped whole.
        if held > node.log_bytes {
            wrongs.push(format!("bounds: {} holds {held} bytes of effects", node.number));
        }
        let mismatches = node.instance.cluster.figures().digest_mismatches.get();
        if mismatches > 0 {
            wrongs.push(format!("bounds: {} had {mismatches} copies that lied", node.number));
        }
        let plane = node.worker.plane().unwrap();
        if !plane.is_idle() {
            wrongs.push(format!("bounds: {} has something under way: {plane:?}", node.number));
        }
        if node.replicator().is_waiting() {
            wrongs.push(format!("bounds: a write waits for copies at {}", node.number));
        }
    }
    for (line, link) in &world.net.links {
        let waiting: usize = link.queues.iter().map(|queue| queue.len()).sum();
        if !line.control && waiting > 0 {
            wrongs.push(format!("bounds: {waiting} messages are on their way on {line:?}"));
        }
    }
    for (number, operation) in world.history.iter().enumerate() {
        if operation.outcome == crate::history::Outcome::Open && !operation.is_scan() {
            wrongs.push(format!("bounds: operation {number} is still open"));
        }
    }
    wrongs.into_iter().for_each(|it| world.wrong(it));
}
