//! The trainings of a comparison. Each is a process of its own, so that its time and memory are its
//! own. A finished training is kept and not done again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use wordloom::compare::{
    Contender, PRESETS, Preset, PresetOf, PresetSettings, TrainedRun, sif, tfidf,
};
use wordloom::corpus::{DocumentOptions, Documents, TextOptions, cache};
use wordloom::train::{Recipe, RecipeChange};
use wordloom::{Corpus, Error, Progress, format};
use xxhash_rust::xxh3::xxh3_64;

use crate::cli::cache::keep_within_limit;
use crate::cli::{note, progress, show};

/// Which trainings to do.
#[derive(clap::Args)]
pub(crate) struct TrainingOptions {
    /// Methods to train and compare: skip-gram, cbow, glove, fasttext; or for documents pv-dbow, pv-dm,
    /// and, always beside them, sif (means of word vectors) and tfidf
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) methods: Vec<String>,
    /// Number of trainings of each method, with seeds 1, 2, 3...
    #[arg(long, value_name = "N", default_value_t = 3, requires = "methods", value_parser = clap::value_parser!(u64).range(1..=100))]
    runs: u64,
    /// Settings to train the methods with
    #[arg(long, value_enum, value_name = "WHICH", default_value_t, requires = "methods")]
    settings: PresetSettings,
    /// Passes over the corpus, for all methods [default: 5, GloVe 25]
    #[arg(long, value_name = "N", requires = "methods", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Train each method for as many whole passes over the corpus as fit into X seconds
    #[arg(long, value_name = "X", requires = "methods", conflicts_with = "epochs")]
    seconds: Option<f64>,
    /// Dimension of the vectors, for all methods [default: 100]
    #[arg(long, value_name = "N", requires = "methods", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    dim: Option<u64>,
    /// Number of threads of each training [default: all processors]
    #[arg(long, value_name = "N", requires = "methods", value_parser = clap::value_parser!(u64).range(1..=1024))]
    threads: Option<u64>,
    /// Leave out the learning curves, which take shorter trainings with one seed of each method
    #[arg(long, requires = "methods")]
    no_curves: bool,
    /// Keep the trained models in DIR; a model that is already there is not trained again
    #[arg(long, value_name = "DIR", default_value = "compared", requires = "methods")]
    keep: PathBuf,
    /// Keep the encoded corpus in DIR [default: see `wordloom cache`]
    #[arg(long, value_name = "DIR", requires = "methods")]
    cache: Option<PathBuf>,
}

/// The method that needs no training.
const TFIDF: &str = "tfidf";

/// One training to do.
struct Job<'a> {
    preset: &'a Preset,
    recipe: Recipe,
    seed: u64,
}

impl TrainingOptions {
    /// Trains the models that are missing, and reads all of them.
    pub(crate) fn contenders(
        &self,
        text: &TextOptions,
        documents: &DocumentOptions,
    ) -> anyhow::Result<Vec<Contender>> {
        let (presets, of_documents) = self.presets()?;
        if !of_documents && *documents != DocumentOptions::default() {
            let problem =
                "options for documents are for methods that learn them: --methods pv-dbow";
            bail!(Error::Refused(problem.into()));
        }
        let documents = of_documents.then_some(documents);
        if text.inputs.iter().any(|input| input.as_os_str() == "-") {
            bail!(Error::Refused("standard input can be read only once: compare files".into()));
        }
        if let Some(seconds) =
            self.seconds.filter(|seconds| !(*seconds > 0.0 && seconds.is_finite()))
        {
            bail!(Error::Refused(format!("--seconds must be a number above 0, not {seconds}")));
        }
        fs::create_dir_all(&self.keep)
            .with_context(|| format!("can't make {}: use --keep DIR", self.keep.display()))?;
        let corpus = self.corpus(text, documents)?;
        let trainer = Trainer { of: self, text, documents, corpus: &corpus };
        let mut contenders = Vec::new();
        for preset in presets {
            let epochs = self.epochs_for(preset, &trainer)?;
            let shorter = [8, 4, 2].map(|part| epochs / part);
            let mut shorter: Vec<usize> =
                shorter.into_iter().filter(|&n| n > 0 && n < epochs && !self.no_curves).collect();
            shorter.dedup();
            let run = |seed, epochs| trainer.run(&self.job(preset, seed, epochs));
            contenders.push(Contender {
                name: preset.name.into(),
                runs: (1..=self.runs)
                    .map(|seed| run(seed, epochs))
                    .collect::<anyhow::Result<_>>()?,
                shorter: shorter.into_iter().map(|n| run(1, n)).collect::<anyhow::Result<_>>()?,
            });
        }
        if of_documents {
            let runs = vec![tfidf(&corpus)?];
            contenders.push(Contender { name: TFIDF.into(), runs, shorter: vec![] });
        }
        Ok(contenders)
    }

