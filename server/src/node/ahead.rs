//! Asking memory for the keys of requests that different clients have sent, before the first of them is run.
//!
//! A client that sends one request at a time has no batch whose look-ups could overlap ([`super::pipeline`]). But where many do, their requests
//! lie side by side when the worker wakes up.

use super::pipeline::WorkerState;
use crate::admin::Instance;
use crate::base::limits::BATCH_COMMANDS_MAX;
use crate::store::KeyHash;
use torc_protocol::Args;
use torc_protocol::command::resolve;
use torc_protocol::request::is_one_request;

/// Asks for the first keys of `requests`: the database that each is for, and the bytes that came. What is not one short request, whole, is left
/// out, and so is what is for another database than the first.
pub fn ask_ahead<'a>(
    requests: impl Iterator<Item = (u8, &'a [u8])>,
    worker: &mut WorkerState,
    instance: &Instance,
) {
    let mut places = [KeyHash::default(); BATCH_COMMANDS_MAX];
    let (mut count, mut database, mut any_of_collections) = (0, None, false);
    for (db, bytes) in requests.take(BATCH_COMMANDS_MAX) {
        worker.spans.clear();
        if !is_one_request(bytes, &mut worker.spans) || *database.get_or_insert(db) != db {
            continue;
        }
        let args = Args::new(bytes, &worker.spans);
        if let Ok(spec) = resolve(&args)
            && let Some(key) = spec.first_key(&args).and_then(|index| args.get(index))
        {
            (places[count], count) = (instance.store.place(key), count + 1);
            any_of_collections |= spec.group.is_of_collections();
        }
    }
    let Some(database) = database.filter(|_| count > 1) else { return };
    // Whoever has the store for himself changes what would be asked for.
    let Some(guard) = worker.local.pin_unless(|| true) else { return };
    if let Some(ahead) = instance.store.ahead(&guard, database) {
        let places = || places[..count].iter().copied();
        if any_of_collections { ahead.ask_collections(places) } else { ahead.ask(places) }
    }
}
