//! From duties to the table that workers route by.

use super::duty::wanted;
use super::{Core, Output, every_slot};
use crate::cluster::route::Route;
use crate::cluster::view::MemberIndex;
use torc_protocol::slot::Slot;

impl Core {
    /// Brings the route table, and what the store may drop by itself, in line with the duties.
    pub(super) fn set_routes(&mut self, out: &mut Vec<Output>) {
        let moved = std::mem::take(&mut self.moved);
        let changed = if std::mem::take(&mut self.routes_stale) {
            every_slot().filter(|&slot| self.set_route(slot)).count()
        } else {
            moved.into_iter().filter(|&slot| self.set_route(slot)).count()
        };
        if changed > 0 {
            out.push(Output::RoutesChanged);
        }
    }

    /// Who serves `slot`, which the view gives to `named`.
    fn server_instead_of(&self, named: MemberIndex, slot: Slot) -> MemberIndex {
        let index = self.hearsay.instead_of(named, slot).and_then(|id| self.index_of(id));
        index.filter(|&index| self.view.is_alive(index)).unwrap_or(named)
    }

    /// Returns whether anything changed.
    pub(super) fn set_route(&self, slot: Slot) -> bool {
        let routes = self.instance.cluster.routes();
        let route = match self.duties.route(&self.view, slot) {
            Some(index) if index == self.view.me() => Route::Serve,
            Some(index) => Route::Forward(self.server_instead_of(index, slot)),
            None if wanted::heir(&self.view, slot).is_some() => Route::Wait,
            None => Route::Down,
        };
        let mut changed = false;
        if routes.get(slot) != route {
            routes.set(slot, route);
            self.instance.store.set_served(slot, route == Route::Serve);
            changed = true;
        }
        let readable = self.duties.is_synced(slot);
        if routes.is_readable(slot) != readable {
            routes.set_readable(slot, readable);
            changed = true;
        }
        changed
    }
}
