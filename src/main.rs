//! The `importerd` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    importerd::cli::main()
}
