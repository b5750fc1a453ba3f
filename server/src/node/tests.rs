//! The pipeline without a socket: what clients send, how it is cut, and the bytes that come back.

use super::timing::{Timeline, Timing};
use super::{Client, Park, Progress, Verdict, WorkerState, run};
use crate::admin::Instance;
use crate::admin::clients::{Endpoint, KillFilter, PauseMode};
use crate::admin::mailbox::{Fed, Mailbox};
use crate::base::clock::Clock;
use crate::base::limits::{REPLY_BYTES_GATHERED, SCRIPT_FEED_BYTES_MAX};
use crate::command::Session;
use crate::config::Settings;
use crate::script::Running;
use std::ffi::OsString;
use std::time::Duration;
use torc_protocol::Args;
use torc_protocol::command::resolve;
use torc_protocol::request::Span;

mod long_replies;
mod pausing;
mod publishing;
mod tracking;
mod tracking_ring;
mod users;

const START_MS: u64 = 1_700_000_000_000;

struct Node {
    instance: Instance,
    worker: WorkerState,
}

/// A client that keeps what has not run, as a connection does.
struct Peer {
    client: Client,
    input: Vec<u8>,
    out: Vec<u8>,
}

impl Node {
    fn new(settings: &[(&str, &str)]) -> Self {
        let instance = Instance::new(Settings::default(), Clock::manual(START_MS), 1);
        instance.configure(settings).unwrap();
        let worker = WorkerState::new(&instance, 0);
        Node { instance, worker }
    }

    /// One whose worker has a mailbox, which wakes nobody.
    fn with_mailbox(settings: &[(&str, &str)]) -> Self {
        let node = Node::new(settings);
        let (mailbox, _) = Mailbox::new(Box::new(|| {}));
        node.instance.clients.mailboxes.attach(vec![mailbox]);
        node
    }

    fn connect(&self) -> Peer {
        let endpoint = Endpoint { address: "127.0.0.1:5000".into(), ..Endpoint::default() };
        let info = self.instance.clients.register(endpoint, 0, START_MS);
        let mut session = Session::new(info, false);
        session.log_in_as_default(&self.instance.acl);
        let client = Client::new(session);
        Peer { client, input: Vec::new(), out: Vec::new() }
    }

    /// Hands `bytes` in behind what is left, until nothing more is to be done at once.
    fn send(&mut self, peer: &mut Peer, bytes: &[u8]) -> Verdict {
        peer.send(bytes, &mut self.worker, &self.instance)
    }

    /// What the client has been sent once `bytes` have run.
    fn ask(&mut self, peer: &mut Peer, bytes: &[u8]) -> String {
        self.send(peer, bytes);
        peer.replies()
    }

    /// What the worker does at the end of its turn: hands out what came for these clients.
    fn tell(&mut self, peers: &mut [&mut Peer]) {
        self.worker.tell_changes(&self.instance);
        let (items, lost) = self.instance.clients.mailboxes.workers()[0].take_feed();
        assert!(!lost.subscribers && !lost.trackers);
        for item in items {
            match item {
                Fed::Publication(publication) => {
                    self.instance.pubsub.deliver(0, &publication, |_, id, push| {
                        let Some(Peer { client, out, .. }) = find(peers, id) else { return };
                        let protocol = client.session.protocol;
                        push.pieces(protocol).iter().for_each(|piece| client.append(piece, out));
                    });
                }
                Fed::Invalidation(push) => {
                    let Some(Peer { client, out, .. }) = find(peers, push.client) else { continue };
                    let mut bytes = Vec::new();
                    let session = &client.session;
                    push.told.render(session.protocol, session.is_subscribed(), &mut bytes);
                    client.append_news(&bytes, push.is_own, out);
                }
                Fed::Lines { .. } => {}
            }
        }
    }

    /// What one client is told then.
    fn told(&mut self, peer: &mut Peer) -> String {
        self.tell(&mut [peer]);
        peer.replies()
    }

    /// Hands the client the answers that are there.
    fn take_answers(&mut self, peer: &mut Peer) {
        while let Some(answer) = self.worker.next_answer() {
            peer.client.answer(answer, &mut peer.out);
        }
    }

    fn advance(&self, ms: u64) {
        self.instance.clock.advance(Duration::from_millis(ms));
    }
}

