//! How trainings go: stopped and gone on with, scored on the way, limited by time, begun from other
//! models.
#![allow(missing_docs)]

#[path = "common/corpus.rs"]
mod corpus;
#[path = "common/topics.rs"]
#[expect(dead_code, reason = "this file uses a part of it")]
mod topics;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wordloom::corpus::Corpus;
use wordloom::train::{
    Beginning, CheckpointPlan, Course, GloveConfig, GloveSettings, Patience, Precision, Recipe,
    Span, Watch, When, WindowConfig, train, train_by,
};
use wordloom::{Embeddings, Error, Progress};

/// Sentences of ten words, each from one of two topics of twenty words: `topic = id % 2`.
fn two_topics(folder: &Path, sentences: usize) -> Corpus {
    let sentences = topics::sentences(sentences, 10);
    corpus::of_topics(&folder.join("topics.corpus"), &topics::words(), sentences)
}

fn config() -> WindowConfig {
    WindowConfig { dim: 10, subsample: Some(0.0), epochs: 3, ..WindowConfig::default() }
}

fn checkpoint(folder: &Path, when: &str) -> CheckpointPlan {
    CheckpointPlan {
        path: folder.join("m.checkpoint"),
        when: when.parse().unwrap(),
        restart: false,
    }
}

/// Trains, and stops when it has learnt about a tenth of `total` more, again and again until the
/// end. Returns the model and how often training was stopped.
fn in_pieces(corpus: &Corpus, recipe: &Recipe, folder: &Path, total: u64) -> (Embeddings, u32) {
    let course = Course { checkpoint: Some(checkpoint(folder, "0.02s")), ..Course::default() };
    for stops in 0..200 {
        let progress = Progress::default();
        let result = std::thread::scope(|scope| {
            let training = scope.spawn(|| train_by(corpus, recipe, &course, &progress));
            let learnt = || {
                let all: u64 = progress.epochs().iter().map(|epoch| epoch.done).sum();
                all.saturating_sub(progress.earlier().0)
            };
            while !training.is_finished() && learnt() <= total * u64::from(stops % 5) / 20 {
                std::thread::sleep(Duration::from_millis(1));
            }
            progress.stop.store(true, Ordering::Relaxed);
            training.join().unwrap()
        });
        match result {
            Ok(model) => {
                course.checkpoint.unwrap().remove().unwrap();
                return (model, stops);
            }
            // It may be stopped before it has learnt anything.
            Err(Error::Paused { .. } | Error::Stopped) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never ends");
}

#[test]
fn a_training_that_is_stopped_again_and_again_gives_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 130_000);
    let same = WindowConfig { reproducible: true, threads: Some(2), ..config() };
    let bags = WindowConfig {
        subwords: Some("3..4".parse().unwrap()),
        buckets: Some(500),
        epochs: 1,
        ..same.clone()
    };
    let wide = WindowConfig { rows: Precision::F32, dim: 30, ..same.clone() };
    let glove = GloveConfig { dim: 10, epochs: 900, threads: Some(2), ..GloveConfig::default() };
    for recipe in [
        Recipe::SkipGram(same.clone()),
        Recipe::SkipGram(bags),
        Recipe::Cbow(WindowConfig { position_weights: true, ..wide }),
        Recipe::SkipGram(WindowConfig { threads: Some(1), ..config() }),
        Recipe::Glove(GloveSettings { config: glove, ..GloveSettings::default() }),
    ] {
        let whole = train(&corpus, &recipe, &Progress::default()).unwrap();
        let seen = whole.provenance.pairs_seen.max(whole.provenance.tokens_seen);
        let (pieces, stops) = in_pieces(&corpus, &recipe, folder.path(), seen);
        let name = recipe.method();
        assert!(stops > 2, "{name} was stopped {stops} times");
        assert!(pieces.input() == whole.input(), "{name}: input vectors after {stops} stops");
        assert!(pieces.output() == whole.output(), "{name}: output vectors");
        assert!(pieces.positions() == whole.positions(), "{name}: positions");
        let [was, is] = [whole, pieces].map(|model| model.provenance);
        assert_eq!(was.losses, is.losses, "{name}");
        assert_eq!((was.tokens_seen, was.pairs_seen), (is.tokens_seen, is.pairs_seen), "{name}");
    }
}

