//! The node under test: the same entry point as `torc`, built inside this package so that suites can find it.

fn main() -> std::process::ExitCode {
    torc_server::main()
}