impl Peer {
    fn send(&mut self, bytes: &[u8], worker: &mut WorkerState, instance: &Instance) -> Verdict {
        let Peer { client, input, out } = self;
        input.extend_from_slice(bytes);
        loop {
            let Progress { consumed, verdict } = run(client, input, out, worker, instance);
            input.drain(..consumed);
            if verdict != Verdict::More {
                return verdict;
            }
        }
    }

    fn replies(&mut self) -> String {
        std::mem::take(&mut self.out).escape_ascii().to_string()
    }
}

/// The one of `peers` whose client is `id`.
fn find<'p>(peers: &'p mut [&mut Peer], id: u64) -> Option<&'p mut Peer> {
    peers.iter_mut().map(|peer| &mut **peer).find(|peer| peer.client.session.id == id)
}

/// What one client gets for `input`, and what becomes of it.
fn talk(input: &[u8]) -> (String, Verdict) {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let verdict = node.send(&mut peer, input);
    (peer.replies(), verdict)
}

#[test]
fn the_cut_of_the_bytes_does_not_matter() {
    let input: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\nPING\r\n\r\n*0\r\n\
        *2\r\n$3\r\nGET\r\n$1\r\nk\r\nset q \"a\\x41 b\"\r\nget q\r\n*1\r\n$4\r\nPING\r\n";
    let expected = r"+OK\r\n+PONG\r\n$5\r\nhello\r\n+OK\r\n$4\r\naA b\r\n+PONG\r\n";
    assert_eq!(talk(input).0, expected);
    for step in 1..input.len() {
        let mut node = Node::new(&[]);
        let mut peer = node.connect();
        for chunk in input.chunks(step) {
            let verdict = node.send(&mut peer, chunk);
            assert!(matches!(verdict, Verdict::Drained(1..)), "{verdict:?}");
        }
        assert_eq!(peer.replies(), expected, "in steps of {step}");
        assert!(peer.input.is_empty());
    }
}

#[test]
fn replies_of_many_batches_come_in_order() {
    let mut input = Vec::new();
    let mut expected = String::new();
    for number in 1..=100 {
        input.extend_from_slice(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n");
        expected.push_str(&format!(r":{number}\r\n"));
    }
    assert_eq!(talk(&input).0, expected);
}

#[test]
fn an_error_takes_the_place_of_its_reply_and_is_counted() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.send(&mut peer, b"set a text\r\nincr a\r\nget\r\nnosuch x\r\nping\r\n");
    assert_eq!(
        peer.replies(),
        "+OK\\r\\n-ERR value is not an integer or out of range\\r\\n\
         -ERR wrong number of arguments for \\'get\\' command\\r\\n\
         -ERR unknown command \\'nosuch\\', with args beginning with: \\'x\\' \\r\\n+PONG\\r\\n"
    );
    let errors = node.instance.stats.errors();
    assert_eq!(errors, [(Box::from(&b"ERR"[..]), 3)]);
    let of = |name: &[u8]| {
        let spec = torc_protocol::command::find(name).unwrap();
        let totals = node.instance.stats.command(spec.id);
        (totals.calls, totals.failed, totals.rejected)
    };
    assert_eq!(of(b"incr"), (1, 1, 0));
    assert_eq!(of(b"get"), (0, 0, 1));
    assert_eq!(of(b"ping"), (1, 0, 0));
}