#[test]
fn threads_that_race_learn_every_chunk_once() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 100_000);
    for epochs in [1, 4] {
        let recipe = Recipe::Cbow(WindowConfig { epochs, threads: Some(3), ..config() });
        let total = epochs as u64 * corpus.facts.tokens;
        let (model, stops) = in_pieces(&corpus, &recipe, folder.path(), total);
        assert!(stops > 1, "stopped {stops} times");
        assert_eq!(model.provenance.tokens_seen, total, "after {stops} stops");
        assert_eq!(model.provenance.losses.len(), epochs);
    }
}

/// Stops a training after its first epoch, and returns how it was stopped.
fn after_an_epoch(corpus: &Corpus, recipe: &Recipe, plan: CheckpointPlan) -> Error {
    let progress = Progress::default();
    let score = |_: &Embeddings| {
        progress.stop.store(true, Ordering::Relaxed);
        vec![]
    };
    let watch = Watch { when: When::Epochs(1), sets: vec![], score: &score, patience: None };
    let course = Course { checkpoint: Some(plan), watch: Some(watch), ..Course::default() };
    train_by(corpus, recipe, &course, &progress).unwrap_err()
}

#[test]
fn only_the_same_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 4000);
    let recipe = Recipe::SkipGram(config());
    let plan = checkpoint(folder.path(), "1-epoch");
    let stopped = after_an_epoch(&corpus, &recipe, plan.clone());
    assert!(stopped.to_string().contains("m.checkpoint"), "{stopped}");
    let train = |corpus: &Corpus, recipe: &Recipe, plan: &CheckpointPlan| {
        let course = Course { checkpoint: Some(plan.clone()), ..Course::default() };
        train_by(corpus, recipe, &course, &Progress::default())
    };
    let fails = |corpus: &Corpus, recipe: &Recipe, says: &str| {
        let error = train(corpus, recipe, &plan).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("m.checkpoint"), "{error}");
    };
    let change = |change: fn(&mut WindowConfig)| {
        let mut config = config();
        change(&mut config);
        Recipe::SkipGram(config)
    };
    fails(&corpus, &Recipe::Cbow(config()), "its method is skip-gram, not cbow");
    fails(&corpus, &change(|config| config.dim = 11), "its `dim` is 10, not 11");
    fails(&corpus, &change(|config| config.lr = Some(0.5)), "its `lr` is the default, not 0.5");
    let elsewhere = tempfile::tempdir().unwrap();
    let other = two_topics(elsewhere.path(), 3999);
    fails(&other, &recipe, "another text (40000 tokens, not 39990)");
    let threads = change(|config| config.threads = Some(3));
    let model = train(&corpus, &threads, &plan).unwrap();
    assert_eq!(model.provenance.tokens_seen, 3 * 40_000);
    std::fs::write(&plan.path, "no checkpoint").unwrap();
    fails(&corpus, &recipe, "is no checkpoint");
    let anew = CheckpointPlan { restart: true, ..plan.clone() };
    assert_eq!(train(&corpus, &recipe, &anew).unwrap().provenance.losses.len(), 3);
    // The checkpoint of the second epoch is whole and belongs to this training.
    assert!(train(&corpus, &recipe, &plan).is_ok());
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_told_and_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 4000);
    let nowhere = CheckpointPlan {
        path: folder.path().join("none/m"),
        ..checkpoint(folder.path(), "1-epoch")
    };
    let course = Course { checkpoint: Some(nowhere), ..Course::default() };
    let progress = Progress::default();
    train_by(&corpus, &Recipe::SkipGram(config()), &course, &progress).unwrap();
    let notes = progress.take_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("training goes on"), "{notes:?}");
}

