//! The names that options have in other programs: word2vec, fastText, GloVe and gensim.

use std::ffi::OsString;

/// Names of other programs without their dashes, and what stands for them here.
const NAMES: [(&[&str], &str); 24] = [
    (&["size", "vector-size", "layer1-size"], "--dim"),
    (&["ws", "window-size"], "--window"),
    (&["workers", "thread", "num-threads"], "--threads"),
    (&["epoch", "iter", "niter"], "--epochs"),
    (&["neg", "negatives"], "--negative"),
    (&["ns-exponent"], "--noise-exponent"),
    (&["sample", "t"], "--subsample"),
    (&["alpha", "start-alpha", "learning-rate", "eta"], "--lr"),
    (&["minCount", "mincount"], "--min-count"),
    (&["max-vocab-size", "max-final-vocab"], "--max-vocab"),
    (&["minn"], "--min-n"),
    (&["maxn"], "--max-n"),
    (&["bucket"], "--buckets"),
    (&["read-vocab", "vocab-file"], "--vocab"),
    (&["train", "input", "corpus-file", "sentences"], "the text itself, without an option"),
    (&["out", "save-file", "outfile"], "--output (-o)"),
    (&["cbow"], "the method: `wordloom train cbow` or `skip-gram`"),
    (&["sg", "model"], "the method: `wordloom train skip-gram` or `cbow`"),
    (&["binary"], "--to binary"),
    (&["topn", "top", "k"], "-k"),
    (&["restrict-vocab"], "--restrict"),
    (&["debug", "verbose"], "progress, which is always shown unless --quiet"),
    (&["hs"], "negative sampling, the one kind that there is"),
    (&["pretrainedVectors", "pretrained-vectors"], "--init"),
];

/// What stands here for an option of another program that is among the arguments.
pub(crate) fn known_elsewhere(arguments: &[OsString]) -> Option<String> {
    arguments.iter().find_map(|argument| {
        let argument = argument.to_str()?;
        let option = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'))?;
        let name = option.split('=').next()?.replace('_', "-");
        let (_, here) = NAMES.iter().find(|(names, _)| names.contains(&name.as_str()))?;
        let given = argument.split('=').next()?;
        Some(format!("`{given}` of other programs is here {here}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_other_programs_are_known() {
        let told =
            |line: &str| known_elsewhere(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(
            told("w train -minCount 3").unwrap(),
            "`-minCount` of other programs is here --min-count"
        );
        assert!(told("--vector_size=100").unwrap().ends_with("--dim"));
        assert!(told("-ws 5").unwrap().ends_with("--window"));
        assert_eq!(told("--what 5"), None);
    }

    #[test]
    fn what_stands_for_them_are_options() {
        let command = super::super::command();
        let train = command.find_subcommand("train").unwrap();
        let known: Vec<String> = ["skip-gram", "fasttext", "cbow"]
            .iter()
            .flat_map(|method| train.find_subcommand(method).unwrap().get_arguments())
            .chain(command.find_subcommand("similar").unwrap().get_arguments())
            .filter_map(|argument| argument.get_long().map(|name| format!("--{name}")))
            .collect();
        for (names, here) in NAMES {
            if here.starts_with("--") {
                let option = here.split(' ').next().unwrap().to_string();
                assert!(known.contains(&option), "{option}");
            }
            for name in names {
                assert!(!known.contains(&format!("--{name}")), "{name} is an option of ours");
            }
        }
    }
}