#[test]
fn what_is_not_the_protocol_ends_the_client_after_its_replies() {
    let (replies, verdict) = talk(b"ping\r\n*3\r\n$x\r\nping\r\n");
    assert_eq!(replies, r"+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
    assert_eq!(verdict, Verdict::Close);
    let (replies, verdict) = talk(b"ping\r\nquit\r\nping\r\n");
    assert_eq!((replies.as_str(), verdict), (r"+PONG\r\n+OK\r\n", Verdict::Close));
    assert_eq!(talk(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n").1, Verdict::Abort);
    assert_eq!(talk(b"host: localhost\r\n").1, Verdict::Abort);
}

#[test]
fn without_the_password_little_runs() {
    let mut node = Node::new(&[("requirepass", "secret")]);
    let mut peer = node.connect();
    node.send(&mut peer, b"get a\r\nping\r\nhello 3\r\nauth wrong\r\nnosuch\r\n");
    assert_eq!(
        peer.replies(),
        "-NOAUTH Authentication required.\\r\\n-NOAUTH Authentication required.\\r\\n\
         -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
         option can be used to authenticate the client and select the RESP protocol version at the same time\\r\\n\
         -WRONGPASS invalid username-password pair or user is disabled.\\r\\n\
         -ERR unknown command \\'nosuch\\', with args beginning with: \\r\\n"
    );
    // AUTH lifts the limits for what stands right behind it.
    let mget = [b"*12\r\n$4\r\nMGET\r\n".to_vec(), b"$1\r\nk\r\n".repeat(11)].concat();
    node.send(&mut peer, &[b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", mget.as_slice()].concat());
    assert_eq!(peer.replies(), format!(r"+OK\r\n*11\r\n{}", r"$-1\r\n".repeat(11)));
    let verdict = node.send(&mut node.connect(), &mget);
    assert_eq!(verdict, Verdict::Close, "ten arguments are the most before AUTH");
}

#[test]
fn a_full_memory_refuses_only_what_may_take_more() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    // A thread tells the others what it uses only every 64 KiB.
    let value = "v".repeat(200_000);
    let large = format!("*3\r\n$3\r\nSET\r\n$1\r\nl\r\n$200000\r\n{value}\r\nset a b\r\n");
    node.send(&mut peer, large.as_bytes());
    node.instance.configure(&[("maxmemory", "1"), ("maxmemory-policy", "noeviction")]).unwrap();
    node.send(&mut peer, b"set a c\r\nget a\r\ndel a\r\n");
    assert_eq!(
        peer.replies(),
        r"+OK\r\n+OK\r\n-OOM command not allowed when used memory > \'maxmemory\'.\r\n$1\r\nb\r\n:1\r\n"
    );
}

#[test]
fn replies_are_left_out_on_request() {
    let cases: &[(&[u8], &str)] = &[
        (b"client reply off\r\nping\r\nnosuch\r\nclient reply on\r\nping\r\n", r"+OK\r\n+PONG\r\n"),
        (b"client reply skip\r\nping\r\nping\r\n", r"+PONG\r\n"),
        (b"client reply skip\r\nclient reply skip\r\nping\r\necho x\r\n", r"$1\r\nx\r\n"),
        (b"client reply skip\r\nnosuch\r\nping\r\n", r"+PONG\r\n"),
        (b"client reply off\r\nreset\r\nping\r\n", r"+RESET\r\n+PONG\r\n"),
        (b"client reply off\r\n*x\r\n", ""),
    ];
    for &(input, expected) in cases {
        assert_eq!(talk(input).0, expected, "{}", input.escape_ascii());
    }
}

#[test]
fn a_pause_holds_what_it_names_and_keeps_its_bytes() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.instance.clients.pause(START_MS + 100, PauseMode::Write, START_MS);
    let held = Verdict::Parked(Park::Pause(START_MS + 100));
    // The quoted words of an inline request are unescaped where they stand; held, it must come out whole all the same.
    assert_eq!(node.send(&mut peer, b"get a\r\nset a \"x\\n\\\"y\"\r\nget a\r\n"), held);
    assert_eq!(peer.replies(), r"$-1\r\n");
    assert_eq!(node.send(&mut peer, b""), held);
    assert_eq!(peer.replies(), "");
    node.advance(100);
    assert!(matches!(node.send(&mut peer, b""), Verdict::Drained(_)));
    assert_eq!(peer.replies(), r#"+OK\r\n$4\r\nx\n\"y\r\n"#);

    // PFCOUNT may refresh the count that it keeps in the value: it reads, and yet a pause of writes holds it, as in Redis.
    node.instance.clients.pause(START_MS + 200, PauseMode::Write, START_MS + 100);
    let held = Verdict::Parked(Park::Pause(START_MS + 200));
    assert_eq!(node.send(&mut peer, b"get b\r\n\r\npfcount a\r\n"), held);
    assert_eq!(peer.replies(), r"$-1\r\n");
    node.advance(100);
    node.send(&mut peer, b"");
    assert!(peer.replies().starts_with("-WRONGTYPE"));

    // In the middle of a batch, with a part of a request behind it.
    node.send(&mut peer, b"*4\r\n$6\r\nclient\r\n$5\r\npause\r\n$3\r\n500\r\n$3\r\nall\r\n");
    let rest = b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhe";
    assert!(matches!(node.send(&mut peer, rest), Verdict::Parked(Park::Pause(_))));
    assert_eq!(peer.replies(), r"+OK\r\n");
    node.instance.clients.unpause();
    node.send(&mut peer, b"llo\r\n");
    assert_eq!(peer.replies(), r"+PONG\r\n$5\r\nhello\r\n");
}

#[test]
fn a_sleep_ends_the_run_behind_its_command() {
    let settings = ["torc", "--enable-debug-command", "yes"].map(OsString::from);
    let Ok(crate::config::Order::Serve(settings)) = crate::config::from_command_line(settings)
    else {
        panic!("these are settings");
    };
    let instance = Instance::new(*settings, Clock::manual(START_MS), 1);
    let mut node = Node { worker: WorkerState::new(&instance, 0), instance };
    let mut peer = node.connect();
    let input = b"*3\r\n$5\r\nDEBUG\r\n$5\r\nSLEEP\r\n$3\r\n0.2\r\n*1\r\n$4\r\nPING\r\n";
    assert_eq!(node.send(&mut peer, input), Verdict::Parked(Park::Sleep(START_MS + 200)));
    assert_eq!(peer.replies(), r"+OK\r\n");
    assert_eq!(peer.input, b"*1\r\n$4\r\nPING\r\n");
}

#[test]
fn large_replies_go_out_one_by_one() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let value = vec![b'v'; REPLY_BYTES_GATHERED];
    let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", value.len());
    node.send(&mut peer, &[set.as_bytes(), &value, b"\r\n"].concat());
    peer.out.clear();
    peer.input = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(16);
    for left in (0..16).rev() {
        let progress =
            run(&mut peer.client, &mut peer.input, &mut peer.out, &mut node.worker, &node.instance);
        assert_eq!(progress.verdict, Verdict::More);
        peer.input.drain(..progress.consumed);
        assert_eq!(peer.input.len(), left * 20);
        assert!(peer.out.len() < REPLY_BYTES_GATHERED + 32);
        peer.out.clear();
    }
}

/// More kinds by turns than share one measurement, in batches and in EXEC.
#[test]
fn every_command_of_many_batches_is_counted_once() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let kinds = [
        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        "*2\r\n$4\r\nINCR\r\n$1\r\nk\r\n",
        "*1\r\n$4\r\nPING\r\n",
    ];
    let turns = kinds.concat().repeat(40);
    node.send(&mut peer, turns.as_bytes());
    let multi = format!("*1\r\n$5\r\nMULTI\r\n{turns}*1\r\n$4\r\nEXEC\r\n");
    node.send(&mut peer, multi.as_bytes());
    let alike = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(7);
    node.send(&mut peer, alike.as_bytes());
    for (name, calls) in [("get", 87), ("incr", 80), ("ping", 80), ("multi", 1), ("exec", 1)] {
        let spec = torc_protocol::command::find(name.as_bytes()).unwrap();
        assert_eq!(node.instance.stats.command(spec.id).calls, calls, "{name}");
    }
}

#[test]
fn a_monitor_sees_its_own_commands_and_may_not_touch_keys() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.send(
        &mut peer,
        b"monitor\r\nping\r\nget a\r\nclient kill id 99\r\nmonitor\r\nreset\r\nget a\r\n",
    );
    assert_eq!(
        peer.replies(),
        "+OK\\r\\n+PONG\\r\\n+1700000000.000000 [0 127.0.0.1:5000] \\\"ping\\\"\\r\\n\
         -ERR Replica can\\'t interact with the keyspace\\r\\n:0\\r\\n+RESET\\r\\n$-1\\r\\n"
    );
}

#[test]
fn a_monitor_sees_scripts_once_and_what_they_call() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.send(&mut peer, b"monitor\r\neval \"return redis.call('echo',ARGV[1])\" 0 a\r\n");
    let time = "+1700000000.000000";
    assert_eq!(
        String::from_utf8_lossy(&peer.out).lines().skip(3).collect::<Vec<_>>(),
        [
            &format!(
                r#"{time} [0 127.0.0.1:5000] "eval" "return redis.call('echo',ARGV[1])" "0" "a""#
            ),
            &format!(r#"{time} [0 lua] "echo" "a""#),
        ]
    );
    peer.out.clear();
    // Both begin again with the store for themselves: what they come to, nobody knew.
    node.send(&mut peer, b"reset\r\nmonitor\r\neval \"return redis.call('dbsize')\" 0\r\n");
    let shown = String::from_utf8_lossy(&peer.out).into_owned();
    assert_eq!(
        (shown.matches("\"eval\"").count(), shown.matches("[0 lua]").count()),
        (1, 1),
        "{shown}"
    );
    peer.out.clear();
    node.send(&mut peer, b"reset\r\nrpush l 2 1\r\nsort l store m\r\ninfo commandstats\r\n");
    let stats = String::from_utf8_lossy(&peer.out).into_owned();
    for counted in ["cmdstat_eval:calls=2,", "cmdstat_sort:calls=1,"] {
        assert!(stats.contains(counted), "{stats}");
    }
}

#[test]
fn a_monitor_sees_how_a_transaction_ends() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.send(
        &mut peer,
        b"monitor\r\nmulti\r\nset a\r\nexec\r\nmulti\r\nexec\r\nmulti\r\ndiscard\r\n",
    );
    let shown = String::from_utf8_lossy(&peer.out).into_owned();
    let shown: Vec<_> = shown.lines().filter_map(|line| line.split_once("] ")).collect();
    let shown: Vec<_> = shown.iter().map(|(_, command)| *command).collect();
    let [multi, exec, discard] = ["\"multi\"", "\"exec\"", "\"discard\""];
    assert_eq!(shown, [multi, exec, multi, exec, multi, discard]);
}