/// Trains for ten epochs with these scores, one for each. Returns the model, and what it was when it
/// was scored.
fn scored(scores: &[f64], patience: Option<usize>) -> (Embeddings, Vec<Vec<f32>>) {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 1000);
    let seen = Mutex::new(Vec::new());
    let score = |model: &Embeddings| {
        let mut seen = seen.lock().unwrap();
        seen.push(model.input().to_vec());
        vec![Some(scores[seen.len() - 1]), None]
    };
    let best = folder.path().join("best");
    let patience = patience.map(|scores| Patience { scores, best });
    let sets = vec!["a".into(), "b".into()];
    let watch = Watch { when: When::Epochs(1), sets, score: &score, patience };
    let course = Course { watch: Some(watch), ..Course::default() };
    let recipe = Recipe::SkipGram(WindowConfig { epochs: 10, threads: Some(1), ..config() });
    let model = train_by(&corpus, &recipe, &course, &Progress::default()).unwrap();
    (model, seen.into_inner().unwrap())
}

#[test]
fn the_best_model_is_kept_when_patience_ends() {
    let (model, seen) = scored(&[0.1, 0.3, 0.5, 0.4, 0.45, 0.2, 0.9], Some(3));
    assert_eq!(seen.len(), 6, "three scores are no better than the third");
    assert!(model.input() == seen[2]);
    let curve = &model.provenance.curve;
    assert_eq!((curve.best, curve.points.len()), (Some(2), 6));
    assert_eq!(curve.points[2].scores, [Some(0.5), None]);
    assert_eq!(curve.points[2].done, 30_000);
    assert_eq!(model.provenance.tokens_seen, 30_000);
    assert_eq!(model.provenance.losses.len(), 3);
}

#[test]
fn patience_goes_on_after_a_stop() {
    let scores = [0.1, 0.3, 0.5, 0.4, 0.45, 0.2, 0.9];
    let (whole, _) = scored(&scores, Some(3));
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 1000);
    let recipe = Recipe::SkipGram(WindowConfig { epochs: 10, threads: Some(1), ..config() });
    for stop_after in 1..6 {
        let (plan, best) = (checkpoint(folder.path(), "2-epochs"), folder.path().join("best"));
        let taken = Mutex::new(0);
        let go = |stop: usize| {
            let progress = Progress::default();
            let score = |_: &Embeddings| {
                let mut taken = taken.lock().unwrap();
                *taken += 1;
                progress.stop.store(*taken == stop, Ordering::Relaxed);
                vec![Some(scores[*taken - 1]), None]
            };
            let patience = Some(Patience { scores: 3, best: best.clone() });
            let sets = vec!["a".into(), "b".into()];
            let watch = Watch { when: When::Epochs(1), sets, score: &score, patience };
            let checkpoint = Some(plan.clone());
            let course = Course { checkpoint, watch: Some(watch), from: None };
            train_by(&corpus, &recipe, &course, &progress)
        };
        assert!(matches!(go(stop_after), Err(Error::Paused { .. })));
        let model = go(0).unwrap();
        assert!(model.input() == whole.input(), "stopped after {stop_after}");
        let [mut was, is] = [&whole, &model].map(|model| model.provenance.curve.clone());
        assert_eq!((was.best, was.points.len()), (is.best, is.points.len()));
        for (was, is) in was.points.iter_mut().zip(&is.points) {
            was.seconds = is.seconds;
            assert_eq!(was, is);
        }
        plan.remove().unwrap();
        std::fs::remove_file(&best).unwrap();
    }
}

