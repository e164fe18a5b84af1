//! The arguments of commands with questions. Words may look like options: `-man`, `-17`, `-k`.

use std::ffi::OsString;

/// The option whose values take the place of MODEL.
const ENSEMBLE: &str = "--ensemble";

/// The options of a command.
struct Options<'a>(&'a clap::Command);

impl Options<'_> {
    /// Whether `name` is an option with a value. `None` if it is no option at all.
    fn takes_value(&self, name: &str) -> Option<bool> {
        let same = |arg: &&clap::Arg| {
            let long = name.strip_prefix("--").is_some_and(|name| arg.get_long() == Some(name));
            let short = name.strip_prefix('-').is_some_and(|name| {
                let mut letters = name.chars();
                arg.get_short().is_some()
                    && letters.next() == arg.get_short()
                    && letters.next().is_none()
            });
            long || short
        };
        self.0.get_arguments().find(same).map(|arg| arg.get_action().takes_values())
    }

    /// Whether `text` is a short option with its value, such as `-k5`. Such a value is a number, so
    /// that `-king` is a word.
    fn is_short_with_value(&self, text: &str) -> bool {
        let Some((at, _)) = text.char_indices().nth(2) else { return false };
        let value = text[at..].strip_prefix('=').unwrap_or(&text[at..]);
        let number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        number && self.takes_value(&text[..at]) == Some(true)
    }
}

/// Puts the options of a command before its words, so that a word may begin with `-` and an option
/// may be anywhere. Every argument that begins with `--` is an option. All arguments after a lone
/// `--` are words. The models of `--ensemble` end at the next option; the first of them also takes
/// the place of MODEL.
pub(crate) fn options_first(command: &clap::Command, arguments: Vec<OsString>) -> Vec<OsString> {
    let options = Options(command);
    let mut arguments = arguments.into_iter().peekable();
    let mut first: Vec<OsString> = arguments.by_ref().take(2).collect();
    let (mut words, mut ensemble) = (Vec::new(), Vec::new());
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        if text == "--" {
            words.extend(arguments.by_ref());
        } else if text == ENSEMBLE && options.takes_value(ENSEMBLE).is_some() {
            let before = ensemble.len();
            ensemble.extend(std::iter::from_fn(|| {
                arguments.next_if(|next| !next.to_string_lossy().starts_with('-'))
            }));
            if ensemble.len() == before {
                // The parser says that it lacks a value.
                first.push(argument);
            }
        } else if let Some(model) = text.strip_prefix("--ensemble=") {
            ensemble.push(model.into());
        } else if text.starts_with("--") || text == "-h" || options.is_short_with_value(&text) {
            let value = options.takes_value(&text) == Some(true);
            first.push(argument);
            if value {
                first.extend(arguments.next());
            }
        } else if options.takes_value(&text).is_some() {
            first.push(argument);
            first.extend(arguments.next());
        } else {
            words.push(argument);
        }
    }
    if let Some(model) = ensemble.first() {
        words.insert(0, model.clone());
    }
    first.extend(ensemble.into_iter().flat_map(|model| [ENSEMBLE.into(), model]));
    first.push("--".into());
    first.extend(words);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(line: &str) -> String {
        let command = clap::Command::new("similar")
            .arg(clap::Arg::new("k").short('k'))
            .arg(clap::Arg::new("method").long("method"))
            .arg(clap::Arg::new("ensemble").long("ensemble").action(clap::ArgAction::Append))
            .arg(clap::Arg::new("json").long("json").action(clap::ArgAction::SetTrue));
        let sorted = options_first(&command, line.split(' ').map(Into::into).collect());
        sorted.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_are_told_from_words() {
        let cases = [
            ("wl similar m king -man +woman -k 3", "wl similar -k 3 -- m king -man +woman"),
            ("wl similar --json m -k5 a -king", "wl similar --json -k5 -- m a -king"),
            ("wl similar m a --method mul -- --b -k", "wl similar --method mul -- m a --b -k"),
            ("wl similar m -17 -18", "wl similar -- m -17 -18"),
            ("wl similar m --method=mul -k=2 -é", "wl similar --method=mul -k=2 -- m -é"),
        ];
        for (line, sorted) in cases {
            assert_eq!(ordered(line), sorted);
        }
    }

    #[test]
    fn the_models_of_an_ensemble_are_told_from_words() {
        let sorted = "wl similar --ensemble m --ensemble n -- m a -b";
        for line in [
            "wl similar a -b --ensemble m n",
            "wl similar a -b --ensemble m --ensemble n",
            "wl similar --ensemble=m --ensemble=n a -b",
        ] {
            assert_eq!(ordered(line), sorted, "{line}");
        }
        assert_eq!(ordered("wl similar a --ensemble"), "wl similar --ensemble -- a");
    }
}