#[test]
fn info_counts_scripts() {
    let counted = |input: &[u8]| {
        let replies = talk(&[input, b"info memory\r\n"].concat()).0;
        let field = |name: &str| {
            replies.split(name).nth(1).unwrap().split("\\r").next().unwrap().to_owned()
        };
        (field("number_of_cached_scripts:"), field("used_memory_scripts:") != "0")
    };
    assert_eq!(
        counted(b"eval \"return 1\" 0\r\nscript load \"return 2\"\r\n"),
        ("2".to_owned(), true)
    );
    assert_eq!(counted(b"eval \"return 1\" 0\r\nscript flush\r\n"), ("0".to_owned(), false));
}

#[test]
fn what_a_client_publishes_to_itself_follows_the_reply_of_a_step() {
    let push = r">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n";
    for (step, reply) in [
        (&b"multi\r\npublish a b\r\nexec\r\n"[..], r"+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"),
        (b"eval \"return redis.call('publish','a','b')\" 0\r\n", r":1\r\n"),
    ] {
        let replies = talk(&[b"hello 3\r\nsubscribe a\r\n", step].concat()).0;
        assert!(replies.ends_with(&format!("{reply}{push}")), "{replies}");
    }
}

#[test]
fn a_killed_client_runs_nothing_more() {
    let mut node = Node::new(&[]);
    let (mut killer, mut victim) = (node.connect(), node.connect());
    let filter = KillFilter { id: Some(victim.client.session.id), ..KillFilter::default() };
    node.instance.clients.kill(&filter, killer.client.session.id, START_MS);
    assert_eq!(node.send(&mut victim, b"set a b\r\n"), Verdict::Abort);
    node.send(&mut killer, b"get a\r\n");
    assert_eq!(killer.replies(), r"$-1\r\n");
    let id = killer.client.session.id;
    let suicide = format!("client kill id {id} skipme no\r\nping\r\n");
    assert_eq!(node.send(&mut killer, suicide.as_bytes()), Verdict::Close);
    assert_eq!(killer.replies(), r":1\r\n");
}

