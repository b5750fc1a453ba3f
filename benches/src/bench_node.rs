//! A node with one client and no network: the bytes of a client in, the bytes of its replies out, as a worker runs it. And one that keeps its copies: effects in,
//! acknowledgements out.

use std::sync::Arc;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_server::admin::Instance;
use torc_server::admin::clients::Endpoint;
use torc_server::base::clock::Clock;
use torc_server::base::version::Tag;
use torc_server::cluster::member::Member;
use torc_server::cluster::route::Route;
use torc_server::cluster::{NodeId, View};
use torc_server::command::Session;
use torc_server::config::Settings;
use torc_server::node::plane::Plane;
use torc_server::node::replicator::Replicator;
use torc_server::node::{Client, Verdict, WorkerState, run};
use torc_server::replication::journal::WorkerJournal;
use torc_server::replication::slots::Slots;

/// See the module's description.
#[derive(Debug)]
pub struct BenchNode {
    instance: Arc<Instance>,
    worker: WorkerState,
    client: Client,
    out: Vec<u8>,
}

impl BenchNode {
    /// An empty node.
    pub fn start() -> BenchNode {
        let instance = Arc::new(Instance::new(Settings::default(), Clock::system(), 1));
        let worker = WorkerState::new(&instance, 0);
        let info = instance.clients.register(Endpoint::default(), 0, instance.clock.unix_ms());
        let client = Client::new(Session::new(info, true));
        BenchNode { instance, worker, client, out: Vec::new() }
    }

    /// An empty node that is alone in its ring: it serves every slot, and what it writes is taken down for copies to come.
    pub fn start_in_ring() -> BenchNode {
        const TAG: u16 = 1;
        let mut node = BenchNode::start();
        let BenchNode { instance, worker, .. } = &mut node;
        let replicator = replicator(Tag::new(TAG), instance, worker);
        worker.join_ring(Plane::new(Box::new(replicator), 1));
        let me = Member::on_loopback(NodeId(1), TAG);
        instance.cluster.publish(Arc::new(View::build(vec![me], NodeId(1), 1)));
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            instance.cluster.routes().set(slot, Route::Serve);
        }
        node
    }

    /// What it writes from now on is told to a copy, by [`BenchNode::read_effects`].
    pub fn attach_copy(&mut self) {
        self.journal().log().attach(COPY);
    }

    /// The effects that were not read before, as the payload of one message.
    ///
    /// # Panics
    /// If some of them were dropped, as more were written than the log holds.
    pub fn read_effects(&mut self) -> Vec<u8> {
        let mut effects = Vec::new();
        let read = self.journal().log().read(COPY, |_| true, usize::MAX / 2, &mut effects);
        assert!(!read.fell_off, "more was written than the log holds");
        effects
    }

    fn journal(&mut self) -> &mut WorkerJournal {
        let journal =
            self.worker.local.journal().and_then(|journal| journal.as_any().downcast_mut());
        journal.expect("a node of a ring")
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

/// The name of the copy among the log's readers.
const COPY: u64 = 2;

/// Makes a worker write as one of the incarnation `tag`.
fn replicator(tag: Tag, instance: &Arc<Instance>, worker: &mut WorkerState) -> Replicator {
    const LOG_BYTES: usize = 1 << 20;
    instance.store.replicate(tag, instance.clock.unix_ms());
    worker.local.set_journal(Some(Box::new(WorkerJournal::new(tag, LOG_BYTES))));
    Replicator::new(Arc::clone(instance), Arc::new(Slots::new(tag)))
}

/// See the module's description.
#[derive(Debug)]
pub struct BenchCopy {
    worker: WorkerState,
    replicator: Replicator,
    acks: Vec<u8>,
}

impl BenchCopy {
    /// An empty copy.
    pub fn start() -> BenchCopy {
        let BenchNode { instance, mut worker, .. } = BenchNode::start();
        let replicator = replicator(Tag::new(2), &instance, &mut worker);
        BenchCopy { worker, replicator, acks: Vec::new() }
    }

    /// Applies effects. Returns what is acknowledged.
    ///
    /// # Panics
    /// If they are no effects.
    pub fn receive(&mut self, effects: &[u8]) -> &[u8] {
        self.acks.clear();
        let applied =
            self.replicator.receive_effects(&mut self.worker.local, effects, &mut self.acks);
        applied.expect("effects of a node");
        &self.acks
    }
}
