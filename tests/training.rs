//! Training as a whole: it learns what is there to learn, repeats itself, stops, and notices when
//! it diverges.
#![allow(missing_docs)]

#[expect(dead_code, reason = "this file uses a part of it")]
mod common;
#[path = "common/corpus.rs"]
mod corpus;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::Ordering;

use wordloom::Error;
use wordloom::Progress;
use wordloom::Vocab;
use wordloom::corpus::{Corpus, CorpusWriter, Facts};
use wordloom::train::{CbowGradient, Precision, Recipe, WindowConfig, train};
use wordloom::{Embeddings, cosine};

use self::common::topics;

/// The methods that learn from windows.
const METHODS: [fn(WindowConfig) -> Recipe; 2] = [Recipe::SkipGram, Recipe::Cbow];

/// Sentences of ten words, each from one of two topics of twenty words: `topic = id % 2`.
fn two_topics(folder: &Path, sentences: usize) -> Corpus {
    let sentences = topics::sentences(sentences, 10);
    corpus::of_topics(&folder.join("topics.corpus"), &topics::words(), sentences)
}

fn config() -> WindowConfig {
    WindowConfig {
        dim: 20,
        subsample: Some(0.0),
        epochs: 8,
        threads: Some(1),
        ..WindowConfig::default()
    }
}

/// Mean cosine of words of one topic, and of words of different topics.
fn cohesion(model: &Embeddings) -> (f64, f64) {
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for a in 0..40 {
        for b in 0..a {
            let list = if a % 2 == b % 2 { &mut same } else { &mut other };
            list.push(cosine(&model.vector(a), &model.vector(b)));
        }
    }
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    (mean(&same), mean(&other))
}

#[test]
fn two_topics_come_apart_whatever_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 3000);
    let settings = [
        config(),
        WindowConfig { threads: Some(3), ..config() },
        WindowConfig { rows: Precision::F32, ..config() },
        WindowConfig { negative: 1, ..config() },
        WindowConfig { negative: 13, ..config() },
        WindowConfig { fixed_window: true, window: 2, ..config() },
        WindowConfig { whole_sequence: true, ..config() },
        WindowConfig { noise_exponent: 0.0, dim: 7, ..config() },
        WindowConfig { cbow_gradient: CbowGradient::Corrected, lr: Some(0.1), ..config() },
    ];
    for method in METHODS {
        for recipe in settings.clone().map(method) {
            if recipe.check().is_err() {
                // The gradient is a choice of CBOW alone.
                assert_eq!(recipe.method(), "skip-gram");
                continue;
            }
            let model = train(&corpus, &recipe, &Progress::default()).unwrap();
            let (same, other) = cohesion(&model);
            assert!(same > other + 0.3, "{recipe:?}: {same:.2} within topics, {other:.2} across");
        }
    }
}

#[test]
fn the_loss_falls() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 600);
    for method in METHODS {
        let losses =
            train(&corpus, &method(config()), &Progress::default()).unwrap().provenance.losses;
        let losses: Vec<f64> = losses.into_iter().map(Option::unwrap).collect();
        assert_eq!(losses.len(), 8);
        // Without knowledge it is ln 2 = 0.69 a pair.
        assert!(losses[0] < 0.7 && losses[7] < 0.85 * losses[0], "{losses:?}");
    }
}

#[test]
fn one_thread_and_one_seed_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 500);
    for method in METHODS {
        let vectors = |seed: u64| {
            let config = WindowConfig { seed, ..config() };
            let model = train(&corpus, &method(config), &Progress::default()).unwrap();
            (model.input().to_vec(), model.output().unwrap().to_vec())
        };
        assert!(vectors(1) == vectors(1));
        assert!(vectors(1) != vectors(2));
    }
}

/// The vectors of markers show which share of each word is kept. A marker is a word that occurs
/// once, in a sentence with one other word. If the other word is dropped there, the marker has no
/// neighbour, and its vector stays as it was at the start.
#[test]
fn subsampling_leaves_rare_words_and_thins_out_frequent_ones() {
    // Each word occurs `beside` a marker this many times, and `before` that in a sentence of its
    // own, since the first pair of a word teaches its neighbour nothing: output vectors begin at
    // zero.
    let (beside, before) = ([40_000, 4000, 1600, 500, 20], 200);
    let mut sentences: Vec<Vec<u32>> = (0..5).map(|word| vec![word; before]).collect();
    let mut markers = Vec::new();
    let mut names = beside.map(|count| format!("occurs {count} times")).to_vec();
    for (word, count) in beside.into_iter().enumerate() {
        let first = names.len();
        markers.push(first..first + count);
        sentences.extend((first..first + count).map(|marker| vec![word as u32, marker as u32]));
        names.extend((0..count).map(|marker| format!("marker {marker} of word {word}")));
    }
    let tokens = sentences.iter().map(Vec::len).sum::<usize>() as f64;
    let folder = tempfile::tempdir().unwrap();
    let corpus = corpus::write(&folder.path().join("markers.corpus"), &names, sentences);
    let trained = |subsample: f64, lr: f32| {
        let config = WindowConfig {
            dim: 4,
            epochs: 1,
            subsample: Some(subsample),
            // A step is small, and must show.
            rows: Precision::F32,
            lr: Some(lr),
            ..config()
        };
        train(&corpus, &Recipe::SkipGram(config), &Progress::default()).unwrap()
    };
    let start = trained(0.0, 1e-30);
    let kept = |subsample: f64| -> Vec<f64> {
        let model = trained(subsample, 0.025);
        let moved = |&marker: &usize| model.vector(marker as u32) != start.vector(marker as u32);
        let share = |markers: &Range<usize>| {
            markers.clone().filter(moved).count() as f64 / markers.len() as f64
        };
        markers.iter().map(share).collect()
    };

    let threshold = 400.0 / tokens;
    let shares = kept(threshold);
    for (&share, count) in shares.iter().zip(beside) {
        let frequency = (count + before) as f64 / tokens;
        let expected = ((threshold / frequency).sqrt() + threshold / frequency).min(1.0);
        // Four standard deviations of the share that is kept. It is zero where nothing is dropped.
        let tolerance = 4.0 * (expected * (1.0 - expected) / count as f64).sqrt();
        assert!(
            (share - expected).abs() <= tolerance,
            "{count} times: {share} kept, not {expected}"
        );
    }
    assert!(shares.is_sorted() && shares[0] < 0.15, "{shares:?}");
    assert_eq!(shares[3..], [1.0, 1.0], "no occurrence of a rare word is dropped");
    assert_eq!(kept(0.0), [1.0; 5], "without subsampling everything is kept");
}

