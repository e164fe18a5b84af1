//! A training of a window method between two borders: its matrices and how far it is. It begins,
//! learns ranges of chunks, and finishes as a model.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use safetensors::tensor::Dtype;

use super::beginning::{self, Beginning};
use super::checkpoint::Matrix;
use super::course::{Course, Stage};
use super::log::Log;
use super::recipe::Recipe;
use super::schedule::Borders;
use super::superstep::Damping;
use super::training::Training;
use super::window::objective::{Cbow, SequentialSkipGram, SkipGram};
use super::window::{Direction, Matrices, TagRows, TagsAlone, TagsInWindows, Way, Windows};
use super::{config, history, race, superstep};
use crate::embeddings::{Embeddings, Provenance};
use crate::error::{Error, Result};
use crate::math::{LINE, Precision};
use crate::memory::{Numbers, Shared};
use crate::progress::Progress;
use crate::subword::{Bags, Ngrams};

/// All that a training knows at a border, where its threads have joined and all that was learnt is
/// in the matrices.
pub(crate) struct State<'a> {
    training: Training<'a>,
    from: Option<Beginning<'a>>,
    rows: Matrices<Shared>,
    /// The damping of rows, where training goes by supersteps.
    damping: Option<Matrices<Arc<Damping>>>,
    log: Log,
}

impl<'a> State<'a> {
    /// The matrices as training begins with them.
    ///
    /// # Errors
    /// Too little memory, or a model that training can't begin with.
    pub(crate) fn begin(
        training: Training<'a>,
        course: &Course<'a>,
        progress: &Progress,
    ) -> Result<Self> {
        let (config, task) = (training.config, &training.task);
        let (begun, words) = (Instant::now(), training.corpus().vocab.len());
        let from = course.from;
        if let Some(from) = &from {
            from.check(config.dim)?;
            from.check_words(&training.corpus().vocab)?;
        }
        let too_large = |e: std::io::Error| config::too_large(words, config.dim, &e);
        let matrix = |rows, precision| Shared::new(rows, config.dim, precision).map_err(too_large);
        // Position weights are few, and move little.
        let positions = || matrix(2 * task.window.largest(), Precision::F32);
        let positions = config.position_weights.then(positions);
        let mut rows = Matrices {
            // The rows of n-grams will be needed as floats, to compose words of them.
            input: match &task.bags {
                Some(bags) => {
                    Shared::with_room(bags.total(), config.dim, config.rows).map_err(too_large)?
                }
                None => matrix(training.input_rows(), config.rows)?,
            },
            output: matrix(words, config.rows)?,
            positions: positions.transpose()?,
        };
        let of = (&training.corpus().vocab, task.bags.as_ref(), task.tags);
        training
            .pool
            .install(|| beginning::begin(&mut rows, of, config, from.as_ref(), progress))?;
        let damping =
            config.reproducible.then(|| superstep::damping(&training, rows.positions.as_ref()));
        let log = Log { seconds: begun.elapsed().as_secs_f64(), ..Log::default() };
        Ok(Self { training, from, rows, damping, log })
    }

    fn go(
        &self,
        chunks: Range<usize>,
        until: Option<Instant>,
        way: &impl Way,
        progress: &Progress,
    ) -> Result<usize> {
        let Matrices { input, output, positions } = &self.rows;
        let rows = Matrices { input, output, positions: positions.as_ref() };
        let training = &self.training;
        match &self.damping {
            Some(damping) => {
                let end = chunks.end;
                superstep::learn(training, &rows, damping, chunks, way, progress).map(|()| end)
            }
            None => race::learn(training, rows, (chunks, until), way, progress),
        }
    }

    /// The model that was learnt.
    ///
    /// # Errors
    /// Vectors that are not finite.
    pub(crate) fn finish(self) -> Result<Embeddings> {
        let begun = Instant::now();
        let Self { training, from, rows: all, log, .. } = self;
        let (config, task) = (training.config, &training.task);
        let (corpus, words, dim) = (training.corpus(), training.corpus().vocab.len(), config.dim);
        let too_large = |e: std::io::Error| config::too_large(words, dim, &e);
        let finite = |rows: Numbers| -> Result<Numbers> {
            let (epoch, lr) = (log.losses.len(), training.schedule.first_rate());
            let diverged = Error::Diverged { epoch, loss: f64::NAN, lr };
            if training.pool.install(|| rows.all_finite()) { Ok(rows) } else { Err(diverged) }
        };
        let rows = |shared: Shared| finite(shared.into_rows().map_err(too_large)?);
        let word_rows = training.word_rows();
        let mut output = rows(all.output)?;
        let mut tags = None;
        let (mut input, ngrams) =
            if let Some((bags, subwords)) = task.bags.as_ref().zip(config.subwords()) {
                let all = all.input.into_floats().map_err(too_large)?;
                let all = finite(all.into())?.floats().clone();
                let composed = training.pool.install(|| compose(&all, bags, words, dim));
                let rows = all.part(4 * words * dim..4 * all.len());
                let rows = rows.unwrap_or_else(|| [][..].into());
                let buckets = Some(bags.buckets[..].into());
                (composed.into(), Some(Ngrams { subwords, buckets, rows, pruned: false }))
            } else {
                let (words, others) = rows(all.input)?.split(word_rows * dim);
                let named = |tags: TagRows| {
                    let names = tags.of.names.clone();
                    Embeddings::new(names, dim, others, None, Provenance::default())
                };
                tags = task.tags.map(named);
                // Where words have no input vectors, their output vectors stand for them.
                (if word_rows == 0 { output.clone() } else { words }, None)
            };
        if let Some(from) = from.filter(|from| from.freeze) {
            let restored = |ours: &Numbers, theirs: &[f32]| {
                let mut floats = ours.floats().to_vec();
                from.restore(&corpus.vocab, theirs, &mut floats);
                floats.into()
            };
            output = from.model.output().map_or(output.clone(), |theirs| restored(&output, theirs));
            let tied = word_rows == 0;
            input = if tied { output.clone() } else { restored(&input, from.model.input()) };
        }
        let positions = all.positions.map(rows).transpose()?;
        let log = Log { seconds: log.seconds + begun.elapsed().as_secs_f64(), ..log };
        let history = history::of_windows(&training, from.as_ref(), log);
        let model = Embeddings::new(corpus.vocab.clone(), dim, input, Some(output), history);
        Ok(model.with_ngrams(ngrams).with_positions(positions).with_tags(tags))
    }
}

