//! A full iteration returns every key that was there throughout.

use crate::plan::Trouble;
use crate::world::World;

pub fn check(world: &mut World) {
    if world.setup.trouble == Trouble::Storm {
        // A crash of the only node that others can reach may take keys away.
        return;
    }
    let complete = world.work.iterations.iter().filter(|it| it.complete).count();
    if complete == 0 {
        world.wrong("scan: no iteration came to its end".into());
    }
    let mut wrongs = Vec::new();
    for (number, iteration) in world.work.iterations.iter().enumerate() {
        let missed: Vec<_> = world.work.lasting.difference(&iteration.seen).collect();
        if iteration.complete && !missed.is_empty() {
            wrongs.push(format!("scan: iteration {number} missed {missed:?}"));
        }
    }
    wrongs.into_iter().take(3).for_each(|it| world.wrong(it));
}
