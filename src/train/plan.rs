//! What a training of a window method would take, before it is begun.

use super::config::WindowConfig;
use super::recipe::Recipe;
use super::schedule::LANES;
use super::superstep::overlay;
use super::training;
use super::window::Direction;
use crate::corpus::Corpus;
use crate::error::Result;
use crate::math::Precision;
use crate::subword::Bags;

/// A training that could be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The recipe, in which nothing is left to a default.
    pub recipe: Recipe,
    /// Bytes of memory, the mapped corpus left out.
    pub memory: u64,
    /// Buckets that n-grams of the vocabulary reach, where n-grams are learnt.
    pub buckets: Option<u64>,
    /// Tags that get a vector, where documents are learnt.
    pub tags: Option<u64>,
    /// Bytes of a checkpoint.
    pub checkpoint: u64,
    /// Bytes of memory that the buckets save that no n-gram reaches.
    pub saved: u64,
    /// Tokens that subsampling is expected to keep in an epoch.
    pub kept: f64,
    /// Chunks in an epoch.
    pub chunks: usize,
}

impl Plan {
    /// Whether the model has one matrix for its words, and not two.
    pub fn word_matrices_are_one(&self) -> bool {
        self.recipe.tags_alone()
    }

    /// What `recipe` would take on `corpus`; `None` for GloVe, whose plan depends on its counts.
    ///
    /// # Errors
    /// An impossible setting.
    pub fn new(corpus: &Corpus, recipe: &Recipe) -> Result<Option<Self>> {
        recipe.check()?;
        let Some(window) = recipe.window() else { return Ok(None) };
        let config = window.config;
        let vocab = &corpus.vocab;
        let kept = config.kept(corpus);
        let subwords = config.subwords();
        let bags = subwords.map(|subwords| Bags::new(vocab, &subwords));
        let buckets = bags.as_ref().map(|bags| bags.buckets.len() as u64);
        let all = subwords.map_or(0, |subwords| u64::from(subwords.buckets));
        let resolved = WindowConfig {
            lr: Some(window.rate()),
            subsample: Some(config.subsample_for(corpus.facts.tokens)),
            threads: Some(super::threads(config.threads)),
            buckets: subwords.map(|subwords| subwords.buckets),
            ..config.clone()
        };
        let tags = corpus.tags().filter(|_| recipe.learns_tags());
        let tags = tags.map(|tags| tags.names.len() as u64);
        let words = vocab.len() as u64;
        let word_rows = if recipe.tags_alone() { words } else { 2 * words };
        let rows = word_rows + tags.unwrap_or(0);
        // The order in which documents are learnt.
        let order = tags.map_or(0, |_| 12 * corpus.ends().len() as u64);
        Ok(Some(Self {
            memory: memory(config, (words, rows), bags.as_ref()) + order,
            tags,
            checkpoint: (rows + buckets.unwrap_or(0)) * config.row_memory(config.rows),
            saved: all.saturating_sub(buckets.unwrap_or(0)) * config.row_memory(config.rows),
            buckets,
            kept,
            chunks: training::schedule(corpus, &window).chunks(),
            recipe: recipe.resolved(&resolved),
        }))
    }
}

/// Bytes of memory that training on a vocabulary of `words` words takes, which have `all` rows with
/// those of tags; `bags` are their rows where n-grams are learnt.
fn memory(config: &WindowConfig, (words, all): (u64, u64), bags: Option<&Bags>) -> u64 {
    let (dim, row) = (config.dim as u64, config.row_memory(config.rows));
    let direction = if bags.is_some() { Direction::Outward } else { Direction::Inward };
    let resident =
        2 * (2 * config.window().largest() + 2 + direction.pool().slots(config.negative));
    // Threads' copies, or those of logical workers with what they changed.
    let private = if config.reproducible {
        LANES * (resident + 2 * overlay::SLOTS)
    } else {
        super::threads(config.threads) * resident
    } as u64;
    // Input and output rows; tables of noise and subsampling; copies; for n-grams their rows'
    // numbers and the words' composed vectors.
    let ngrams = bags.map_or(0, |bags| {
        let (rows, uses) = (bags.buckets.len() as u64, bags.uses() as u64);
        // At the end the rows are widened where they are.
        let widened = ((words + rows) * dim * 4).saturating_sub((words + rows) * row);
        rows * (row + 4) + uses * 4 + words * (dim * 4 + 8) + widened
    });
    all * row + words * 12 + private * config.row_memory(Precision::F32) + ngrams
}
