//! The trainings of a comparison: one process each, so that time and memory are its own. What is finished is kept and
//! not trained again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wordloom::compare::{Contender, Run};
use wordloom::corpus::Corpus;
use wordloom::encode::Counting;
use wordloom::error::Error;
use wordloom::{format, mapped};
use xxhash_rust::xxh3::xxh3_64;

use super::{progress, show};

/// A method that can be compared, as the `train` command that it is, and its settings, in parts.
pub(crate) struct Preset {
    pub(crate) name: &'static str,
    command: &'static str,
    /// Where only the method is to differ.
    aligned: &'static [&'static str],
    /// The published defaults of the program that it is known by; with vectors of one size for all, which 100 is of
    /// word2vec.c and fastText.
    native: &'static [&'static str],
}

/// All methods. Another one is an entry here.
pub(crate) const METHODS: [Preset; 4] = [
    Preset {
        name: "skip-gram",
        command: "skip-gram",
        aligned: &[SHARED, SAMPLED, "--lr 0.025"],
        native: &[SHARED, WORD2VEC, "--lr 0.025"],
    },
    Preset {
        name: "cbow",
        command: "cbow",
        aligned: &[SHARED, SAMPLED, "--lr 0.05"],
        native: &[SHARED, WORD2VEC, "--lr 0.05"],
    },
    // A pass over counts is no pass over text, so that it has epochs of its own.
    Preset {
        name: "glove",
        command: "glove",
        aligned: &[SHARED, "--context-weight linear --x-max 10 --epochs 25"],
        native: &["--dim 100 --window 15 --x-max 100 --alpha 0.75 --lr 0.05 --epochs 25"],
    },
    Preset {
        name: "fasttext",
        command: "fasttext",
        aligned: &[SHARED, SAMPLED, "--lr 0.025 --subwords 3..6"],
        native: &[
            SHARED,
            "--negative 5 --noise-exponent 0.5 --subsample 0.0001 --lr 0.05 --epochs 5 --subwords 3..6",
        ],
    },
];

/// What all methods have.
const SHARED: &str = "--dim 100 --window 5";
/// What methods have in common that learn from windows and noise.
const SAMPLED: &str = "--negative 5 --noise-exponent 0.75 --subsample 0.0001 --epochs 5";
/// Defaults of word2vec.c.
const WORD2VEC: &str = "--negative 5 --noise-exponent 0.75 --subsample 0.001 --epochs 5";

/// Which settings methods are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Settings {
    /// The same window, noise, subsampling and dimension for all that have them: what differs is the method
    #[default]
    Aligned,
    /// The published defaults of the program that each method is known by
    Native,
}

/// What to train.
#[derive(clap::Args)]
pub(crate) struct Training {
    /// Train and compare these: skip-gram, cbow, glove, fasttext
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) methods: Vec<String>,
    /// Trainings of each method, with seeds 1, 2, 3...
    #[arg(long, value_name = "N", default_value_t = 3, requires = "methods", value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Settings of the methods
    #[arg(long, value_enum, value_name = "WHICH", default_value_t, requires = "methods")]
    settings: Settings,
    /// Passes over the corpus, for all methods [default: 5, GloVe 25]
    #[arg(long, value_name = "N", requires = "methods", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// As many whole passes over the corpus as fit into this time, for each method
    #[arg(long, value_name = "X", requires = "methods", conflicts_with = "epochs")]
    seconds: Option<f64>,
    /// Numbers in a vector, for all methods [default: 100]
    #[arg(long, value_name = "N", requires = "methods", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    dim: Option<u64>,
    /// Threads of a training [default: all processors]
    #[arg(long, value_name = "N", requires = "methods", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Train nothing for learning curves, which take shorter trainings of one seed of each method
    #[arg(long, requires = "methods")]
    no_curves: bool,
    /// Keep the trained models in DIR; one that is there is not trained again
    #[arg(long, value_name = "DIR", default_value = "compared", requires = "methods")]
    keep: PathBuf,
    /// Keep the encoded corpus in DIR [default: see `wordloom cache`]
    #[arg(long, value_name = "DIR", requires = "methods")]
    cache: Option<PathBuf>,
}

/// Stands beside each finished model: no note, no finished run.
#[derive(Serialize, Deserialize)]
struct Note {
    peak_memory: Option<u64>,
}

/// One training to be done.
struct Job<'a> {
    preset: &'a Preset,
    /// Names and values of options, without seed.
    options: Vec<(String, String)>,
    seed: u64,
}

