//! Training from files, and from what Python iterates over.
//!
//! This file is over 300 lines because it goes the whole way from settings by their names to a model.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use serde_json::{Map, Value, json};
use wordloom::corpus::{DocumentOptions, Documents, Given, Produce, TextOptions, cache};
use wordloom::graph::{GraphWalks, WalkOptions};
use wordloom::sessions::SessionOptions;
use wordloom::train::{Learns, METHODS, Method, Recipe, WindowConfig, pool, settle_walks};
use wordloom::{Corpus, Error, Progress};

use crate::errors::{guarded, raise};
use crate::model::Model;

/// Signals are looked for, and progress is told, about this often.
const OFTEN: Duration = Duration::from_millis(100);
/// Signals are looked for after this many sentences.
const SENTENCES: u64 = 1 << 12;

/// The names of the methods, with what each learns from.
#[pyfunction]
pub(crate) fn methods() -> Vec<(&'static str, &'static str)> {
    let what = |learns: Learns| match learns {
        Learns::Text => "text",
        Learns::Documents => "documents",
        Learns::Graph => "graph",
        Learns::Sessions => "sessions",
    };
    METHODS.iter().map(|method| (method.name, what(method.learns))).collect()
}

/// Options and settings by their names.
type Named = Map<String, Value>;

/// Moves those of `given` to `options` that it has, whatever it has for them.
fn take(options: &mut Value, given: &mut Named) {
    let Some(options) = options.as_object_mut() else { return };
    for (name, value) in options.iter_mut() {
        if let Some(given) = given.shift_remove(name) {
            *value = given;
        }
    }
}

/// Options of a type, or a choice, by what was given for them.
pub(crate) fn read<T: serde::de::DeserializeOwned>(options: Value) -> wordloom::Result<T> {
    let wrong = |e: serde_json::Error| Error::Refused(e.to_string().replace('`', "'"));
    serde_json::from_value(options).map_err(wrong)
}

/// The options of a text, taken from all that was given.
fn text(inputs: &[PathBuf], given: &mut Named) -> wordloom::Result<TextOptions> {
    let mut all = json!(TextOptions::default());
    take(&mut all["tokenizer"], given);
    if let Some(file) = given.shift_remove("vocab") {
        all["vocab_file"] = file;
    }
    take(&mut all, given);
    Ok(TextOptions { inputs: inputs.to_vec(), ..read(all)? })
}

/// What a training reads.
enum Source {
    Text(TextOptions),
    Documents(TextOptions, DocumentOptions),
    Graph(GraphWalks, bool),
    Sessions(SessionOptions),
}

impl Source {
    /// The source of a method, with its options taken from all that was given.
    fn new(method: &Method, inputs: &[PathBuf], given: &mut Named) -> wordloom::Result<Self> {
        match method.learns {
            Learns::Text => text(inputs, given).map(Self::Text),
            Learns::Documents => {
                let mut all = json!(DocumentOptions::default());
                take(&mut all, given);
                let documents = read(all)?;
                Ok(Self::Documents(text(inputs, given)?, documents))
            }
            Learns::Graph => {
                let mut graph = json!({ "graph": inputs.first(), "directed": false });
                take(&mut graph, given);
                let mut own = Named::new();
                for name in ["walks", "length", "p", "q", "plus"] {
                    own.extend(given.shift_remove(name).map(|value| (name.to_string(), value)));
                }
                let rewalk = given.shift_remove("rewalk").is_some_and(|value| value == true);
                let walks: WalkOptions = read(Value::Object(method.walks(&own)))?;
                walks.check()?;
                if inputs.len() > 1 {
                    return Err(Error::Refused("a graph is one file".into()));
                }
                let seed = given.get("seed").cloned().unwrap_or_else(|| json!(1));
                let walks = json!({ "graph": graph, "walks": walks, "seed": seed });
                Ok(Self::Graph(read(walks)?, rewalk))
            }
            Learns::Sessions => {
                let mut all = json!(SessionOptions::default());
                take(&mut all, given);
                let sessions = SessionOptions { inputs: inputs.to_vec(), ..read(all)? };
                sessions.check()?;
                Ok(Self::Sessions(sessions))
            }
        }
    }

