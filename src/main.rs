//! The `ordergate` command: everything is in the library.

/// An order is some thousand small pieces of memory, made on one thread and freed on another: with the system's allocator they take a
/// tenth of its time (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    ordergate::brokers::noren::install_tls();
    ordergate::cli::run(std::env::args_os())
}