impl Stage for State<'_> {
    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn borders(&self) -> Borders {
        self.training.schedule.borders()
    }

    fn learn(&mut self, border: usize, until: Option<Instant>, progress: &Progress) -> Result<()> {
        let (training, chunks) = (&self.training, self.log.next..border);
        self.log.next = match (training.recipe, training.task.direction) {
            (Recipe::SkipGram(_), Direction::Inward) => {
                self.go(chunks, until, &Windows(SkipGram), progress)?
            }
            (Recipe::SkipGram(_), Direction::Outward) => {
                self.go(chunks, until, &Windows(SequentialSkipGram), progress)?
            }
            (Recipe::PvDbow(config), _) if !config.words => {
                self.go(chunks, until, &TagsAlone, progress)?
            }
            (Recipe::PvDbow(_), _) => self.go(chunks, until, &Windows(SkipGram), progress)?,
            (Recipe::PvDm(config), _) => {
                self.go(chunks, until, &TagsInWindows(config.cbow_gradient), progress)?
            }
            (Recipe::Cbow(_), _) => {
                let objective = Cbow::new(training.config.cbow_gradient, training.config.dim);
                self.go(chunks, until, &Windows(objective), progress)?
            }
            (Recipe::Glove(_), _) => unreachable!("GloVe is no window method"),
        };
        Ok(())
    }

    fn matrices(&mut self) -> Vec<Matrix<'_>> {
        let Matrices { input, output, positions } = &mut self.rows;
        let positions = positions.as_mut().map(|positions| ("positions", positions));
        let all = [("input", input), ("output", output)].into_iter().chain(positions);
        all.map(|(name, shared)| {
            let dtype = match shared.precision() {
                Precision::F16 => Dtype::F16,
                Precision::F32 => Dtype::F32,
            };
            let shape = vec![shared.rows(), shared.dim().next_multiple_of(LINE)];
            Matrix { name, dtype, shape, pieces: vec![shared.bytes_mut()] }
        })
        .collect()
    }

    fn snapshot(&mut self) -> Embeddings {
        let (task, dim) = (&self.training.task, self.training.config.dim);
        let vocab = &self.training.corpus().vocab;
        let mut input = vec![0.0; vocab.len() * dim];
        let padded = || [(); 2].map(|()| vec![0.0; dim.next_multiple_of(LINE)]);
        let copy_rows = |shared: &Shared, first: usize, to: &mut [f32]| {
            let row = |[row, copy]: &mut [Vec<f32>; 2], (word, to): (usize, &mut [f32])| {
                let word = (first + word) as u32;
                let bag =
                    task.bags.as_ref().map_or(std::slice::from_ref(&word), |bags| bags.of(word));
                shared.load(bag, row, copy);
                to.copy_from_slice(&row[..dim]);
            };
            let rows = || to.par_chunks_mut(dim).enumerate().for_each_init(padded, row);
            self.training.pool.install(rows);
        };
        let tied = self.training.word_rows() == 0;
        copy_rows(if tied { &self.rows.output } else { &self.rows.input }, 0, &mut input);
        if let Some(from) = &self.from {
            let theirs = if tied { from.model.output() } else { Some(from.model.input()) };
            theirs.inspect(|theirs| from.restore(vocab, theirs, &mut input));
        }
        let tags = task.tags.map(|TagRows { of, first, .. }| {
            let mut rows = vec![0.0; of.names.len() * dim];
            copy_rows(&self.rows.input, first as usize, &mut rows);
            Embeddings::new(of.names.clone(), dim, rows.into(), None, Provenance::default())
        });
        Embeddings::new(vocab.clone(), dim, input.into(), None, Provenance::default())
            .with_tags(tags)
    }

    fn plan(&mut self, whole: f64) {
        self.training.schedule.plan(whole);
    }
}

/// The vectors of `words` words: means of the rows of their bags.
fn compose(rows: &[f32], bags: &Bags, words: usize, dim: usize) -> Vec<f32> {
    let mut all = vec![0.0; words * dim];
    all.par_chunks_mut(dim).enumerate().for_each(|(word, to)| {
        let bag = bags.of(word as u32);
        for &row in bag {
            let row = &rows[row as usize * dim..][..dim];
            to.iter_mut().zip(row).for_each(|(to, x)| *to += x);
        }
        for x in to {
            *x /= bag.len() as f32;
        }
    });
    all
}