impl Training {
    /// Trains what is not there yet, and reads all of it.
    pub(crate) fn contenders(&self, counting: &Counting) -> anyhow::Result<Vec<Contender>> {
        let presets = self.presets()?;
        if counting.inputs.iter().any(|input| input.as_os_str() == "-") {
            bail!(Error::Setting("standard input can be read only once: compare files".into()));
        }
        if let Some(seconds) = self.seconds.filter(|seconds| !(*seconds > 0.0 && seconds.is_finite())) {
            bail!(Error::Setting(format!("--seconds must be a number above 0, not {seconds}")));
        }
        fs::create_dir_all(&self.keep)
            .with_context(|| format!("can't make {}: use --keep DIR", self.keep.display()))?;
        let corpus = self.corpus(counting)?;
        let trainer = Trainer { of: self, counting, hash: corpus.facts.hash };
        let mut contenders = Vec::new();
        for preset in presets {
            let epochs = self.epochs_for(preset, &trainer)?;
            let shorter = [8, 4, 2].map(|part| epochs / part);
            let mut shorter: Vec<u64> =
                shorter.into_iter().filter(|&n| n > 0 && n < epochs && !self.no_curves).collect();
            shorter.dedup();
            let run = |seed, epochs| trainer.run(&self.job(preset, seed, epochs));
            contenders.push(Contender {
                name: preset.name.into(),
                runs: (1..=self.runs).map(|seed| run(seed, epochs)).collect::<anyhow::Result<_>>()?,
                shorter: shorter.into_iter().map(|n| run(1, n)).collect::<anyhow::Result<_>>()?,
            });
        }
        Ok(contenders)
    }

    fn presets(&self) -> anyhow::Result<Vec<&'static Preset>> {
        let names: Vec<&str> = METHODS.iter().map(|preset| preset.name).collect();
        let mut presets: Vec<&Preset> = Vec::new();
        for name in &self.methods {
            let Some(preset) = METHODS.iter().find(|preset| preset.name == name) else {
                bail!(Error::Setting(format!("no method '{name}': --methods knows {}", show::list(&names))));
            };
            if presets.iter().any(|known| known.name == name) {
                bail!(Error::Setting(format!(
                    "--methods names {name} twice: use --runs for several trainings"
                )));
            }
            presets.push(preset);
        }
        Ok(presets)
    }

    /// The encoded corpus, from the cache that trainings will find it in.
    fn corpus(&self, counting: &Counting) -> anyhow::Result<Corpus> {
        let directory = self.cache.clone().unwrap_or_else(wordloom::cache::directory);
        let reading = wordloom::encode::Reading::default();
        let (corpus, _) =
            progress::counting(false, &reading, || wordloom::cache::corpus(counting, &directory, &reading))?;
        Ok(corpus)
    }

    /// Passes over the corpus: as many as asked for, or as fit into the time, by that of a single one.
    fn epochs_for(&self, preset: &Preset, trainer: &Trainer) -> anyhow::Result<u64> {
        let Some(seconds) = self.seconds else {
            let job = self.job(preset, 1, 0);
            let (_, epochs) = job.options.iter().find(|(name, _)| name == "--epochs").context("no epochs")?;
            let default = epochs.parse().context("epochs")?;
            return Ok(self.epochs.unwrap_or(default));
        };
        let once = trainer.run(&self.job(preset, 1, 1))?.model.provenance;
        if once.all_seconds() > seconds {
            let time = show::time(Duration::from_secs_f64(once.all_seconds()));
            progress::say(&format!(
                "wordloom: one pass of {} takes {time}, more than --seconds",
                preset.name
            ));
        }
        Ok((((seconds - once.counting_seconds) / once.seconds.max(1e-3)) as u64).max(1))
    }

    /// The training of a method with this seed; for 0 epochs, as many as its settings say.
    fn job<'a>(&self, preset: &'a Preset, seed: u64, epochs: u64) -> Job<'a> {
        let settings = match self.settings {
            Settings::Aligned => preset.aligned,
            Settings::Native => preset.native,
        };
        let words: Vec<&str> = settings.iter().flat_map(|part| part.split_whitespace()).collect();
        let mut options: Vec<(String, String)> =
            words.chunks_exact(2).map(|pair| (pair[0].into(), pair[1].into())).collect();
        let given =
            [("--dim", self.dim), ("--epochs", Some(epochs).filter(|&n| n > 0)), ("--threads", self.threads)];
        for (name, value) in given {
            let Some(value) = value.map(|value| value.to_string()) else { continue };
            match options.iter_mut().find(|(known, _)| known == name) {
                Some((_, default)) => *default = value,
                None => options.push((name.into(), value)),
            }
        }
        Job { preset, options, seed }
    }
}

