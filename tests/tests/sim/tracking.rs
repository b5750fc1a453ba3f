//! What nodes tell each other for clients that track, on its way, and the turn of a worker in which it is told.
//!
//! These frames have queues of their own beside those of a data link's requests and effects, as they have a class of their own on a real one, and live and die with the link. So
//! they may overtake requests, as nothing forbids. How late they are is drawn from a stream of its own: where nobody tracks a world is what it would be without them.

use super::net::{Line, Message};
use super::node::{Node, node_id};
use super::sabotage::Sabotage;
use super::world::{Event, World};
use std::collections::BTreeMap;
use torc_protocol::peer::changes::decode_tracks;
use torc_protocol::peer::frame::{self, Decoded};
use torc_protocol::peer::message::encode_heard;
use torc_protocol::peer::{Head, Kind, Limits};
use torc_server::admin::mailbox::Fed;
use torc_server::base::rng::Rng;
use torc_server::node::tracks::{End, Hearing, LinkTracks, confirm_tracks, note_news, note_tracks};

/// A node's ends of its data links: by the other node, and whether it is the one that this node dialled.
pub type Ends = BTreeMap<(usize, bool), LinkTracks>;

/// What a world needs for clients that track.
pub struct Tracking {
    pub rng: Rng,
    /// How each node is tied to who serves a slot, and since when; see [`super::tracker`].
    pub ties: BTreeMap<(usize, u16), (super::tracker::Tie, u64)>,
    /// Whether held values are looked at.
    pub looks: bool,
}

impl Tracking {
    pub fn new(seed: u64) -> Tracking {
        let rng = Rng::seeded(seed ^ 0x7472_6163);
        Tracking { rng, ties: BTreeMap::new(), looks: false }
    }
}

fn own(ends: &mut Ends) -> impl Iterator<Item = &mut LinkTracks> {
    ends.iter_mut().filter(|((_, is_own), _)| *is_own).map(|(_, end)| end)
}

impl Node {
    /// An end of a data link to `peer` is open.
    pub fn end_opens(&mut self, peer: usize, is_own: bool) {
        let source = self.instance.pubsub.new_source();
        let mut end = LinkTracks::new(End { node: node_id(peer), source, is_own, tells: true });
        end.open(&self.instance.tracking);
        self.ends.insert((peer, is_own), end);
    }

    /// It is lost.
    pub fn end_lost(&mut self, peer: usize, is_own: bool) {
        if let Some(mut end) = self.ends.remove(&(peer, is_own)) {
            end.lose(&self.instance);
        }
    }
}

impl World {
    /// Sends a frame from `from` by a data link; it is lost with the link.
    fn post_news(&mut self, line: Line, from: usize, kind: Kind, payload: &[u8]) {
        let side = line.side_of(from);
        if !self.link(line).open[side] {
            return;
        }
        let mut payload = payload.to_vec();
        if let Some(sabotage) = self.setup.sabotage
            && !sabotage.news(self, kind, &mut payload)
        {
            return;
        }
        let mut bytes = Vec::new();
        frame::encode(Head::of(kind), &mut bytes, |out| {
            out.extend_from_slice(&payload);
            Ok(())
        })
        .unwrap();
        let rng = &mut self.tracking.rng;
        let usual = 100 + rng.below(self.net.latency_us);
        let late = if rng.below(100) == 0 { rng.below(30_000) } else { 0 };
        let at = self.now + usual + late;
        let link = self.link(line);
        let queue = &mut link.news[1 - side];
        let due = queue.back().map_or(at, |last| at.max(last.due));
        queue.push_back(Message { due, bytes });
        let life = link.life;
        self.at(due, Event::News(line, 1 - side, life));
    }

