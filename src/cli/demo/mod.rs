//! `wordloom demo`: trains on an embedded text and shows what was learnt, in seconds.

mod text;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use wordloom::corpus::{TextOptions, cache};
use wordloom::eval::{self, Section, Set, SetOptions};
use wordloom::format::{self, Format};
use wordloom::query::{Combine, Index, Query};
use wordloom::train::{Recipe, WindowConfig, train};
use wordloom::{Embeddings, Error, Progress, Staged, replace};

use super::learning::{Live, Work};
use super::progress::{self, OnSignal};
use super::{outputs, show, train as training};

const EXAMPLES: &str = "Examples:
  wordloom demo
  wordloom demo -o /tmp/demo.safetensors
  wordloom demo --text demo         the text and its questions, as files

The text is made from tables of words, so what belongs together is known and
can be asked for. It is far more regular than natural text: scores on it show
that training works, not how good vectors of your text will be.";

/// Train on an embedded text and show what was learnt, in seconds
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Demo {
    /// Where to write the model
    #[arg(short, long, value_name = "MODEL", default_value = "demo.safetensors")]
    output: PathBuf,
    /// Number of threads [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Only write to DIR the embedded text, and a folder `sets` with questions that it has the
    /// answers to
    #[arg(long, value_name = "DIR")]
    text: Option<PathBuf>,
}

/// Writes the embedded text and its sets of questions to `folder`.
fn write_text(folder: &Path) -> anyhow::Result<ExitCode> {
    let (file, sets) = (folder.join("text.txt"), folder.join("sets"));
    std::fs::create_dir_all(&sets)
        .with_context(|| format!("can't make {}: name another DIR", sets.display()))?;
    replace(&file, |out| text::write(out).map_err(Error::io(&file)))?;
    let files = [
        (sets.join("analogies.txt"), text::analogies()),
        (sets.join("similarity.tsv"), text::similarities()),
    ];
    for (file, content) in &files {
        replace(file, |out| out.write_all(content.as_bytes()).map_err(Error::io(file)))?;
    }
    let (text, sets) = (show::argument(&file), show::argument(&sets));
    progress::say(&format!(
        "next: wordloom compare {text} --methods skip-gram,cbow,glove,fasttext --sets {sets}"
    ));
    Ok(ExitCode::SUCCESS)
}

/// The words whose neighbours are shown.
const NEIGHBOURS: [&str; 6] = ["king", "france", "dog", "teacher", "happy", "teach"];

/// The analogies that are shown. The fourth word is the answer that the text has.
const ANALOGIES: [[&str; 4]; 6] = [
    ["france", "paris", "japan", "tokyo"],
    ["india", "rupee", "poland", "zloty"],
    ["man", "woman", "king", "queen"],
    ["dog", "puppy", "cat", "kitten"],
    ["small", "smaller", "kind", "kinder"],
    ["teach", "taught", "bake", "baked"],
];

