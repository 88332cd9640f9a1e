//! `schoolbell check` and `schoolbell health`.

use super::{Failure, runtime, with_database};
use crate::config::Config;
use crate::ops::check;

/// `token`: a file with one, or `-` for standard input; then nothing else is checked.
pub fn run(config: Config, token: Option<&str>) -> Result<(), Failure> {
    let Some(token) = token else {
        say!("ok    configuration: every key is known and in range");
        return report(runtime()?.block_on(check::run(&config)));
    };
    let token = match token {
        "-" => std::io::read_to_string(std::io::stdin())?,
        file => std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?,
    };
    let finding = with_database(config, async |app| {
        Ok(check::token::look(&app, &token).await)
    })?;
    report(vec![finding])
}

fn report(findings: Vec<check::Finding>) -> Result<(), Failure> {
    let mut failed = 0;
    for finding in findings {
        match finding.outcome {
            Ok(text) if finding.incomplete => say!("note  {}: {text}", finding.what),
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