#[test]
fn time_is_shared_among_quick_commands_and_none_is_lost() {
    let mut node = Node::new(&[("slowlog-log-slower-than", "0")]);
    let mut peer = node.connect();
    node.send(&mut peer, b"auth x\r\nset a b\r\n");
    let logged = node.instance.slowlog.newest(10);
    assert_eq!(logged.len(), 2);
    assert_eq!(&*logged[1].args[1], b"(redacted)");
    assert_eq!(&*logged[0].client_addr, "127.0.0.1:5000");
}

/// Times are whole milliseconds, rounded down: a wait that ended when its last one began was short of up to one.
#[test]
fn no_wait_is_over_before_its_time() {
    let mut node = Node::with_mailbox(&[]);
    let mut peer = node.connect();
    node.send(&mut peer, b"blpop k 0.05\r\n");
    assert_eq!(node.worker.next_wait_over(), Some(START_MS + 51));
    node.worker.expire_waits(&node.instance, START_MS + 50);
    assert_eq!(node.worker.next_wait_over(), Some(START_MS + 51), "it goes on");
    node.worker.expire_waits(&node.instance, START_MS + 51);
    assert_eq!(node.worker.next_wait_over(), None);
}

/// The threshold was taken once for each read of a socket, so that it came too late for what was sent along with it.
#[test]
fn a_threshold_of_the_slow_log_holds_from_the_command_that_sets_it() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.send(&mut peer, b"config set slowlog-log-slower-than 0\r\n");
    node.send(&mut peer, b"set a b\r\n");
    assert_eq!(node.instance.slowlog.newest(10).len(), 2);
    let pipeline = b"*2\r\n$7\r\nslowlog\r\n$5\r\nreset\r\n\
        *4\r\n$6\r\nconfig\r\n$3\r\nset\r\n$23\r\nslowlog-log-slower-than\r\n$2\r\n-1\r\n\
        *3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$3\r\nget\r\n$1\r\na\r\n";
    node.send(&mut peer, pipeline);
    assert_eq!(node.instance.slowlog.newest(10).len(), 1);
}

