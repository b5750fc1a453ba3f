//! Cluster clients, unmodified, through the death and the return of a node: they must find their way by themselves, without a new client object.
//!
//! What clients do while all is well is in `tests/clients/run`.

use super::{W2, serves_with};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;
use torc_tests::ring::{self, LIMIT, Node, await_whole};
use torc_tests::wait;

/// The programs give themselves 30 s to recover, and read everything again at the end.
const ANSWER: Duration = Duration::from_secs(60);

/// A program that uses a cluster client; it is asked by lines, and answers each by one. See `tests/clients/recover.*`.
struct Program {
    name: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Program {
    fn start(name: &'static str, interpreter: PathBuf, script: &str, nodes: &[Node]) -> Program {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let ports = nodes.iter().map(|node| node.place.cluster.port().to_string());
        let mut command = Command::new(&interpreter);
        command.arg(root.join("tests/clients").join(script)).args(ports);
        command.env("NODE_PATH", root.join("target/ioredis/node_modules"));
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| {
            panic!("{name}: {}: {error}; `tests/run cluster` installs it", interpreter.display())
        });
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Program { name, input: child.stdin.take(), child, answers }
    }

    #[track_caller]
    fn answer(&self) -> String {
        let answer = self.answers.recv_timeout(ANSWER);
        let answer = answer.unwrap_or_else(|error| panic!("{} says nothing: {error}", self.name));
        assert!(!answer.contains("FAILED"), "{}: {answer}", self.name);
        answer
    }

    /// Waits until the client has found `nodes` nodes, and works with them.
    #[track_caller]
    fn recovers(&mut self, nodes: usize) {
        writeln!(self.input.as_mut().unwrap(), "{nodes}").unwrap();
        assert_eq!(self.answer(), format!("works with {nodes} nodes"), "{}", self.name);
    }

    /// Ends it; every write that was acknowledged to it must be there.
    #[track_caller]
    fn end(mut self) {
        drop(self.input.take());
        println!("{}: {}", self.name, self.answer());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn cluster_clients_recover_when_a_node_dies_and_comes_back() {
    let mut nodes = ring::ring(3, W2);
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let mut programs = [
        Program::start("RedisCluster", python, "recover.py", &nodes),
        Program::start("ioredis Cluster", "node".into(), "recover.js", &nodes),
    ];
    programs.iter_mut().for_each(|program| program.recovers(3));
    nodes[2].kill();
    wait::until("the others serve everything", LIMIT, || nodes[..2].iter().all(serves_with(2)));
    programs.iter_mut().for_each(|program| program.recovers(2));
    nodes[2].run();
    nodes[2].await_answer();
    await_whole(&nodes, LIMIT);
    programs.iter_mut().for_each(|program| program.recovers(3));
    programs.into_iter().for_each(Program::end);
    await_whole(&nodes, LIMIT);
}
