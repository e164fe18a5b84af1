//! The `wordloom` command. It can do nothing that a user of the library cannot.

mod cli;

use std::process::ExitCode;

use clap::error::ErrorKind;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(usage) => {
            let _ = usage.print();
            let asked = matches!(usage.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let line = cli::show::with_options(&one_line(&error));
            cli::progress::say(&format!("wordloom: {line}"));
            let stopped = matches!(
                error.downcast_ref(),
                Some(wordloom::Error::Stopped | wordloom::Error::Paused { .. })
            );
            if stopped { ExitCode::from(cli::progress::exit_status()) } else { ExitCode::FAILURE }
        }
    }
}

/// Whether writing failed because the reader of our output closed it, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = match error.downcast_ref() {
        Some(wordloom::Error::Io { source, .. }) => Some(source),
        _ => error.downcast_ref::<std::io::Error>(),
    };
    io.is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// An error and its causes on one line. A cause that the line already ends with is not repeated.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_and_say_things_once() {
        let cause = std::io::Error::other("no\nspace");
        let error = wordloom::Error::Io { path: "a".into(), source: cause };
        let error = anyhow::Error::from(error).context("can't write");
        assert_eq!(one_line(&error), "can't write: a: no space");
    }
}
