//! The limit on open files: every client needs one.

use crate::admin::Instance;

/// Descriptors that the node needs besides its clients': listeners, polls, wakers, the log.
const FILES_RESERVED: u64 = 64;

/// Raises the process's limit so that `maxclients` fit. Where the system allows less, says so: the acceptor will then turn clients away as
/// descriptors run out.
pub(super) fn raise_limit(instance: &Instance) {
    let wanted = instance.settings.maxclients().max(1) as u64 + FILES_RESERVED;
    let Ok((soft, hard)) = rlimit::Resource::NOFILE.get() else { return };
    if soft >= wanted {
        return;
    }
    let raised = [(wanted, hard.max(wanted)), (wanted.min(hard), hard)]
        .into_iter()
        .find(|&(soft, hard)| rlimit::Resource::NOFILE.set(soft, hard).is_ok());
    let files = raised.map_or(soft, |(soft, _)| soft);
    if files < wanted {
        tracing::warn!(
            files,
            wanted,
            "fewer files may be open than maxclients needs; raise the limit (ulimit -n) or lower maxclients"
        );
    }
}