    /// A description, which models store.
    fn describe(&self) -> Value {
        match self {
            Self::Text(text) => text.describe(),
            Self::Documents(text, options) => Documents { text, options, known: None }.describe(),
            Self::Graph(walks, _) => json!(walks),
            Self::Sessions(sessions) => json!({ "sessions": sessions.describe() }),
        }
    }

    /// The corpus, from the cache or a file that is not kept.
    fn corpus(&self, place: &Place, progress: &Progress) -> wordloom::Result<Corpus> {
        match self {
            Self::Text(text) => match text.encoded()? {
                Some(corpus) => Ok(corpus),
                None => place.make(text, progress),
            },
            Self::Documents(text, options) => {
                place.make(&Documents { text, options, known: None }, progress)
            }
            Self::Graph(walks, _) => place.make(walks, progress),
            Self::Sessions(sessions) => place.make(sessions, progress),
        }
    }
}

/// Where corpora are kept.
struct Place {
    directory: PathBuf,
    kept: bool,
}

impl Place {
    fn make(&self, producer: &impl Produce, progress: &Progress) -> wordloom::Result<Corpus> {
        if self.kept {
            cache::corpus(producer, &self.directory, progress).map(|(corpus, _)| corpus)
        } else {
            cache::once(producer, &self.directory, progress)
        }
    }
}

/// Trains a model by the method called `method`. `settings` is JSON: all settings and options by
/// their names. The source is the files `paths`, or else `sentences`, of which each is a text or an
/// iterable of words. `progress` is called with what is done: `reading` or `training`, how much,
/// and of how much, where that is known. The files are kept as they were encoded in `cache`, if `keep`
/// says so; models do not name files that are `passing`.
#[pyfunction]
#[pyo3(signature = (method, settings, paths, sentences, progress, cache, keep, passing))]
pub(crate) fn train(
    py: Python<'_>,
    method: &str,
    settings: &str,
    paths: Vec<PathBuf>,
    sentences: Option<Bound<'_, PyAny>>,
    progress: Option<Bound<'_, PyAny>>,
    cache: Option<PathBuf>,
    keep: bool,
    passing: bool,
) -> PyResult<(Model, Vec<String>)> {
    let tell = progress.as_ref();
    let method = guarded(|| Method::named(method))?;
    if sentences.is_some() && method.learns != Learns::Text {
        let problem = "sentences are for methods of text: name a file for the others";
        return Err(PyTypeError::new_err(problem));
    }
    let (source, recipe) = guarded(|| {
        let mut given: Named = read(serde_json::from_str(settings).unwrap_or_default())?;
        let mut source = Source::new(method, &paths, &mut given)?;
        let users = given.shift_remove("users").is_some_and(|value| value == true);
        let recipe = settle(method.recipe(&given)?, &mut source, users)?;
        Ok((source, recipe))
    })?;
    guarded(|| recipe.check())?;
    let directory = cache.unwrap_or_else(cache::directory);
    let place = Place { directory, kept: keep };
    let threads = guarded(|| pool(Some(recipe.threads())))?;
    let (corpus, once) = if let (Source::Text(text), Some(sentences)) = (&source, sentences) {
        let once = guarded(Once::new)?;
        let corpus = given(py, text, &once.0.join("given.corpus"), &sentences, tell)?;
        // Where that can be done, the file disappears with its last mapping.
        if cfg!(unix) { (corpus, None) } else { (corpus, Some(once)) }
    } else {
        let progress = Progress::default();
        let read = || threads.install(|| source.corpus(&place, &progress));
        (watch(py, tell, ("reading", None), &progress, read)?, None)
    };
    let progress = Progress::default();
    let total = match &recipe {
        Recipe::Glove(_) => None,
        _ if recipe.time().is_some() => None,
        recipe => Some(corpus.facts.tokens * recipe.epochs() as u64),
    };
    let learn = || wordloom::train::train(&corpus, &recipe, &progress);
    let mut model = watch(py, tell, ("training", total), &progress, learn)?;
    model.provenance.text =
        if passing { without(&source.describe(), &paths) } else { source.describe() };
    if let Source::Text(text) | Source::Documents(text, _) = &source {
        model = model.with_pieces(text.rules().map_err(|error| raise(&error))?);
    }
    let notes = corpus.notes.clone();
    drop((corpus, once));
    Ok((model.into(), notes))
}