    /// The methods to train, and whether they give vectors of documents. The means of word vectors
    /// are then always among them.
    fn presets(&self) -> anyhow::Result<(Vec<&'static Preset>, bool)> {
        let mut names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
        names.push(TFIDF);
        let mut presets: Vec<&Preset> = Vec::new();
        for name in self.methods.iter().filter(|name| *name != TFIDF) {
            let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) else {
                bail!(Error::Refused(format!(
                    "no method '{name}': --methods knows {}",
                    show::list(&names)
                )));
            };
            if presets.iter().any(|known| known.name == name) {
                bail!(Error::Refused(format!(
                    "--methods names {name} twice: use --runs for several trainings"
                )));
            }
            presets.push(preset);
        }
        let words = presets.iter().find(|preset| preset.of == PresetOf::Words);
        let of_documents = self.methods.iter().any(|name| name == TFIDF)
            || presets.iter().any(|preset| preset.of != PresetOf::Words);
        if let (Some(words), true) = (words, of_documents) {
            bail!(Error::Refused(format!(
                "{} gives vectors of words, and other --methods of documents: compare them apart \
                 (sif is the mean of skip-gram's vectors)",
                words.name
            )));
        }
        let means = PRESETS.iter().find(|preset| preset.of == PresetOf::Means);
        if of_documents && presets.iter().all(|preset| preset.of != PresetOf::Means) {
            presets.extend(means);
        }
        Ok((presets, of_documents))
    }

    /// The encoded corpus, in the cache where the trainings will find it.
    fn corpus(
        &self,
        text: &TextOptions,
        documents: Option<&DocumentOptions>,
    ) -> anyhow::Result<Corpus> {
        let directory = self.cache.clone().unwrap_or_else(cache::directory);
        let reading = Progress::default();
        let (corpus, reused) = progress::counting(false, &reading, || match documents {
            Some(options) => {
                let documents = Documents { text, options, known: None };
                cache::corpus(&documents, &directory, &reading)
            }
            None => cache::corpus(text, &directory, &reading),
        })?;
        if !reused {
            keep_within_limit(&directory, &corpus)?;
        }
        note(&corpus.notes);
        Ok(corpus)
    }

    /// The number of passes over the corpus: as many as asked for, or as many as fit into the time,
    /// judged by a single pass.
    fn epochs_for(&self, preset: &Preset, trainer: &Trainer) -> anyhow::Result<usize> {
        let Some(seconds) = self.seconds else {
            let default = preset.recipe(self.settings).epochs();
            return Ok(self.epochs.map_or(default, |epochs| epochs as usize));
        };
        let once = trainer.run(&self.job(preset, 1, 1))?.model.provenance;
        if once.all_seconds() > seconds {
            let time = show::time(Duration::from_secs_f64(once.all_seconds()));
            let name = preset.name;
            progress::say(&format!(
                "wordloom: one pass of {name} takes {time}, more than --seconds"
            ));
        }
        Ok((((seconds - once.counting_seconds) / once.seconds.max(1e-3)) as usize).max(1))
    }

    /// The training of a method with this seed and number of epochs.
    fn job<'a>(&self, preset: &'a Preset, seed: u64, epochs: usize) -> Job<'a> {
        let change = RecipeChange {
            dim: self.dim.map(|dim| dim as usize),
            epochs: Some(epochs),
            threads: self.threads.map(|threads| threads as usize),
            seed: Some(seed),
            ..RecipeChange::default()
        };
        Job { preset, recipe: preset.recipe(self.settings).with(&change), seed }
    }
}

/// What all trainings share.
struct Trainer<'a> {
    of: &'a TrainingOptions,
    text: &'a TextOptions,
    /// How documents are found, where they are compared.
    documents: Option<&'a DocumentOptions>,
    corpus: &'a Corpus,
}

impl Trainer<'_> {
    /// The model of a training, which was kept from before or is trained now.
    fn run(&self, job: &Job) -> anyhow::Result<TrainedRun> {
        progress::stop_if_asked()?;
        let recipe = serde_json::to_value(&job.recipe)?;
        let key = format!("{} {recipe} {:016x}", env!("CARGO_PKG_VERSION"), self.corpus.facts.hash);
        let name = format!("{}-seed{}-epochs{}", job.preset.name, job.seed, job.recipe.epochs());
        let key = xxh3_64(key.as_bytes()) as u32;
        let file = self.of.keep.join(format!("{name}-{key:08x}.safetensors"));
        // A model is put in its place whole, so one that is there is finished, and may be damaged.
        let kept = format::read(&file).ok().filter(|model| model.check_finite().is_ok());
        let how = if kept.is_some() { "kept from before" } else { "trained" };
        let model = if let Some(kept) = kept {
            kept
        } else {
            self.train(job, recipe, &file)?;
            format::read(&file)?
        };
        let model = match self.text.rules()? {
            Some(pieces) => model.with_pieces(Some(pieces)),
            None => model,
        };
        let seconds = model.provenance.all_seconds().clamp(0.0, 1e9);
        progress::say(&format!("{name}: {how}, {}", show::time(Duration::from_secs_f64(seconds))));
        let means = job.preset.of == PresetOf::Means;
        let model = if means { sif(self.corpus, model)? } else { model };
        Ok(TrainedRun { name, model, sparse: None })
    }

    /// Trains in a process of its own, which stops with this one.
    fn train(&self, job: &Job, mut recipe: Value, file: &Path) -> anyhow::Result<()> {
        recipe["text"] = serde_json::to_value(self.text)?;
        if let Some(documents) = self.documents {
            recipe["text"]["documents"] = serde_json::to_value(documents)?;
        }
        let mut command =
            Command::new(std::env::current_exe().context("can't find wordloom itself")?);
        command.args(["train", "--recipe", "-", "--attended", "--quiet", "--checkpoint", "none"]);
        command.arg("--output").arg(file);
        if let Some(cache) = &self.of.cache {
            command.arg("--cache").arg(cache);
        }
        let output = progress::attended(&mut command, &recipe.to_string());
        let output = output.context("can't start a training")?;
        progress::stop_if_asked()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("no message").trim_start_matches("wordloom: ");
            bail!("{}, seed {}: {last}", job.preset.name, job.seed);
        }
        Ok(())
    }
}