/// What all trainings have in common.
struct Trainer<'a> {
    of: &'a Training,
    counting: &'a Counting,
    /// Of the encoded corpus.
    hash: u64,
}

impl Trainer<'_> {
    /// The model of a training: kept from before, or trained now.
    fn run(&self, job: &Job) -> anyhow::Result<Run> {
        progress::stop_if_asked()?;
        let settings: Vec<String> =
            job.options.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let settings = settings.join(" ");
        let key =
            format!("{} {} {settings} {:016x}", env!("CARGO_PKG_VERSION"), job.preset.command, self.hash);
        let epochs = job.options.iter().find(|(name, _)| name == "--epochs").map_or("", |(_, n)| n);
        let name = format!("{}-seed{}-epochs{epochs}", job.preset.name, job.seed);
        let file = self.of.keep.join(format!("{name}-{:08x}.safetensors", xxh3_64(key.as_bytes()) as u32));
        let note = file.with_extension("json");
        let known = fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        let kept = known.and_then(|note| Some((note, format::read(&file).ok()?)));
        let how = if kept.is_some() { "kept from before" } else { "trained" };
        let (Note { peak_memory }, model) = match kept {
            Some(kept) => kept,
            None => (self.train(job, &file, &note)?, format::read(&file)?),
        };
        let history = &model.provenance;
        let time = show::time(Duration::from_secs_f64(history.all_seconds().clamp(0.0, 1e9)));
        progress::say(&format!("{name}: {how}, {time}"));
        Ok(Run { name, model, peak_memory })
    }

    /// Trains in a process of its own, and notes that it is finished.
    fn train(&self, job: &Job, file: &Path, finished: &Path) -> anyhow::Result<Note> {
        let mut command = Command::new(std::env::current_exe().context("can't find wordloom itself")?);
        command.args(["train", job.preset.command, "--quiet", "--json"]);
        command.args(["--seed", &job.seed.to_string(), "--output"]).arg(file);
        command.args(job.options.iter().flat_map(|(name, value)| [name, value]));
        command.args(arguments(&serde_json::to_value(self.counting)?));
        if let Some(cache) = &self.of.cache {
            command.arg("--cache").arg(cache);
        }
        command.arg("--").args(&self.counting.inputs);
        let output = command.stdin(Stdio::null()).output().context("can't start a training")?;
        progress::stop_if_asked()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("no message").trim_start_matches("wordloom: ");
            bail!("{}, seed {}: {last}", job.preset.name, job.seed);
        }
        let facts: Value = serde_json::from_slice(&output.stdout).context("what a training said")?;
        let note = Note { peak_memory: facts["peak_memory"].as_u64() };
        let text = serde_json::to_vec(&note)?;
        mapped::replace(finished, |out| out.write_all(&text).map_err(Error::io(finished)))?;
        Ok(note)
    }
}

/// Settings of counting as options of a command.
fn arguments(settings: &Value) -> Vec<String> {
    let mut arguments = Vec::new();
    for (name, value) in settings.as_object().into_iter().flatten() {
        let option = match &name[..] {
            "vocab_file" => "--vocab".into(),
            name => format!("--{}", name.replace('_', "-")),
        };
        match value {
            Value::Null | Value::Bool(false) | Value::Array(_) => {}
            Value::Bool(true) => arguments.push(option),
            Value::Object(_) => arguments.extend(self::arguments(value)),
            Value::String(text) => arguments.extend([option, text.clone()]),
            value => arguments.extend([option, value.to_string()]),
        }
    }
    arguments
}

/// The most memory that this process has had so far, in bytes, files that are mapped and were touched included. Known
/// on Linux only.
pub(crate) fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_options() {
        let counting = Counting {
            inputs: vec!["a".into()],
            max_vocab: Some(7),
            vocab_file: Some("words".into()),
            tokenizer: wordloom::text::Tokenizer { lowercase: true, unicode_words: false },
            ..Counting::default()
        };
        let options = arguments(&serde_json::to_value(counting).unwrap()).join(" ");
        assert_eq!(options, "--lowercase --min-count 5 --max-vocab 7 --vocab words");
    }

    #[test]
    fn presets_are_pairs_of_options() {
        for preset in METHODS {
            for parts in [preset.aligned, preset.native] {
                let words: Vec<&str> = parts.iter().flat_map(|part| part.split_whitespace()).collect();
                assert!(
                    words.chunks(2).all(|pair| pair.len() == 2 && pair[0].starts_with("--")),
                    "{words:?}"
                );
                assert!(words.contains(&"--epochs"));
            }
        }
    }
}