/// A description without the names of these files.
fn without(description: &Value, paths: &[PathBuf]) -> Value {
    let mut text = description.to_string();
    for path in paths {
        text = text.replace(&json!(path).to_string(), "\"\"");
    }
    serde_json::from_str(&text).unwrap_or_default()
}

/// Settles a recipe and what it reads: nodes of graphs have a learning rate by their walks, and users
/// are learnt as documents are.
fn settle(recipe: Recipe, source: &mut Source, users: bool) -> wordloom::Result<Recipe> {
    match (recipe, source) {
        (Recipe::SkipGram(mut config), Source::Graph(walks, rewalk)) if !users => {
            settle_walks(&mut config, &mut walks.walks, *rewalk)?;
            Ok(Recipe::SkipGram(config))
        }
        (Recipe::SkipGram(config), Source::Sessions(_)) if users => {
            Ok(Recipe::PvDbow(WindowConfig { words: true, ..config }))
        }
        _ if users => Err(Error::Refused("users are learnt by item2vec".into())),
        (recipe, _) => Ok(recipe),
    }
}

/// A folder of our own for files that are not kept, which is removed in the end.
pub(crate) struct Once(pub(crate) PathBuf);

impl Once {
    /// Makes a folder that was not there and that nobody else can write to.
    pub(crate) fn new() -> wordloom::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let time = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |now| now.subsec_nanos());
        let name = format!("wordloom-{}-{number}-{time}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut folder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The corpus of sentences that Python iterates over, once.
fn given(
    py: Python<'_>,
    options: &TextOptions,
    path: &std::path::Path,
    sentences: &Bound<'_, PyAny>,
    tell: Option<&Bound<'_, PyAny>>,
) -> PyResult<Corpus> {
    let mut given = guarded(|| Given::new(options, path))?;
    let mut told = Instant::now();
    for (number, sentence) in (1u64..).zip(sentences.try_iter()?) {
        let sentence = sentence?;
        if let Ok(text) = sentence.cast::<PyString>() {
            given.text(&text.to_cow()?);
        } else if sentence.is_instance_of::<PyBytes>() {
            return Err(PyTypeError::new_err("a sentence of bytes: decode it first"));
        } else {
            for word in sentence.try_iter()? {
                let word = word?;
                let text = word.cast::<PyString>().map_err(|_| {
                    PyTypeError::new_err(format!("a word that is no string: {word:?}"))
                })?;
                given.word(&text.to_cow()?);
            }
        }
        given.end().map_err(|error| raise(&error))?;
        if number.is_multiple_of(SENTENCES) {
            py.check_signals()?;
            if let Some(tell) = tell.filter(|_| told.elapsed() > OFTEN) {
                tell.call1(("reading", given.len(), None::<u64>))?;
                told = Instant::now();
            }
        }
    }
    py.detach(|| guarded(|| given.finish()))
}

/// Does a job without Python's lock, while signals are looked for and progress is told.
pub(crate) fn watch<T: Send>(
    py: Python<'_>,
    tell: Option<&Bound<'_, PyAny>>,
    (stage, total): (&str, Option<u64>),
    progress: &Progress,
    job: impl FnOnce() -> wordloom::Result<T> + Send,
) -> PyResult<T> {
    std::thread::scope(|scope| {
        let job = scope.spawn(|| guarded(job));
        let (mut stopped, mut pause) = (None, Duration::from_millis(1));
        while !job.is_finished() {
            py.detach(|| std::thread::sleep(pause));
            pause = (pause * 2).min(OFTEN);
            if stopped.is_some() {
                continue;
            }
            let told = || match tell {
                Some(tell) if pause == OFTEN => {
                    tell.call1((stage, progress.done.load(Ordering::Relaxed), total)).map(drop)
                }
                _ => Ok(()),
            };
            if let Err(error) = py.check_signals().and_then(|()| told()) {
                progress.stop.store(true, Ordering::Relaxed);
                stopped = Some(error);
            }
        }
        let done = job.join().expect("panics are caught");
        if let Some(error) = stopped {
            return Err(error);
        }
        if let Some(tell) = tell {
            let done = total.unwrap_or_else(|| progress.done.load(Ordering::Relaxed));
            tell.call1((stage, done, done))?;
        }
        done
    })
}
