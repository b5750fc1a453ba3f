//! What CLUSTER LINKS tells of the connections between nodes.

use torc_tests::ring::{self, LIMIT, Node, await_whole};
use torc_tests::wait;

/// When a node's link to the only other one was made, if there is one.
fn made(node: &Node) -> Option<i64> {
    let links = node.place.ask("CLUSTER LINKS");
    let link = links.items().first()?;
    let at = link.items().iter().position(|word| word.text() == "create-time")?;
    link.items()[at + 1].integer()
}

/// The node that dials told of its first connection's time for ever.
#[test]
fn a_link_is_as_old_as_its_connection() {
    let mut nodes = ring::ring(2, &[]);
    // Each of the two in turn, for only one of them dials.
    for gone in [0, 1] {
        let stays = 1 - gone;
        let mut before = None;
        wait::until("the links are shown", LIMIT, || {
            before = made(&nodes[stays]);
            before.is_some()
        });
        nodes[gone].kill();
        nodes[gone].run();
        nodes[gone].await_answer();
        await_whole(&nodes, LIMIT);
        wait::until("the link is a new one", LIMIT, || made(&nodes[stays]) > before);
    }
}
