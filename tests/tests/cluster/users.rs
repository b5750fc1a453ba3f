//! Users in a ring: each node has its own, and what one may do holds wherever the commands of its clients run.

use super::{WORKERS, connect};
use torc_tests::resp::Connection;
use torc_tests::ring;

/// Reads a key that it does not declare, in the same slot.
const PEEK: &str = "return redis.call('GET', 'other:{' .. ARGV[1] .. '}')";

#[track_caller]
fn ask(client: &mut Connection, words: &[&str]) -> String {
    client.call(words).unwrap().text()
}

#[test]
fn rights_hold_wherever_a_command_runs() {
    let nodes = ring::ring(3, WORKERS);
    let mut operator = connect(&nodes[0]);
    let rules = ["ACL", "SETUSER", "alice", "on", ">pw", "+@all", "-flushall", "~mine:*", "&*"];
    assert_eq!(ask(&mut operator, &rules), "OK");
    let mut stranger = connect(&nodes[1]);
    let wrong = ask(&mut stranger, &["AUTH", "alice", "pw"]);
    assert!(wrong.starts_with("WRONGPASS"), "{wrong}");

    let mut alice = connect(&nodes[0]);
    assert_eq!(ask(&mut alice, &["AUTH", "alice", "pw"]), "OK");
    const NO_KEY: &str = "NOPERM No permissions to access a key";
    // Keys of all nodes.
    for number in 0..30 {
        let number = number.to_string();
        let (mine, other) = (format!("mine:{{{number}}}"), format!("other:{{{number}}}"));
        assert_eq!(ask(&mut operator, &["SET", &other, "secret"]), "OK");
        assert_eq!(ask(&mut alice, &["SET", &mine, "1"]), "OK");
        assert_eq!(ask(&mut alice, &["GET", &other]), NO_KEY);
        assert_eq!(ask(&mut alice, &["COPY", &other, &mine]), NO_KEY);
        assert_eq!(ask(&mut alice, &["MGET", &mine, "mine:elsewhere", &other]), NO_KEY);
        let mine_all = alice.call(&["MGET", &mine, "mine:elsewhere"]).unwrap();
        assert_eq!(mine_all.items().len(), 2, "{mine}");

        let add = "return redis.call('INCR', KEYS[1])";
        let sum = alice.call(&["EVAL", add, "1", &mine]).unwrap();
        assert_eq!(sum.integer(), Some(2), "{mine}");
        let peek = ["EVAL", PEEK, "1", &mine, &number];
        let denied = ask(&mut alice, &peek);
        assert!(denied.contains("ACL failure in script: No permissions"), "{mine}: {denied}");
        assert_eq!(ask(&mut operator, &peek), "secret");
        let flush = ask(&mut alice, &["EVAL", "redis.call('FLUSHALL')", "1", &mine]);
        let expected = "User alice has no permissions to run the 'flushall' command";
        assert!(flush.contains(expected), "{mine}: {flush}");

        let sort = ask(&mut alice, &["SORT", &mine, "BY", "other:*"]);
        assert!(sort.starts_with("ERR BY option of SORT denied due to"), "{mine}: {sort}");

        // What is not allowed any more when EXEC runs, and a script in it.
        assert_eq!(ask(&mut alice, &["MULTI"]), "OK");
        for queued in [&["INCR", &mine][..], &["SET", &mine, "9"], &peek, &["GET", &mine]] {
            assert_eq!(ask(&mut alice, queued), "QUEUED");
        }
        assert_eq!(ask(&mut operator, &["ACL", "SETUSER", "alice", "-set"]), "OK");
        let replies = alice.call(&["EXEC"]).unwrap();
        let [incr, set, script, get] = replies.items() else { panic!("{mine}: {replies:?}") };
        assert_eq!(incr.integer(), Some(3), "{mine}");
        assert!(set.text().starts_with("NOPERM ACLs rules changed"), "{mine}: {set:?}");
        assert!(script.text().contains("ACL failure in script"), "{mine}: {script:?}");
        assert_eq!(get.text(), "3", "{mine}");
        assert_eq!(ask(&mut operator, &["ACL", "SETUSER", "alice", "+set"]), "OK");
    }
}