#[test]
fn a_stop_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 500);
    let progress = Progress::default();
    progress.stop.store(true, Ordering::Relaxed);
    assert!(matches!(train(&corpus, &Recipe::Cbow(config()), &progress), Err(Error::Stopped)));
}

#[test]
fn divergence_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 500);
    let wild = WindowConfig { lr: Some(3e38), ..config() };
    for method in METHODS {
        let error = train(&corpus, &method(wild.clone()), &Progress::default()).unwrap_err();
        assert!(error.to_string().contains("lower `lr`"), "{error}");
    }
}

#[test]
fn impossible_settings_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 10);
    for (config, name) in [
        (WindowConfig { dim: 0, ..config() }, "`dim`"),
        (WindowConfig { window: 0, ..config() }, "`window`"),
        (WindowConfig { negative: 0, ..config() }, "`negative`"),
        (WindowConfig { epochs: 0, ..config() }, "`epochs`"),
        (WindowConfig { lr: Some(-1.0), ..config() }, "`lr`"),
        (WindowConfig { threads: Some(0), ..config() }, "`threads`"),
        (WindowConfig { subsample: Some(-1.0), ..config() }, "`subsample`"),
        (WindowConfig { noise_exponent: f64::NAN, ..config() }, "`noise_exponent`"),
    ] {
        let error = train(&corpus, &Recipe::SkipGram(config), &Progress::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_loss_that_was_not_sampled_is_no_zero() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 1);
    for method in METHODS {
        let few = WindowConfig { epochs: 2, ..config() };
        let model = train(&corpus, &method(few), &Progress::default()).unwrap();
        assert_eq!(
            model.provenance.losses,
            [None, None],
            "10 tokens, and one of 251 centres is sampled"
        );
    }
}

#[test]
fn tiny_corpora_are_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    for method in METHODS {
        let mut writer = CorpusWriter::new(&folder.path().join("tiny.corpus")).unwrap();
        writer.tokens(&[0]).unwrap();
        writer.end_sentence();
        writer.tokens(&[0, 0]).unwrap();
        let corpus = writer.finish(&Vocab::new(&["only"], vec![3]), Facts::default()).unwrap();
        let model = train(
            &corpus,
            &method(WindowConfig { threads: Some(4), ..config() }),
            &Progress::default(),
        )
        .unwrap();
        assert!(model.vector(0).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn words_share_what_they_are_made_of_and_unseen_words_get_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 1000);
    let [skip_gram, cbow] = METHODS;
    let settings = [(skip_gram, false), (cbow, false), (cbow, true)];
    for (method, position_weights) in settings {
        let subwords = Some("3..5".parse().unwrap());
        let config = WindowConfig { subwords, position_weights, ..config() };
        let model = train(&corpus, &method(config.clone()), &Progress::default()).unwrap();
        let like = |a: &str, b: &str| {
            cosine(&model.find(a).unwrap().vector, &model.find(b).unwrap().vector)
        };
        assert!(model.find("sea99").unwrap().id.is_none());
        let (same, other) = (like("sea99", "sea4"), like("sea99", "hill5"));
        assert!(same > other + 0.3, "{same} and {other}");
        assert!(model.find("xyz").is_err(), "no n-gram of it is known");
        let alone = model.ngrams().unwrap().compose(b"sea4", model.dim());
        assert!(alone.is_some(), "a known word has n-grams too");
        let rows = position_weights.then_some(2 * config.window * config.dim);
        assert_eq!(model.positions().map(<[f32]>::len), rows);
        if let Some(weights) = model.positions() {
            assert!(
                weights.iter().any(|&w| (w - 1.0).abs() > 1e-4),
                "weights of positions are learnt"
            );
        }
        let again = train(&corpus, &method(config), &Progress::default()).unwrap();
        assert_eq!(model.input(), again.input(), "one thread repeats itself");
    }
}
