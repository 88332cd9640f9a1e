//! `schoolbell check` and `schoolbell health`.

use super::{Failure, runtime};
use crate::config::Config;
use crate::service::check;

pub fn run(config: &Config) -> Result<(), Failure> {
    let mut failed = 0;
    say!("ok    configuration: every key is known and in range");
    for finding in runtime()?.block_on(check::run(config)) {
        match finding.outcome {
            Ok(text) => say!("ok    {}: {text}", finding.what),
            Err(text) => {
                failed += 1;
                say!("WRONG {}: {text}", finding.what);
            }
        }
    }
    match failed {
        0 => Ok(()),
        1 => Err("one thing needs attention".into()),
        n => Err(format!("{n} things need attention").into()),
    }
}

pub fn health(config: &Config) -> Result<(), Failure> {
    say!("{}", runtime()?.block_on(check::ask(config))?);
    Ok(())
}
