//! `wordloom completions` and `wordloom man`: what a shell and a reader of manuals want.

use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::Shell;
use wordloom::Error;

use super::progress::say;
use super::show;

const EXAMPLES: &str = "Examples:
  wordloom completions bash > ~/.local/share/bash-completion/completions/wordloom
  wordloom completions zsh > ~/.zfunc/_wordloom
  wordloom completions fish > ~/.config/fish/completions/wordloom.fish";

/// Print a script by which a shell completes commands and options
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> ExitCode {
        let mut out = std::io::stdout().lock();
        clap_complete::generate(self.shell, &mut super::command(), "wordloom", &mut out);
        ExitCode::SUCCESS
    }
}

/// Write pages of a manual, one for each command
#[derive(clap::Args)]
#[command(after_help = "Example:\n  wordloom man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The folder, which is made if there is none
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let folder = &self.folder;
        std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        clap_mangen::generate_to(super::command(), folder).map_err(Error::io(folder))?;
        let pages = std::fs::read_dir(folder).map_err(Error::io(folder))?;
        let ours =
            |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("wordloom");
        let pages = pages.filter_map(Result::ok).filter(ours).count() as u64;
        say(&format!("{} in {}", show::counted(pages, "page", "pages"), folder.display()));
        Ok(ExitCode::SUCCESS)
    }
}
