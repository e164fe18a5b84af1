//! A map of words: places in the plane for vectors of many numbers, and how far they can be believed.

mod figure;
mod grammar;
mod kept;
mod layout;
mod page;
mod tsne;

use std::sync::atomic::Ordering;

pub use self::grammar::function_words;
pub use self::kept::Kept;
pub use self::layout::Method;
use crate::cluster::{ClusterOptions, Clustering};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::query::{Combine, Index, Neighbour, Query};

/// The neighbours of a word that a map tells.
pub const NEAR: usize = 10;
/// The most words of a map.
pub const MOST: usize = 50_000;
/// The fewest words of a map.
const FEWEST: usize = 5;
/// Words whose neighbours are looked for together. With many, a thread looks at all rows for the same
/// words, so that few rows are taken for near and then given up.
const TOGETHER: usize = 4096;
/// Frequent words by which a group is named.
const NAMED_BY: usize = 3;

/// A place on a map.
pub type Place = [f64; 2];

/// How maps are made.
#[derive(Clone, Debug)]
pub struct MapOptions {
    /// The layouts, the first of which is shown first.
    pub methods: Vec<Method>,
    /// The groups that words are put into for colours; 0 for none.
    pub clusters: usize,
    /// The seed of the groups. Layouts have no random numbers.
    pub seed: u64,
}

/// Maps of the same words by one or several models.
#[derive(Clone, Debug)]
pub struct Map {
    /// The words, most frequent first.
    pub words: Vec<String>,
    /// Their counts by the first model; empty where these are not known.
    pub counts: Vec<u64>,
    /// What each model has.
    pub panels: Vec<Panel>,
    /// The seed of the groups.
    pub seed: u64,
    /// Labels that the user gave, and the label of each word.
    pub labels: Option<Groups>,
}

/// The words by one model.
#[derive(Clone, Debug)]
pub struct Panel {
    /// The name of the model.
    pub name: String,
    /// The [`NEAR`] nearest words of each word, among those of the map, by the model's vectors.
    pub near: Vec<Vec<Neighbour>>,
    /// The layouts, in the order of the options.
    pub layouts: Vec<Layout>,
    /// The words in groups of near ones.
    pub groups: Option<Groups>,
}

/// Places for words.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The method.
    pub method: Method,
    /// Its settings, for people.
    pub about: String,
    /// The place of each word, within ±1.
    pub places: Vec<Place>,
    /// How far it keeps what is near.
    pub kept: Kept,
}

/// Words in groups.
#[derive(Clone, Debug)]
pub struct Groups {
    /// The names of the groups.
    pub names: Vec<String>,
    /// The group of each word; `u16::MAX` for none.
    pub of: Vec<u16>,
}

impl Groups {
    /// The name of a word's group; empty where it has none.
    fn name(&self, word: usize) -> &str {
        self.names.get(usize::from(self.of[word])).map_or("", String::as_str)
    }
}

/// What the progress of a map ends at, for each model and layout.
pub const STEPS: u64 = 1000;

/// Counts a step of a part of the work that has `size` of them.
fn count(progress: &Progress, done: usize, size: usize, of: u64) {
    let at = |done: usize| done as u64 * of / size.max(1) as u64;
    progress.done.fetch_add(at(done + 1) - at(done), Ordering::Relaxed);
}

impl Map {
    /// The maps of models, each with its name. All have the same words in the same order, and at least
    /// five of them. A later model begins where the first one's map ends, and is turned towards it.
    /// The same models and options give the same maps for any number of threads.
    ///
    /// # Errors
    /// [`Error::Refused`] for too few or too many words, or numbers that are not finite, and
    /// [`Error::Stopped`].
    pub fn of(
        models: &[(String, Embeddings)],
        options: &MapOptions,
        progress: &Progress,
    ) -> Result<Self> {
        let (_, first) = &models[0];
        let words = first.vocab.len();
        if !(FEWEST..=MOST).contains(&words) {
            return Err(Error::Refused(format!(
                "{words} words, where a map wants from {FEWEST} to {MOST}"
            )));
        }
        let mut panels: Vec<Panel> = Vec::new();
        for (name, model) in models {
            model.check_finite().map_err(|error| Error::Refused(format!("{name}: {error}")))?;
            let panel = Panel::of(name, model, options, panels.first(), progress)?;
            panels.push(panel);
        }
        Ok(Self {
            words: (0..words as u32).map(|id| first.vocab.text(id)).collect(),
            counts: first.vocab.counts.to_vec(),
            panels,
            seed: options.seed,
            labels: None,
        })
    }

    /// What the progress of [`Map::of`] ends at.
    pub fn steps(models: usize, options: &MapOptions) -> u64 {
        models as u64 * STEPS * (1 + options.methods.len() as u64)
    }
}

impl Panel {
    fn of(
        name: &str,
        model: &Embeddings,
        options: &MapOptions,
        before: Option<&Self>,
        progress: &Progress,
    ) -> Result<Self> {
        let words = model.vocab.len();
        let wanted = options.methods.iter().map(|method| method.neighbours(words)).max();
        let near = nearest(model, wanted.unwrap_or(0).max(NEAR), progress)?;
        let groups = (options.clusters > 0).then(|| groups(model, options)).transpose()?;
        let mut layouts = Vec::new();
        for (at, &method) in options.methods.iter().enumerate() {
            let begin = before.map(|panel| &panel.layouts[at].places[..]);
            let (places, about) = method.lay_out(model, &near, begin, progress)?;
            let kept = Kept::of(model, &near, &places, progress)?;
            layouts.push(Layout { method, about, places, kept });
        }
        let near = near.into_iter().map(|mut near| {
            near.truncate(NEAR);
            near
        });
        Ok(Self { name: name.into(), near: near.collect(), layouts, groups })
    }
}

/// The `k` nearest words of each word.
fn nearest(model: &Embeddings, k: usize, progress: &Progress) -> Result<Vec<Vec<Neighbour>>> {
    let (words, index) = (model.vocab.len(), Index::new(model));
    let ids: Vec<u32> = (0..words as u32).collect();
    let mut near = Vec::with_capacity(words);
    let pieces = words.div_ceil(TOGETHER);
    for (piece, ids) in ids.chunks(TOGETHER).enumerate() {
        progress.check()?;
        let query = |&id: &u32| Query::new(&[model.vector(id)], &[], vec![id], Combine::Add);
        let queries: Vec<Query> = ids.iter().map(query).collect();
        near.extend(index.nearest(&queries, k));
        count(progress, piece, pieces, STEPS);
    }
    Ok(near)
}

/// The words in groups, each named by words that stand for it.
fn groups(model: &Embeddings, options: &MapOptions) -> Result<Groups> {
    let of = ClusterOptions {
        clusters: options.clusters.min(model.vocab.len()),
        rows: usize::MAX,
        rounds: 50,
        seed: options.seed,
    };
    let found = Clustering::of(model, &of, &Progress::default())?;
    let name = |group: usize| {
        let words = found.typical(group, NAMED_BY).into_iter().map(|id| model.vocab.text(id));
        words.collect::<Vec<String>>().join(", ")
    };
    Ok(Groups {
        names: (0..found.groups.len()).map(name).collect(),
        of: found.of.iter().map(|&group| group as u16).collect(),
    })
}