    /// Has a frame about who tracks arrive once more, much later.
    fn post_again(&mut self, line: Line, side: usize, payload: &[u8]) {
        let mut bytes = Vec::new();
        let head = Head { id: 1, ..Head::of(Kind::Tracks) };
        frame::encode(head, &mut bytes, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })
        .unwrap();
        let due = self.now + 700_000;
        let link = self.link(line);
        link.news[side].push_back(Message { due, bytes });
        let life = link.life;
        self.at(due, Event::News(line, side, life));
    }

    pub fn deliver_news(&mut self, line: Line, side: usize, life: u64) {
        let (from, to) = (line.end(1 - side), line.end(side));
        let link = &self.net.links[&line];
        if link.life != life || link.news[side].front().is_none_or(|it| it.due > self.now) {
            return;
        }
        if self.net.is_cut(from, to) || self.seats[to].paused {
            self.at(self.now + 20_000, Event::News(line, side, life));
            return;
        }
        let link = self.link(line);
        let Some(message) = link.news[side].pop_front() else { return };
        if link.open[side] {
            self.news(line, side, &message.bytes);
        }
    }

    /// A frame has arrived.
    fn news(&mut self, line: Line, side: usize, bytes: &[u8]) {
        let (from, to) = (line.end(1 - side), line.end(side));
        let limits = Limits::established(512 << 20);
        let Ok(Decoded::Frame(frame)) = frame::decode(bytes, &mut 0, &limits) else {
            panic!("not a frame: {}", bytes.escape_ascii());
        };
        let (Some(kind), payload) = (frame.header.kind, frame.payload) else { return };
        let sabotage = self.setup.sabotage;
        let Some(node) = self.node(to) else { return };
        let is_early = sabotage == Some(Sabotage::HearLater) && frame.header.id == 0;
        if kind == Kind::Tracks && (sabotage == Some(Sabotage::DeafToTracks) || is_early) {
            let mut heard = Vec::new();
            encode_heard(decode_tracks(payload).unwrap().1, &mut heard);
            if is_early {
                self.post_again(line, side, payload);
            }
            return self.post_news(line, to, Kind::TracksHeard, &heard);
        }
        let Node { instance, worker, ends, .. } = node;
        if kind == Kind::Changed {
            instance.tracking.hear_changed(&instance.clients, worker.index, payload).unwrap();
            return self.tell_news(to);
        }
        let Some(end) = ends.get_mut(&(from, side == 0)) else { return };
        match kind {
            Kind::TracksHeard => {
                end.confirmed(&instance.tracking, payload).unwrap();
                self.confirm_tracks(to);
            }
            _ => end.peer_tells(payload).unwrap(),
        }
        self.tell_news(to);
    }

    /// Lets clients go on that wait until all have heard that they track.
    fn confirm_tracks(&mut self, number: usize) {
        let Some(node) = self.node(number) else { return };
        if confirm_tracks(&node.instance.tracking, own(&mut node.ends).map(|end| &*end)) {
            node.worker.on_time(&node.instance);
            self.drain(number);
        }
    }

    /// An end of a data link opens, or is lost, whether its node is awake to see it or not.
    pub fn turn_end(&mut self, line: Line, side: usize, is_open: bool) {
        let (me, other) = (line.end(side), line.end(1 - side));
        let Some(node) = &mut self.seats[me].node else { return };
        if is_open {
            node.end_opens(other, side == 0);
        } else {
            node.end_lost(other, side == 0);
        }
        if side == 0 {
            self.confirm_tracks(me);
        }
    }

    /// The end of a worker's turn: peers and clients are told what it has brought.
    pub fn tell_news(&mut self, number: usize) {
        let Some(node) = self.node(number) else { return };
        node.worker.tell_changes(&node.instance);
        let Node { instance, worker, ends, .. } = node;
        let tracking = &instance.tracking;
        let mut frames = Vec::new();
        for (&(peer, is_own), end) in ends.iter_mut() {
            if let Hearing::Answer(heard) = end.hear(instance, &mut worker.local) {
                frames.push((peer, is_own, Kind::TracksHeard, heard));
            }
        }
        let has_changed = note_tracks(tracking, own(ends));
        note_news(tracking, worker.index, own(ends));
        for (&(peer, is_own), end) in ends.iter_mut() {
            while let Some(payload) = end.next_word(tracking) {
                frames.push((peer, is_own, Kind::Tracks, payload));
            }
            while let Some(payload) = end.next_news() {
                frames.push((peer, is_own, Kind::Changed, payload.to_vec()));
            }
        }
        for (peer, is_own, kind, payload) in frames {
            let (dialler, other) = if is_own { (number, peer) } else { (peer, number) };
            let line = Line { dialler, other, control: false };
            self.post_news(line, number, kind, &payload);
        }
        if has_changed {
            self.confirm_tracks(number);
        }
        self.hand_out_news(number);
    }

    /// Hands clients what they are told.
    fn hand_out_news(&mut self, number: usize) {
        let Some(node) = self.node(number) else { return };
        let instance = &node.instance;
        let Some(mailbox) = instance.clients.mailboxes.workers().first() else { return };
        if !mailbox.is_fed() {
            return;
        }
        let (items, lost) = mailbox.take_feed();
        let mut pushes = Vec::new();
        for item in items {
            if let Fed::Invalidation(push) = item {
                pushes.push(*push);
            }
        }
        if lost.trackers {
            pushes.extend(instance.tracking.make_good(&instance.clients, 0));
        }
        for push in pushes {
            self.guest_is_told(number, &push);
        }
    }
}