/// A SET is not flagged FAST, and is as quick, unless it is of much.
#[test]
fn time_is_shared_with_short_sets_and_not_with_long_ones() {
    let instance = Node::new(&[]).instance;
    let mut line = Timeline::default();
    let mut timing = Timing::start(&instance, 0, &mut line);
    let mut is_alone = |request: &[u8]| {
        let (mut start, mut spans) = (0, Vec::new());
        for word in request.split(|&byte| byte == b' ') {
            spans.push(Span { start, len: word.len() as u32 });
            start += word.len() as u32 + 1;
        }
        let args = Args::new(request, &spans);
        timing.begin(resolve(&args).unwrap(), args)
    };
    assert!(!is_alone(b"get k"));
    assert!(!is_alone(b"set k v"));
    assert!(!is_alone(b"psetex k 1000 v"));
    assert!(is_alone(b"keys *"));
    assert!(is_alone(&[b"set k ".to_vec(), vec![b'v'; 16 * 1024]].concat()));
    assert!(!is_alone(&[b"append k ".to_vec(), vec![b'v'; 16 * 1024]].concat()));
}

#[test]
fn a_node_on_its_own_has_one_copy() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    node.send(
        &mut peer,
        b"client consistency w 2\r\nset a b\r\nget a\r\nincr a\r\nclient consistency w quorum\r\nset a c\r\n\
          client consistency w 3 once\r\nset a d\r\nset a e\r\nclient consistency r quorum w default\r\nget a\r\n",
    );
    assert_eq!(
        peer.replies(),
        "+OK\\r\\n-NOQUORUM applied on 1 of 2\\r\\n$1\\r\\nb\\r\\n-ERR value is not an integer or out of range\\r\\n\
         +OK\\r\\n+OK\\r\\n+OK\\r\\n-NOQUORUM applied on 1 of 3\\r\\n+OK\\r\\n+OK\\r\\n$1\\r\\ne\\r\\n"
    );
    // A command that there is not is one all the same.
    node.send(&mut peer, b"client consistency w 3 once\r\nnonsense\r\nset a b\r\n");
    let replies = peer.replies();
    assert!(replies.starts_with(r"+OK\r\n-ERR unknown command"), "{replies}");
    assert!(replies.ends_with(r"\r\n+OK\r\n"), "{replies}");
    node.instance.configure(&[("default-write-consistency", "2")]).unwrap();
    let mut other = node.connect();
    node.send(&mut other, b"set a f\r\nclient consistency w one\r\nset a g\r\nget a\r\n");
    assert_eq!(
        other.replies(),
        "-NOQUORUM applied on 1 of 2\\r\\n+OK\\r\\n+OK\\r\\n$1\\r\\ng\\r\\n"
    );
}

#[test]
fn what_a_script_called_before_it_began_again_is_not_shown() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let script = "redis.call('echo', 'a') return redis.call('dbsize')";
    node.send(&mut peer, format!("monitor\r\neval \"{script}\" 0\r\n").as_bytes());
    let shown = String::from_utf8_lossy(&peer.out).into_owned();
    assert_eq!(shown.matches("\"echo\"").count(), 1, "{shown}");
}

