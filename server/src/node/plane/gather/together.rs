//! Putting the parts together, and the last step of commands that write what they gathered.

use super::pure::{
    BAD_PART, by_position, fetched, least, list, merged, of_part, render, same, sorted_elements,
    sources, sum, union,
};
use super::wide::routes_digest;
use super::{Begin, Job, Plan, Plane, Sink, Target, Wide, new_unit};
use crate::admin::Instance;
use crate::command::dump::bounds;
use crate::command::gathered::{self, Gathered};
use crate::node::plane::{Answer, error_bytes, resp};
use crate::node::replies::Fill;
use crate::types::bitmap;
use std::sync::Arc;
use torc_protocol::slot::slot_of;
use torc_protocol::{Protocol, WireError};

impl Plane {
    /// A part of a job is there, or failed with this error.
    pub(in crate::node::plane) fn part_done(
        &mut self,
        number: u64,
        part: usize,
        result: Result<Vec<u8>, Vec<u8>>,
        versions: Vec<(u16, u64)>,
    ) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        job.versions.extend(versions);
        if let Some(place @ None) = job.parts.get_mut(part) {
            *place = Some(result);
            job.left -= 1;
            if job.left == 0 {
                self.finished.push_back(number);
            }
        }
    }

    /// All parts of a job are there.
    pub(in crate::node::plane) fn job_done(&mut self, instance: &Instance, number: u64) {
        let Some(mut job) = self.jobs.remove(&number) else { return };
        let mut values = Vec::with_capacity(job.parts.len());
        let alone = job.parts.len() == 1;
        let mut error = None;
        for part in job.parts.drain(..).flatten() {
            match part {
                Ok(bytes) => values.push(bytes),
                Err(line) => {
                    error.get_or_insert(line);
                }
            }
        }
        if let Some(line) = error {
            let line = if job.writes && !alone { of_part(line) } else { line };
            return self.finish_job(job, line);
        }
        match self.put_together(instance, number, job, &values) {
            Some((job, Ok(reply))) => self.finish_job(job, reply),
            Some((job, Err(error))) => {
                let bytes = error_bytes(&error);
                self.finish_job(job, bytes);
            }
            // It has another step to go.
            None => {}
        }
    }

    fn put_together(
        &mut self,
        instance: &Instance,
        number: u64,
        mut job: Job,
        values: &[Vec<u8>],
    ) -> Option<(Job, Result<Vec<u8>, WireError>)> {
        let replies: Vec<Vec<&[u8]>> =
            values.iter().map(|bytes| resp::replies(bytes).collect()).collect();
        let taken = |reply: &[u8]| reply.starts_with(b"-BUSYKEY");
        let tells_later = matches!(
            &job.plan,
            Plan::Stored { taken: Some(_), .. } | Plan::CountUnion(_) | Plan::MergeUnion(..)
        );
        if !tells_later
            && let Some(error) = replies.iter().flatten().find(|reply| resp::is_error(reply))
        {
            let error = error.to_vec();
            let error = if job.writes && replies.len() > 1 { of_part(error) } else { error };
            return Some((job, Ok(error)));
        }
        let protocol = job.session.protocol;
        let plan = std::mem::replace(&mut job.plan, Plan::AllOk);
        let done = match plan {
            Plan::Values(positions) => by_position(&positions, &replies),
            Plan::Sum => sum(&replies),
            Plan::AllOk => Ok(b"+OK\r\n".to_vec()),
            Plan::CountUnion(order) => union(&order, &replies)
                .map(|(union, _)| render(protocol, |reply| reply.integer(union.count() as i64))),
            Plan::Combine(operation, order, to) => {
                let result = sources(&order, &replies).map(|sources| {
                    let sources: Vec<&[u8]> =
                        sources.into_iter().map(Option::unwrap_or_default).collect();
                    bitmap::combine(operation, &sources)
                });
                match result {
                    Ok(result) => {
                        let reply = render(protocol, |reply| reply.integer(result.len() as i64));
                        let words: &[&[u8]] = if result.is_empty() {
                            &[b"DEL", &to]
                        } else {
                            &[b"SET", &to, &result]
                        };
                        let (db, plan) = (job.session.db, Plan::Stored { reply, taken: None });
                        self.store(instance, number, job, (db, &to, words), plan);
                        return None;
                    }
                    Err(error) => Err(error),
                }
            }
            Plan::MergeUnion(order, to) => match merged(instance, &order, &replies) {
                Ok(value) => {
                    let words: &[&[u8]] = &[b"SET", &to, &value, b"KEEPTTL"];
                    let (db, plan) =
                        (job.session.db, Plan::Stored { reply: b"+OK\r\n".to_vec(), taken: None });
                    self.store(instance, number, job, (db, &to, words), plan);
                    return None;
                }
                Err(error) => Err(error),
            },
            Plan::Copy { to, to_db, replace } => {
                let source = replies.first().and_then(|of| Some((*of.first()?, *of.get(1)?)));
                let source = source.and_then(|(dump, at)| {
                    Some((resp::bulk(dump)?, resp::integer(at)?.max(0).to_string()))
                });
                match source {
                    None => Err(BAD_PART),
                    Some((None, _)) => Ok(b":0\r\n".to_vec()),
                    Some((Some(dump), deadline)) => {
                        let mut words: Vec<&[u8]> =
                            vec![b"RESTORE", &to, deadline.as_bytes(), dump, b"ABSTTL"];
                        if replace {
                            words.push(b"REPLACE");
                        }
                        let plan = Plan::Stored {
                            reply: b":1\r\n".to_vec(),
                            taken: Some(b":0\r\n".to_vec()),
                        };
                        self.store(instance, number, job, (to_db, &to, &words), plan);
                        return None;
                    }
                }
            }
            Plan::Fetched { name, order, request, to } => {
                let gathered = sources(&order, &replies)
                    .and_then(|sources| fetched(instance, name, &request, &sources, protocol));
                match (gathered, to) {
                    (Ok(Gathered::Store(payload, reply)), Some(to)) => {
                        self.restore(instance, number, job, (&to, payload), reply);
                        return None;
                    }
                    (Ok(Gathered::Answer(reply)), _) => Ok(reply),
                    (Ok(Gathered::Store(..)), None) => Err(BAD_PART),
                    (Err(error), _) => Err(error),
                }
            }
            Plan::Sorted { to } => match sorted_elements(&replies) {
                Some(elements) => {
                    let bounds = bounds(&instance.settings, &instance.store);
                    let Gathered::Store(payload, reply) =
                        gathered::sorted(elements.into_iter(), &bounds, protocol)
                    else {
                        return Some((job, Err(BAD_PART)));
                    };
                    self.restore(instance, number, job, (&to, payload), reply);
                    return None;
                }
                None => Err(BAD_PART),
            },
            Plan::Stored { reply, taken: other } => match (replies.concat().first(), other) {
                (Some(error), Some(other)) if taken(error) => Ok(other),
                (Some(error), _) if resp::is_error(error) => Ok(error.to_vec()),
                (Some(_), _) => Ok(reply),
                (None, _) => Err(BAD_PART),
            },
            Plan::Wide(Wide::Flush, command, routes) => {
                if routes != routes_digest(instance) && self.now < job.deadline {
                    // A slot may have come from a node that had not flushed it to one that had passed it.
                    job.plan = Plan::Wide(Wide::Flush, command, routes);
                    self.jobs.insert(number, job);
                    self.plan(instance, number);
                    return None;
                }
                Ok(b"+OK\r\n".to_vec())
            }
            Plan::Wide(Wide::Sum, ..) => sum(&replies),
            Plan::Wide(Wide::Same, ..) => same(&replies),
            Plan::Wide(Wide::List, ..) => list(&replies),
            Plan::Wide(Wide::Pick, ..) => self.pick(protocol, &replies),
            Plan::Wide(Wide::Least(counted, _), ..) => least(counted, &replies),
        };
        Some((job, done))
    }

    /// The last step of what makes a collection: puts it at the destination, in the place of what is there. None leaves nothing there.
    fn restore(
        &mut self,
        instance: &Instance,
        number: u64,
        job: Job,
        (to, payload): (&[u8], Option<Vec<u8>>),
        reply: Vec<u8>,
    ) {
        let words: &[&[u8]] = match &payload {
            Some(payload) => &[b"RESTORE", to, b"0", payload, b"REPLACE"],
            None => &[b"DEL", to],
        };
        let (db, plan) = (job.session.db, Plan::Stored { reply, taken: None });
        self.store(instance, number, job, (db, to, words), plan);
    }

    /// The last step: writes what was computed at the destination.
    fn store(
        &mut self,
        instance: &Instance,
        number: u64,
        mut job: Job,
        (db, to, words): (u8, &[u8], &[&[u8]]),
        plan: Plan,
    ) {
        let Some(view) = instance.cluster.view() else { return };
        let mut session = (*job.session).clone();
        session.db = db;
        let begin = Begin {
            key: job.key,
            hole: job.hole,
            session: Arc::new(session),
            deadline: job.deadline,
        };
        let mut commands = Vec::new();
        resp::push_command(words.iter().copied(), &mut commands);
        let target = Target::Slot(slot_of(to));
        let unit = new_unit(&begin, target, Sink::Job(number, 0), commands, 1, true);
        job.plan = plan;
        job.parts = vec![None];
        job.left = 1;
        self.jobs.insert(number, job);
        self.start(instance, &view, unit);
    }

    pub(super) fn finish_job(&mut self, job: Job, reply: Vec<u8>) {
        let Job { key, hole, slots, barrier, versions, .. } = job;
        let answer = Answer::new(key, hole, Fill::Bytes(reply));
        self.answer(Answer { slots, barrier, versions, ..answer });
    }

    /// One node's random key, nodes with more keys being the likelier.
    fn pick(&mut self, protocol: Protocol, replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
        let mut weighted = Vec::with_capacity(replies.len());
        for of_node in replies {
            let &[key, count] = of_node.as_slice() else { return Err(BAD_PART) };
            let count = resp::integer(count).ok_or(BAD_PART)?.max(1) as u64;
            if resp::bulk(key).ok_or(BAD_PART)?.is_some() {
                weighted.push((key, count));
            }
        }
        let total: u64 = weighted.iter().map(|(_, count)| count).sum();
        let mut at = if total == 0 { 0 } else { self.rng.below(total) };
        for (key, count) in weighted {
            if at < count {
                return Ok(key.to_vec());
            }
            at -= count;
        }
        Ok(render(protocol, |reply| reply.null()))
    }
}
