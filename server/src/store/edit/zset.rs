//! Edits of sorted sets.

use super::{Edit, Known, text};
use crate::store::chain::Step;
use crate::store::change::ElementChange;
use crate::types::collection::{Stamp, Zset, ZsetView};

impl Edit<'_, Zset> {
    /// To read it.
    pub fn view(&self) -> ZsetView<'_> {
        self.value.view()
    }

    /// Sets the score of a member. Returns the score that it had.
    pub fn set(&mut self, member: &[u8], score: f64) -> Option<f64> {
        let stamp = self.stamp();
        if self.is_told() {
            self.replace(member);
            let score = score.to_bits().to_be_bytes();
            self.tell(&ElementChange::Put { id: member, value: text(&score) });
        }
        self.value.insert(member, score, stamp, self.limits).map(|known| known.score)
    }

    /// Adds `by` to the score of a member, which comes to `score`.
    pub fn add(&mut self, member: &[u8], score: f64, by: f64) {
        let known = self.value.view().member(member);
        let known = known.map(|known| Known {
            dot: known.stamp.dot,
            siblings: known.stamp.siblings.to_vec(),
            value: known.score.to_bits().to_be_bytes().to_vec(),
        });
        let before = self.value.view().score(member).unwrap_or_default();
        let step = Step::Score { before, after: before + by };
        let mixed = self.count(known.as_ref(), step);
        let shown = mixed.as_ref().and_then(|mixed| <[u8; 8]>::try_from(&mixed.shown[..]).ok());
        let (Some(mixed), Some(shown)) = (mixed, shown) else {
            self.set(member, score);
            return;
        };
        self.tell_count(member, known, &mixed);
        let stamp = Stamp { dot: self.stamp().dot, siblings: &mixed.siblings };
        let shown = f64::from_bits(u64::from_be_bytes(shown));
        self.value.insert(member, shown, stamp, self.limits);
    }

    /// Removes a member. Returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        self.value.view().score(member)?;
        self.stamp();
        if self.is_told() {
            self.replace(member);
            self.tell(&ElementChange::Remove { id: member });
        }
        self.value.remove(member).map(|known| known.score)
    }

    /// Removes the members of ranks `from` up to but not with `to`. Returns how many.
    pub fn remove_ranks(&mut self, from: u64, to: u64) -> u64 {
        if !self.is_told() {
            let count = self.value.remove_ranks(from, to);
            self.touched |= count > 0;
            return count;
        }
        let members: Vec<Vec<u8>> =
            self.value.view().range(from, to, false).map(|scored| scored.member.to_vec()).collect();
        members.iter().filter(|member| self.remove(member).is_some()).count() as u64
    }

    /// Notes what a change of `member` takes the place of.
    fn replace(&mut self, member: &[u8]) {
        if let Some(known) = self.value.view().member(member) {
            self.told.replace(known.stamp);
        }
    }
}