#[test]
fn scores_are_noted_and_change_nothing() {
    let rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
    for patience in [None, Some(2)] {
        let (model, seen) = scored(&rising, patience);
        assert_eq!(model.provenance.curve.points.len(), 10);
        assert!(model.input() == seen[9]);
        assert!(scored(&rising, None).0.input() == model.input());
    }
    let (model, seen) = scored(&[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0], None);
    assert!(model.input() == seen[9], "without patience the last model is kept");
}

#[test]
fn time_is_a_limit_in_place_of_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 20_000);
    let time = Some(Span(Duration::from_millis(1500)));
    let glove = GloveConfig { time, dim: 10, ..GloveConfig::default() };
    for recipe in [
        Recipe::Cbow(WindowConfig { time, ..config() }),
        Recipe::Glove(GloveSettings { config: glove, ..GloveSettings::default() }),
    ] {
        let (begin, progress) = (Instant::now(), Progress::default());
        let model = train(&corpus, &recipe, &progress).unwrap();
        assert!(begin.elapsed() >= Duration::from_millis(1400), "{:?}", begin.elapsed());
        let history = &model.provenance;
        assert!(history.seconds >= 1.4 && history.losses.len() > 1, "{}", history.seconds);
        if let Recipe::Cbow(_) = recipe {
            let parts = history.tokens_seen as f64 / corpus.facts.tokens as f64;
            assert!(parts.ceil() as usize == history.losses.len(), "{parts}");
            assert!(progress.rate() < 0.01, "the rate falls to near 0: {}", progress.rate());
        }
    }
    let both = WindowConfig { time, reproducible: true, ..config() };
    let refused = train(&corpus, &Recipe::Cbow(both), &Progress::default()).unwrap_err();
    assert!(refused.to_string().contains("`time`"), "{refused}");
}

#[test]
fn a_limit_of_time_counts_what_was_trained_before() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 20_000);
    let time = Some(Span(Duration::from_secs(1)));
    let recipe = Recipe::SkipGram(WindowConfig { time, ..config() });
    let begin = Instant::now();
    let (model, stops) = in_pieces(&corpus, &recipe, folder.path(), 10 * corpus.facts.tokens);
    let seconds = model.provenance.seconds;
    assert!(stops > 1 && seconds >= 1.0, "{stops} stops in {seconds} s");
    assert!(seconds <= begin.elapsed().as_secs_f64(), "{seconds}");
}

#[test]
fn a_training_begins_with_another_model_and_leaves_frozen_words_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 2000);
    let recipe = Recipe::SkipGram(config());
    let first = train(&corpus, &recipe, &Progress::default()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let words: Vec<String> =
        (0..40).map(|id| if id < 10 { format!("new{id}") } else { first.vocab.text(id) }).collect();
    let sentences = topics::sentences(500, 10);
    let corpus = corpus::of_topics(&elsewhere.path().join("c"), &words, sentences);
    let glove = GloveConfig { dim: 10, epochs: 3, ..GloveConfig::default() };
    for recipe in [
        Recipe::SkipGram(config()),
        Recipe::Cbow(WindowConfig { reproducible: true, ..config() }),
        Recipe::Glove(GloveSettings { config: glove, ..GloveSettings::default() }),
    ] {
        for freeze in [true, false] {
            let from = Some(Beginning { model: &first, freeze });
            let course = Course { from, ..Course::default() };
            let model = train_by(&corpus, &recipe, &course, &Progress::default()).unwrap();
            for id in 10..40u32 {
                let was = first.vector(id);
                assert_eq!(model.vector(id) == was, freeze, "{} {id}", recipe.method());
            }
            let about = &model.provenance.begun_from;
            assert_eq!((&about["words"], &about["words_in_common"]), (&40.into(), &30.into()));
        }
    }
    let other = Recipe::SkipGram(WindowConfig { dim: 11, ..config() });
    let from = Some(Beginning { model: &first, freeze: false });
    let course = Course { from, ..Course::default() };
    let refused = train_by(&corpus, &other, &course, &Progress::default()).unwrap_err();
    assert!(refused.to_string().contains("`dim` 10"), "{refused}");
}
