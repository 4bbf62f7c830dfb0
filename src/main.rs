//! The `ordergate` command: everything is in the library.

fn main() -> std::process::ExitCode {
    ordergate::cli::run(std::env::args_os())
}
