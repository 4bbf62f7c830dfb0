//! The `ordergate` command: everything is in the library.

/// An order is many small pieces of memory, made on one thread and freed on another: with the system's allocator a sixth fewer orders go
/// through in a second (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // Whatever this process writes is for its owner alone, also what a library makes: the log of the database, a lock.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    ordergate::brokers::noren::install_tls();
    ordergate::cli::run(std::env::args_os())
}
