//! The node under test: the same entry point and allocator as `torc`, built inside this package so that suites can find it.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    torc_server::main()
}
