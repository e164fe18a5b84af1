//! How a training goes: what it begins with, checkpoints, scores on the way, metrics.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde_json::Value;
use wordloom::corpus::TextOptions;
use wordloom::eval::{Set, SetOptions, Sets};
use wordloom::format::{self, Format};
use wordloom::train::{Beginning, CheckpointPlan, Course, Patience, Watch, When};
use wordloom::{Embeddings, Error, Pieces, Progress, Result, Vocab};

use super::done;
use crate::cli::learning::{Live, Scores, Work};
use crate::cli::progress::say;
use crate::cli::{note, show};

/// How often checkpoints are written, if it is not said.
const EVERY: &str = "10m";

#[derive(clap::Args)]
pub(super) struct CourseOptions {
    /// Keep a checkpoint beside MODEL: after every TIME (10m) or N-epochs, or none. It is also
    /// written when training is interrupted; the same command again then goes on from it
    #[arg(long, value_name = "WHEN", default_value = EVERY, value_parser = parse_often)]
    checkpoint: Often,
    /// Begin anew although there is a checkpoint
    #[arg(long)]
    restart: bool,
    /// Score the model on this set of questions while it is trained (repeat it for several), and
    /// keep the scores in the model
    #[arg(long, value_name = "SETS")]
    watch: Vec<PathBuf>,
    /// How often it is scored: after every TIME or N-epochs
    #[arg(long, value_name = "WHEN", default_value = "1-epoch", requires = "watch")]
    watch_every: When,
    /// Keep the model with the best mean score, and stop when N scores in turn are no better
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u32).range(1..))]
    patience: Option<u32>,
    /// Write lines of JSON to FILE while training: time, words, rate, loss, speed, scores
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Begin with the vectors of this model, in any format, for the words in common
    #[arg(long, value_name = "MODEL")]
    init: Option<PathBuf>,
    /// Leave the words in common with that model as they are
    #[arg(long)]
    freeze: bool,
}

/// How often, if ever.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Often {
    Never,
    Every(When),
}

fn parse_often(text: &str) -> std::result::Result<Often, String> {
    match text {
        "none" => Ok(Often::Never),
        text => text.parse().map(Often::Every).map_err(|e| format!("{e}, or none")),
    }
}

/// What a course needs, read before hours are spent.
pub(super) struct Prepared<'a> {
    options: &'a CourseOptions,
    /// The model to begin with, and its file.
    from: Option<(PathBuf, Embeddings)>,
    /// Whether that model is to be updated.
    updates: bool,
    scores: Option<Scores>,
}

impl CourseOptions {
    /// The files that it reads.
    pub(super) fn inputs(&self) -> Vec<PathBuf> {
        [self.init.as_slice(), &self.watch].concat()
    }

    /// The file of metrics.
    pub(super) fn metrics(&self) -> Option<&Path> {
        self.metrics.as_deref()
    }

    /// Reads what the course of a training of dimension `dim` needs. It begins with the model `old`,
    /// where one is to be updated.
    pub(super) fn prepare(
        &self,
        dim: usize,
        old: Option<(PathBuf, Embeddings)>,
    ) -> Result<Prepared<'_>> {
        let updates = old.is_some();
        let from = match (&self.init, old) {
            (Some(path), None) => {
                let model = format::read(path)?;
                note(&model.provenance.notes);
                Some((path.clone(), model))
            }
            (Some(_), Some(_)) => {
                let problem = "names a second model to begin with: leave it out".into();
                return Err(Error::Setting { name: "init", problem });
            }
            (None, old) => old,
        };
        if self.freeze && from.is_none() {
            let problem = "has no words to leave as they are: name a model by `init`".into();
            return Err(Error::Setting { name: "freeze", problem });
        }
        if let Some((_, model)) = &from {
            Beginning { model, freeze: self.freeze }.check(dim)?;
        }
        let mut scores = None;
        if !self.watch.is_empty() {
            let Sets { sets, left_out } = Set::read(&self.watch, &SetOptions::default())?;
            note(&left_out);
            scores = Some(Scores::new(sets));
        }
        Ok(Prepared { options: self, from, updates, scores })
    }

    /// How often checkpoints of the training of `output` are written, and where; `None` where none
    /// is kept.
    pub(super) fn checkpoint(&self, output: &Path) -> Option<CheckpointPlan> {
        let Often::Every(when) = self.checkpoint else { return None };
        let path = beside(output, ".checkpoint");
        Some(CheckpointPlan { path, when, restart: self.restart })
    }

    /// When the training of `output` ends because its scores no longer rise.
    fn patience(&self, output: &Path) -> Option<Patience> {
        let scores = self.patience? as usize;
        Some(Patience { scores, best: beside(output, ".best-checkpoint") })
    }
}

