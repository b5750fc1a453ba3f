//! A node with one client and no network: the bytes of a client in, the bytes of its replies out, as a worker runs it.

use torc_server::admin::Instance;
use torc_server::admin::clients::Endpoint;
use torc_server::base::clock::Clock;
use torc_server::command::Session;
use torc_server::config::Settings;
use torc_server::node::{Client, Verdict, WorkerState, run};

/// See the module's description.
#[derive(Debug)]
pub struct BenchNode {
    instance: Instance,
    worker: WorkerState,
    client: Client,
    out: Vec<u8>,
}

impl BenchNode {
    /// An empty node.
    pub fn start() -> BenchNode {
        let instance = Instance::new(Settings::default(), Clock::system(), 1);
        let worker = WorkerState::new(&instance, 0);
        let info = instance.clients.register(Endpoint::default(), 0, instance.clock.unix_ms());
        let client = Client::new(Session::new(info, true));
        BenchNode { instance, worker, client, out: Vec::new() }
    }

    /// Runs whole requests, as often as the pipeline wants to be called. Returns the last bytes of replies.
    pub fn run(&mut self, input: &mut [u8]) -> &[u8] {
        self.out.clear();
        let mut at = 0;
        loop {
            let worker = &mut self.worker;
            let progress =
                run(&mut self.client, &mut input[at..], &mut self.out, worker, &self.instance);
            at += progress.consumed;
            if !matches!(progress.verdict, Verdict::More) {
                return &self.out;
            }
        }
    }
}
