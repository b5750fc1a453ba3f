//! The `torc` binary.

#[cfg(not(torc_loom))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(torc_loom)]
fn main() {}

#[cfg(not(torc_loom))]
fn main() -> std::process::ExitCode {
    torc_server::main()
}
