//! The `schoolbell` binary: see [`schoolbell::cli`].

fn main() -> std::process::ExitCode {
    schoolbell::cli::main()
}