impl Demo {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(folder) = &self.text {
            return write_text(folder);
        }
        let config =
            WindowConfig { epochs: EPOCHS, threads: self.threads, ..WindowConfig::default() };
        let recipe = Recipe::SkipGram(config);
        recipe.check()?;
        let format = Format::to_write(&self.output, None, false)?;
        outputs::check(&[&self.output], &[])?;
        progress::listen(OnSignal::Stop);
        let mut out = std::io::stdout().lock();
        let model = learn(&recipe, &mut out)?;
        format::write(&model, &self.output, format)?;
        neighbours(&model, &mut out)?;
        analogies(&model, &mut out)?;
        scores(&model, &mut out)?;
        let file = show::argument(&self.output);
        writeln!(out, "\nThe model is in {}. Next:", self.output.display())?;
        writeln!(out, "  wordloom similar {file} queen")?;
        writeln!(out, "  wordloom similar {file} king -man +woman")?;
        writeln!(out, "  wordloom analogy {file} italy rome egypt")?;
        writeln!(out, "  wordloom train skip-gram YOUR_TEXT.txt -o my.safetensors")?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Passes over the text.
const EPOCHS: usize = 10;

/// Writes the text to a file, counts it and trains on it, as `wordloom train` does.
fn learn(recipe: &Recipe, out: &mut impl Write) -> anyhow::Result<Embeddings> {
    let folder = std::env::temp_dir();
    let mut file = Staged::new(&folder.join("wordloom-demo.txt"))?;
    let written = text::write(&mut file).and_then(|()| file.flush());
    written.map_err(Error::io(file.temporary()))?;
    progress::stop_if_asked()?;
    let options =
        TextOptions { inputs: vec![file.temporary().to_path_buf()], ..TextOptions::default() };
    let reading = Progress::default();
    let corpus = progress::counting(false, &reading, || cache::once(&options, &folder, &reading))?;
    let (words, types) =
        (show::number(corpus.facts.words_read), show::number(corpus.facts.types_read));
    let (dim, epochs) = (recipe.dim(), recipe.epochs());
    let threads = recipe.threads();
    writeln!(out, "The embedded text: {words} words, {types} of them different.")?;
    writeln!(out, "Training skip-gram: dimension {dim}, {epochs} epochs, {threads} threads.")?;
    out.flush()?;
    let work = Work { tokens: corpus.facts.tokens, epochs, unit: "words", time: None };
    let live = Live { quiet: false, work, scores: None, metrics: None };
    let mut model = live.learning(|progress| train(&corpus, recipe, progress))?;
    progress::stop_if_asked()?;
    model.provenance.text =
        serde_json::to_value(TextOptions { inputs: vec!["the embedded text".into()], ..options })?;
    let history = &model.provenance;
    let time = show::time(std::time::Duration::from_secs_f64(history.seconds));
    let losses = [history.losses.first(), history.losses.last()]
        .map(|loss| loss.copied().flatten().unwrap_or(f64::NAN));
    let speed = show::short(training::speed(&model));
    writeln!(
        out,
        "Trained in {time}, {speed} words/s; the loss fell from {:.3} to {:.3}.",
        losses[0], losses[1]
    )?;
    Ok(model)
}

fn neighbours(model: &Embeddings, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "\nNearest words")?;
    let queries = NEIGHBOURS
        .map(|word| Query::word(model, word))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    for (word, found) in NEIGHBOURS.iter().zip(Index::new(model).nearest(&queries, 5)) {
        let near =
            found.iter().map(|near| format!("{} {:.2}", model.vocab.text(near.id), near.score));
        writeln!(out, "  {word:<10} {}", near.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}

fn analogies(model: &Embeddings, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "\nAnalogies")?;
    let queries = ANALOGIES.map(|[a, b, c, _]| Query::analogy(model, a, b, c, Combine::Add));
    let queries = queries.into_iter().collect::<Result<Vec<_>, _>>()?;
    for ([a, b, c, d], found) in ANALOGIES.iter().zip(Index::new(model).nearest(&queries, 1)) {
        let answer = found.first().map(|near| model.vocab.text(near.id)).unwrap_or_default();
        let verdict = if answer == *d { String::new() } else { format!("  (the text has {d})") };
        writeln!(out, "  {:<30} {answer}{verdict}", format!("{a} : {b} = {c} :"))?;
    }
    Ok(())
}

fn scores(model: &Embeddings, out: &mut impl Write) -> anyhow::Result<()> {
    let policy = eval::Policy::default();
    let set = |name: &str, text: &str| {
        Ok::<_, Error>(
            Set::parse(Path::new(name), name, text, &SetOptions::default())?.score(model, &policy),
        )
    };
    let analogies = set("analogies", &text::analogies())?;
    writeln!(out, "\nAnalogies that the text has the answers to")?;
    let (mut all, mut asked) = (0, 0);
    let mut line = |name: &str, right: usize, total: usize| {
        let share = show::percent(right as f64, total as f64);
        writeln!(out, "  {name:<20} {share:>8}  {right:>5} of {total:>5}")
    };
    for Section { name, add, known, .. } in &analogies.sections {
        line(name, *add, *known)?;
        (all, asked) = (all + add, asked + known);
    }
    line("all", all, asked)?;
    let graded = set("similarity", &text::similarities())?;
    let spearman = graded.value(&graded.measures[0]);
    writeln!(
        out,
        "\nSimilarity of {} pairs of words: Spearman's correlation {spearman:.3}",
        graded.used()
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_shown_are_in_the_text() {
        let mut text = Vec::new();
        super::text::write(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let words: std::collections::HashSet<&str> = text.split_whitespace().collect();
        for word in NEIGHBOURS.iter().chain(ANALOGIES.iter().flatten()) {
            assert!(words.contains(word), "{word}");
        }
    }
}