/// A file whose name begins with that of `output`.
fn beside(output: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(output);
    name.push(ending);
    name.into()
}

impl Prepared<'_> {
    /// The vocabulary that is to grow, where a model is updated.
    pub(super) fn old_vocab(&self) -> Option<&Vocab> {
        self.from.as_ref().filter(|_| self.updates).map(|(_, model)| &model.vocab)
    }

    /// How often checkpoints are written, and where. A model that has no name yet is called MODEL.
    pub(super) fn checkpoint(&self, output: Option<&Path>) -> Option<CheckpointPlan> {
        self.options.checkpoint(output.unwrap_or(Path::new("MODEL")))
    }

    /// Trains by `train`, which is shown, and adds to the history what only the command knows.
    pub(super) fn learn(
        &self,
        (output, vocab): (&Path, &Vocab),
        (quiet, work): (bool, Work),
        train: impl FnOnce(&Course, &Progress) -> Result<Embeddings> + Send,
    ) -> Result<Embeddings> {
        let options = self.options;
        let take = |model: &Embeddings| {
            self.scores.as_ref().map_or_else(Vec::new, |scores| scores.take(model))
        };
        let watch = self.scores.as_ref().map(|scores| Watch {
            when: options.watch_every,
            sets: scores.names(),
            score: &take,
            patience: options.patience(output),
        });
        let from = self.from.as_ref();
        let course = Course {
            checkpoint: options.checkpoint(output),
            from: from.map(|(_, model)| Beginning { model, freeze: options.freeze }),
            watch,
        };
        let (scores, metrics) = (self.scores.as_ref(), options.metrics());
        if let (Some((path, _)), Some(from), false) = (from, &course.from, quiet) {
            let (common, all) = (from.common(vocab), show::number(vocab.len() as u64));
            let (name, common) = (path.display(), show::number(common as u64));
            say(&format!("begins with {name}, which has {common} of the {all} words"));
        }
        let live = Live { quiet, work, scores, metrics };
        let mut model = live.learning(|progress| train(&course, progress))?;
        if let Some((path, _)) = &self.from {
            model.provenance.begun_from["model"] = show::path(path).into();
            model.provenance.begun_from["updated"] = self.updates.into();
        }
        Ok(model)
    }

    /// Writes the model, and removes the files that were kept until then. If it can't be written, the
    /// error tells of the checkpoint.
    pub(super) fn write(
        &self,
        model: &mut Embeddings,
        output: &Path,
        to: Option<Format>,
    ) -> anyhow::Result<()> {
        let checkpoint = self.options.checkpoint(output);
        if let Some(pieces) = pieces(&model.provenance.text) {
            *model = model.clone().with_pieces(Some(pieces));
        }
        if let Err(error) = done::write(model, output, to) {
            return Err(match checkpoint.filter(|checkpoint| checkpoint.path.exists()) {
                Some(CheckpointPlan { path, .. }) => {
                    let path = path.display();
                    anyhow!("{error}: when that is mended, the same command goes on from {path}")
                }
                None => error.into(),
            });
        }
        if let Some(patience) = self.options.patience(output) {
            patience.remove()?;
        }
        Ok(checkpoint.map_or(Ok(()), |checkpoint| checkpoint.remove())?)
    }
}

/// How the text of a model was divided into pieces, if it was, and what says so is still there.
fn pieces(text: &Value) -> Option<Pieces> {
    serde_json::from_value::<TextOptions>(text.clone()).ok()?.rules().ok()?
}
