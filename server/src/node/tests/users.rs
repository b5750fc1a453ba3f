//! Rights change while clients are connected: who sees what, and from when on.

use super::{Node, Verdict};

const NO_GET: &str = r"-NOPERM User alice has no permissions to run the \'get\' command\r\n";

#[test]
fn a_change_holds_from_the_next_command_on() {
    let mut node = Node::with_mailbox(&[]);
    let (mut operator, mut alice) = (node.connect(), node.connect());
    let made = node.ask(&mut operator, b"acl setuser alice on >pw +@all -get ~a* &*\r\n");
    assert_eq!(made, r"+OK\r\n");
    // Within one pipeline too.
    let told = node.ask(&mut alice, b"get b\r\nauth alice pw\r\nget a\r\nset b 1\r\nset a 1\r\n");
    let no_key = r"-NOPERM No permissions to access a key\r\n";
    assert_eq!(told, format!(r"$-1\r\n+OK\r\n{NO_GET}{no_key}+OK\r\n"));

    node.ask(&mut operator, b"acl setuser alice +get\r\n");
    assert_eq!(node.ask(&mut alice, b"get a\r\n"), r"$1\r\n1\r\n");
    // By herself, for what follows in the pipeline, and back.
    let told = node.ask(&mut alice, b"get a\r\nacl setuser alice -get\r\nget a\r\n");
    assert_eq!(told, format!(r"$1\r\n1\r\n+OK\r\n{NO_GET}"));
    let told = node.ask(&mut alice, b"acl setuser alice ~* +get\r\nget b\r\nreset\r\nget a\r\n");
    assert_eq!(told, r"+OK\r\n$-1\r\n+RESET\r\n$1\r\n1\r\n");

    // Who comes is the default user, as that is then.
    node.ask(&mut operator, b"acl setuser default -@all +acl +ping\r\n");
    let mut late = node.connect();
    let told = node.ask(&mut late, b"ping\r\nget a\r\n");
    let expected =
        r"+PONG\r\n-NOPERM User default has no permissions to run the \'get\' command\r\n";
    assert_eq!(told, expected);
    node.ask(&mut operator, b"acl setuser default off\r\n");
    assert_eq!(node.ask(&mut late, b"ping\r\n"), r"+PONG\r\n", "who is in stays");
    let mut later = node.connect();
    assert_eq!(node.ask(&mut later, b"ping\r\n"), r"-NOAUTH Authentication required.\r\n");
}

#[test]
fn who_may_not_stay_runs_nothing_more() {
    let mut node = Node::with_mailbox(&[]);
    let mut operator = node.connect();
    node.ask(&mut operator, b"acl setuser alice on nopass +@all ~* &*\r\n");
    let mut alice = node.connect();
    assert_eq!(node.ask(&mut alice, b"auth alice x\r\n"), r"+OK\r\n");
    // A user of the same name is another one.
    node.ask(&mut operator, b"acl deluser alice\r\nacl setuser alice on nopass +@all ~* &*\r\n");
    assert_eq!(node.send(&mut alice, b"set a 1\r\n"), Verdict::Abort);
    assert_eq!(node.ask(&mut operator, b"exists a\r\n"), r":0\r\n");

    let mut keeps = node.connect();
    node.ask(&mut keeps, b"auth alice x\r\nsubscribe a\r\n");
    let mut loses = node.connect();
    node.ask(&mut loses, b"auth alice x\r\npsubscribe a*\r\n");
    let mut idle = node.connect();
    node.ask(&mut idle, b"auth alice x\r\n");
    node.ask(&mut operator, b"acl setuser alice resetchannels &a\r\n");
    assert_eq!(node.send(&mut loses, b"ping\r\n"), Verdict::Abort);
    assert!(matches!(node.send(&mut keeps, b"ping\r\n"), Verdict::Drained(_)));
    assert!(matches!(node.send(&mut idle, b"ping\r\n"), Verdict::Drained(_)));

    // The caller is answered first.
    let mut own = node.connect();
    node.ask(&mut own, b"auth alice x\r\n");
    assert_eq!(node.send(&mut own, b"acl deluser alice\r\nset a 1\r\n"), Verdict::Close);
    assert_eq!(own.replies(), r":1\r\n");
    assert_eq!(node.ask(&mut operator, b"exists a\r\n"), r":0\r\n");
}

#[test]
fn a_user_brings_the_level_of_its_clients_along() {
    let mut node = Node::new(&[]);
    let (mut operator, mut safe) = (node.connect(), node.connect());
    node.ask(&mut operator, b"acl setuser safe on nopass +@all ~* consistency w=2,r=any\r\n");
    let no_quorum = r"-NOQUORUM applied on 1 of 2\r\n";
    // From the next command of the pipeline on.
    let told = node.ask(&mut safe, b"set a 1\r\nauth safe x\r\nset a 2\r\nget a\r\n");
    assert_eq!(told, format!(r"+OK\r\n+OK\r\n{no_quorum}$1\r\n2\r\n"));
    let told =
        node.ask(&mut safe, b"client consistency w one\r\nset a 3\r\nauth safe x\r\nset a 4\r\n");
    assert_eq!(told, format!(r"+OK\r\n+OK\r\n+OK\r\n{no_quorum}"));
    assert_eq!(node.ask(&mut safe, b"reset\r\nset a 5\r\n"), r"+RESET\r\n+OK\r\n");
    let told = node.ask(&mut operator, b"acl setuser default consistency w=2\r\nset a 6\r\n");
    assert_eq!(told, r"+OK\r\n+OK\r\n", "it counts from the login on");
    let mut late = node.connect();
    assert_eq!(node.ask(&mut late, b"set a 7\r\n"), no_quorum);
}
