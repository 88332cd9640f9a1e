//! `schoolbell completions` and `schoolbell man`: made from the commands themselves.

use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Arguments, Failure};

pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "schoolbell", &mut script);
    say!("{}", String::from_utf8(script)?.trim_end());
    Ok(())
}

pub fn pages(folder: &Path) -> Result<(), Failure> {
    clap_mangen::generate_to(Arguments::command(), folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(())
}