#[test]
fn what_one_script_calls_is_shown_up_to_a_bound() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let script = "for i = 1, 40000 do redis.call('echo', 'aaaaaaaaaaaaaaaa') end";
    node.send(&mut peer, format!("monitor\r\neval \"{script}\" 0\r\nping\r\n").as_bytes());
    let most = SCRIPT_FEED_BYTES_MAX + 1024;
    assert!((SCRIPT_FEED_BYTES_MAX..most).contains(&peer.out.len()), "{}", peer.out.len());
    assert!(peer.out.ends_with(b"\"ping\"\r\n"), "what comes behind is shown");
}

#[test]
fn an_empty_store_has_no_room_below_a_few_bytes() {
    let mut node = Node::new(&[("maxmemory", "1"), ("maxmemory-policy", "allkeys-lru")]);
    let mut peer = node.connect();
    node.send(&mut peer, b"set a b\r\n");
    assert_eq!(peer.replies(), r"-OOM command not allowed when used memory > \'maxmemory\'.\r\n");
}

#[test]
fn info_tells_waits_that_a_keys_removal_would_end_apart() {
    let mut node = Node::new(&[]);
    let (mut list, mut group) = (node.connect(), node.connect());
    let mut peer = node.connect();
    node.send(&mut list, b"blpop l 0\r\n");
    node.send(&mut group, b"xgroup create s g $ mkstream\r\n");
    node.send(&mut group, b"xreadgroup group g c block 0 streams s >\r\n");
    node.send(&mut peer, b"info clients\r\n");
    let shown = String::from_utf8_lossy(&peer.out).into_owned();
    for expected in ["total_blocking_keys:2\r\n", "total_blocking_keys_on_nokey:1\r\n"] {
        assert!(shown.contains(expected), "{expected} in {shown}");
    }
}

/// A command that waited stood in the slow log before its client was answered, and most errors with which a wait ended counted nowhere.
#[test]
fn a_wait_counts_when_it_is_answered() {
    let mut node = Node::with_mailbox(&[("slowlog-log-slower-than", "0")]);
    let (mut list, mut group, mut peer) = (node.connect(), node.connect(), node.connect());
    let logged = |node: &Node| -> Vec<String> {
        let entries = node.instance.slowlog.newest(10);
        entries.iter().map(|it| String::from_utf8_lossy(&it.args[0]).into_owned()).collect()
    };
    node.send(&mut peer, b"xgroup create s g $ mkstream\r\nslowlog reset\r\n");
    node.send(&mut list, b"blpop l 0\r\n");
    node.send(&mut group, b"xreadgroup group g c block 0 streams s >\r\n");
    assert_eq!(logged(&node), ["slowlog"]);

    let unblock =
        format!("client unblock {} error\r\nxgroup destroy s g\r\n", list.client.session.id);
    node.send(&mut peer, unblock.as_bytes());
    node.worker.look_after_waits(&node.instance);
    assert_eq!(logged(&node), ["xreadgroup", "blpop", "xgroup", "client", "slowlog"]);
    peer.out.clear();
    node.send(&mut peer, b"info errorstats commandstats\r\n");
    let stats = String::from_utf8_lossy(&peer.out).into_owned();
    for counted in ["UNBLOCKED:count=1\r\n", "NOGROUP:count=1\r\n"] {
        assert!(stats.contains(counted), "{counted} in {stats}");
    }
    for command in ["blpop", "xreadgroup"] {
        let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
        let line = line.unwrap_or_else(|| panic!("{command} in {stats}"));
        assert!(line.ends_with("rejected_calls=0,failed_calls=1"), "{line}");
    }
}

/// A pause of writes held every EVAL, EVALSHA and FCALL, whatever the script says of itself.
#[test]
fn a_pause_of_writes_lets_pass_what_says_that_it_reads() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let load = "script load \"#!lua flags=no-writes\\nreturn 2\"\r\nfunction load \"#!lua name=l\\n\
        redis.register_function{function_name='f', callback=function() return 3 end, flags={'no-writes'}}\\n\
        redis.register_function('g', function() return 4 end)\"\r\n";
    node.send(&mut peer, load.as_bytes());
    let sha = String::from_utf8_lossy(&peer.out[5..45]).into_owned();
    peer.out.clear();
    node.instance.clients.pause(START_MS + 100, PauseMode::Write, START_MS);
    let held = Verdict::Parked(Park::Pause(START_MS + 100));

    let reads = format!(
        "eval \"#!lua flags=no-writes\\nreturn 1\" 0\r\nevalsha {sha} 0\r\nfcall f 0\r\nmulti\r\nfcall f 0\r\nexec\r\n"
    );
    assert!(matches!(node.send(&mut peer, reads.as_bytes()), Verdict::Drained(_)));
    assert_eq!(peer.replies(), r":1\r\n:2\r\n:3\r\n+OK\r\n+QUEUED\r\n*1\r\n:3\r\n");
    for may_write in
        ["eval \"return 1\" 0", "eval \"#!lua\\nreturn 1\" 0", "fcall g 0", "evalsha x 0"]
    {
        let mut peer = node.connect();
        assert_eq!(
            node.send(&mut peer, format!("{may_write}\r\n").as_bytes()),
            held,
            "{may_write}"
        );
    }
    node.instance.clients.pause(START_MS + 200, PauseMode::All, START_MS + 100);
    node.advance(100);
    let held = Verdict::Parked(Park::Pause(START_MS + 200));
    assert_eq!(node.send(&mut peer, b"fcall f 0\r\n"), held);
}

