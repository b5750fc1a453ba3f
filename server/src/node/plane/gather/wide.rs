//! Commands that concern all nodes: each is asked about the slots that it serves.
//!
//! A plan holds for one state of the route table. While a slot has no owner it waits; if a node that was asked is given up, the whole is planned anew, for
//! others serve its slots then.

use super::{Begin, Job, Plan, Plane, Sink, Target, Wide, new_unit};
use crate::admin::Instance;
use crate::cluster::route::Route;
use crate::cluster::view::MemberIndex;
use crate::command::consistency::Seen;
use crate::node::plane::{Timer, error_bytes};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::WireError;
use torc_protocol::slot::{SLOT_COUNT, Slot};

/// How long a job waits before it looks again whether every slot has an owner.
const PLAN_AGAIN: Duration = Duration::from_millis(2);

impl Plane {
    /// Asks all nodes. `command` is what each is sent.
    pub(in crate::node) fn ask_all(
        &mut self,
        instance: &Instance,
        begin: Begin,
        wide: Wide,
        command: Vec<u8>,
    ) {
        let number = self.number();
        let writes = matches!(wide, Wide::Flush);
        let mut job = Job::new(begin, Plan::Wide(wide, command, 0), 0, Vec::new(), true);
        job.writes = writes;
        self.jobs.insert(number, job);
        self.plan(instance, number);
    }

    /// Sends a wide command's parts, or waits until every slot that it concerns has an owner.
    pub(in crate::node::plane) fn plan(&mut self, instance: &Instance, number: u64) {
        let Some(view) = instance.cluster.view() else { return };
        let Some(mut job) = self.jobs.remove(&number) else { return };
        let Plan::Wide(wide, command, routes_before) = &mut job.plan else { return };
        let concerned: Vec<(Slot, u64)> = match &wide {
            Wide::Least(_, seen) => seen.slots().map(|(slot, v)| (slot, v.get())).collect(),
            _ => (0..SLOT_COUNT as u16).filter_map(Slot::new).map(|slot| (slot, 0)).collect(),
        };
        *routes_before = routes_digest(instance);
        let mut owners: BTreeMap<MemberIndex, Seen> = BTreeMap::new();
        let mut unsettled = None;
        for (slot, version) in concerned {
            let owner = match instance.cluster.routes().get(slot) {
                Route::Serve => view.me(),
                Route::Forward(index) if view.member(index).is_some() => index,
                Route::Down => {
                    unsettled = Some(WireError::SlotDown);
                    break;
                }
                Route::Forward(_) | Route::Wait => {
                    let moving =
                        WireError::fixed("TRYAGAIN A slot is changing hands; nothing was changed");
                    unsettled = Some(moving);
                    break;
                }
            };
            let seen = owners.entry(owner).or_default();
            if version != 0 {
                seen.note(slot, crate::base::version::Version::from_bits(version));
            }
        }
        if let Some(error) = unsettled {
            if self.now < job.deadline {
                let time = (self.now + PLAN_AGAIN).min(job.deadline);
                self.timers.insert((time, Timer::Plan(number)));
                self.jobs.insert(number, job);
            } else {
                self.finish_job(job, error_bytes(&error));
            }
            return;
        }
        let count = if *wide == Wide::Pick { 2 } else { 1 };
        let (writes, blocking) = (*wide == Wide::Flush, matches!(wide, Wide::Least(..)));
        let begin = Begin {
            key: job.key,
            hole: job.hole,
            session: job.session.clone(),
            deadline: job.deadline,
        };
        let mut units = Vec::new();
        for (part, (owner, seen)) in owners.into_iter().enumerate() {
            let sink = Sink::Job(number, part);
            let command = command.clone();
            let mut unit = new_unit(&begin, Target::Node(owner), sink, command, count, writes);
            if blocking {
                let mut session = (*begin.session).clone();
                seen.encode(&mut session.token);
                unit.session = Arc::new(session);
                unit.blocking = true;
            }
            units.push(unit);
        }
        job.parts = vec![None; units.len()];
        job.left = units.len();
        self.jobs.insert(number, job);
        for unit in units {
            self.start(instance, &view, unit);
        }
    }

    /// A node that a job asked is gone: the whole is planned anew. What else was asked for the old plan's sake is not waited for.
    pub(in crate::node::plane) fn plan_anew(&mut self, instance: &Instance, number: u64) {
        let Some(job) = self.jobs.remove(&number) else { return };
        let number = self.number();
        self.jobs.insert(number, job);
        self.plan(instance, number);
    }
}

/// What tells one state of the route table from another.
pub(super) fn routes_digest(instance: &Instance) -> u64 {
    let routes = instance.cluster.routes();
    (0..SLOT_COUNT as u16).filter_map(Slot::new).fold(0u64, |digest, slot| {
        let word = match routes.get(slot) {
            Route::Serve => 1,
            Route::Wait => 2,
            Route::Down => 3,
            Route::Forward(index) => 4 + u64::from(index.0),
        };
        (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}
