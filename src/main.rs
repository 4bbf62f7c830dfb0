//! The `ordergate` command: everything is in the library.

fn main() -> std::process::ExitCode {
    ordergate::brokers::noren::install_tls();
    ordergate::cli::run(std::env::args_os())
}