/// An error of a command in a script counted twice where the script ended with it, and a command that was refused there did not count as rejected.
#[test]
fn what_fails_in_a_script_counts_once() {
    let mut node = Node::new(&[]);
    let mut peer = node.connect();
    let mut check = |script: &str, total: u32, counted: &[&str]| {
        node.send(&mut peer, b"config resetstat\r\n");
        node.send(&mut peer, format!("{script}\r\n").as_bytes());
        peer.out.clear();
        node.send(&mut peer, b"info stats commandstats\r\n");
        let stats = String::from_utf8_lossy(&peer.out).into_owned();
        let total = format!("total_error_replies:{total}");
        for counted in counted.iter().chain([&&*total]) {
            assert!(stats.contains(&format!("{counted}\r\n")), "{counted} of {script} in {stats}");
        }
    };
    let rejected = "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0";
    let failed = "usec_per_call=0.00,rejected_calls=0,failed_calls=1";
    let (set, get) = (format!("cmdstat_set:{rejected}"), format!("cmdstat_get:{rejected}"));
    let (select, eval) = (
        format!("cmdstat_select:calls=1,usec=0,{failed}"),
        format!("cmdstat_eval:calls=1,usec=0,{failed}"),
    );
    check("eval \"return redis.call('select', 99)\" 0", 1, &[&select, &eval]);
    check("eval \"return redis.pcall('select', 99)\" 0", 1, &[&select, &eval]);
    check("eval \"redis.pcall('select', 99)\" 0", 1, &[&select]);
    check("eval \"return redis.call('nope')\" 0", 1, &[&eval]);
    check("eval \"redis.pcall('nope')\" 0", 1, &[]);
    check("eval \"return redis.call('get')\" 0", 1, &[&get, &eval]);
    check("eval_ro \"return redis.call('set', 'a', 'b')\" 1 a", 1, &[&set]);
    check("eval \"redis.pcall('get') error('no')\" 0", 2, &[&get, &eval]);
    check("eval \"error('no')\" 0", 1, &[&eval]);
}

/// MULTI was refused while a script kept the node busy: what a client had sent behind it ran by itself when the script was over.
#[test]
fn a_transaction_that_begins_while_the_node_is_busy_fails_whole() {
    let node = Node::new(&[]);
    let mut peer = node.connect();
    let Node { instance, mut worker } = node;
    let mut say = |bytes: &[u8]| {
        peer.send(bytes, &mut worker, &instance);
        peer.replies()
    };
    let mut slow = instance.scripts.standing.enter(0, Running::default());
    slow.set_busy();
    let begun = say(b"multi\r\nset a b\r\n");
    assert!(begun.starts_with(r"+OK\r\n-BUSY Redis is busy running a script."), "{begun}");
    drop(slow);
    assert_eq!(
        say(b"set a c\r\nexec\r\nexists a\r\n"),
        r"+QUEUED\r\n-EXECABORT Transaction discarded because of previous errors.\r\n:0\r\n"
    );

    let mut slow = instance.scripts.standing.enter(0, Running::default());
    slow.set_busy();
    assert_eq!(say(b"multi\r\ndiscard\r\nunwatch\r\n"), r"+OK\r\n+OK\r\n+OK\r\n");
    assert!(
        say(b"multi\r\nexec\r\n")
            .starts_with(r"+OK\r\n-EXECABORT Transaction discarded because of: BUSY")
    );
    drop(slow);
    assert_eq!(say(b"ping\r\n"), r"+PONG\r\n");
}
