//! Training as a whole: it learns what is there to learn, repeats itself, stops, and notices when it diverges.
#![allow(missing_docs)]

use std::path::Path;
use std::sync::atomic::Ordering;

use wordloom::corpus::{Corpus, CorpusWriter, Facts};
use wordloom::embeddings::{Embeddings, cosine};
use wordloom::error::Error;
use wordloom::train::{CbowGradient, Config, Method, Progress, train};
use wordloom::vocab::Vocab;

const METHODS: [Method; 2] = [Method::SkipGram, Method::Cbow];

/// Sentences of ten words, each from one of two topics of twenty words: `topic = id % 2`.
fn two_topics(folder: &Path, sentences: usize) -> Corpus {
    let words: Vec<String> =
        (0..40).map(|id| format!("{}{}", if id % 2 == 0 { "even" } else { "odd" }, id)).collect();
    let mut counts = vec![0; words.len()];
    let mut writer = CorpusWriter::new(&folder.join("topics.corpus")).unwrap();
    let mut state = 1u64;
    for sentence in 0..sentences {
        let mut ids = [0; 10];
        for id in &mut ids {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *id = ((state >> 33) as u32 % 20) * 2 + (sentence % 2) as u32;
            counts[*id as usize] += 1;
        }
        writer.tokens(&ids).unwrap();
        writer.end_sentence();
    }
    writer.finish(&Vocab::new(&words, counts), Facts::default()).unwrap()
}

fn config() -> Config {
    Config { dim: 20, subsample: 0.0, epochs: 8, threads: Some(1), ..Config::default() }
}

/// Mean cosine of words of one topic, and of words of different topics.
fn cohesion(model: &Embeddings) -> (f64, f64) {
    let (mut same, mut other) = (Vec::new(), Vec::new());
    for a in 0..40 {
        for b in 0..a {
            let list = if a % 2 == b % 2 { &mut same } else { &mut other };
            list.push(cosine(model.vector(a), model.vector(b)));
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
        Config { threads: Some(3), ..config() },
        Config { negative: 1, ..config() },
        Config { negative: 13, ..config() },
        Config { fixed_window: true, window: 2, ..config() },
        Config { whole_sequence: true, ..config() },
        Config { noise_exponent: 0.0, dim: 7, ..config() },
        Config { cbow_gradient: CbowGradient::Corrected, lr: Some(0.1), ..config() },
    ];
    for method in METHODS {
        for config in &settings {
            let model = train(&corpus, method, config, &Progress::default()).unwrap();
            let (same, other) = cohesion(&model);
            assert!(same > other + 0.3, "{method} {config:?}: {same:.2} within topics, {other:.2} across");
        }
    }
}

#[test]
fn the_loss_falls() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 600);
    for method in METHODS {
        let losses = train(&corpus, method, &config(), &Progress::default()).unwrap().provenance.losses;
        assert_eq!(losses.len(), 8);
        // Without knowledge it is ln 2 = 0.69 a pair.
        assert!(losses[0] < 0.7 && losses[7] < 0.85 * losses[0], "{method}: {losses:?}");
    }
}

#[test]
fn one_thread_and_one_seed_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 500);
    for method in METHODS {
        let vectors = |seed: u64| {
            let config = Config { seed, ..config() };
            let model = train(&corpus, method, &config, &Progress::default()).unwrap();
            (model.input().to_vec(), model.output().unwrap().to_vec())
        };
        assert!(vectors(1) == vectors(1));
        assert!(vectors(1) != vectors(2));
    }
}

#[test]
fn subsampling_leaves_rare_words_and_thins_out_frequent_ones() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 1000);
    let thinned = Config { subsample: 1e-3, ..config() };
    let model = train(&corpus, Method::SkipGram, &thinned, &Progress::default()).unwrap();
    assert!(model.input().iter().all(|x| x.is_finite()));
}

#[test]
fn a_stop_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 500);
    let progress = Progress::default();
    progress.stop.store(true, Ordering::Relaxed);
    assert!(matches!(train(&corpus, Method::Cbow, &config(), &progress), Err(Error::Stopped)));
}

#[test]
fn divergence_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 500);
    let wild = Config { lr: Some(3e38), ..config() };
    for method in METHODS {
        let error = train(&corpus, method, &wild, &Progress::default()).unwrap_err();
        assert!(error.to_string().contains("lower --lr"), "{error}");
    }
}

#[test]
fn impossible_settings_name_the_option() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 10);
    for (config, option) in [
        (Config { dim: 0, ..config() }, "--dim"),
        (Config { window: 0, ..config() }, "--window"),
        (Config { negative: 0, ..config() }, "--negative"),
        (Config { epochs: 0, ..config() }, "--epochs"),
        (Config { lr: Some(-1.0), ..config() }, "--lr"),
        (Config { threads: Some(0), ..config() }, "--threads"),
        (Config { subsample: -1.0, ..config() }, "--subsample"),
        (Config { noise_exponent: f64::NAN, ..config() }, "--noise-exponent"),
    ] {
        let error = train(&corpus, Method::SkipGram, &config, &Progress::default()).unwrap_err().to_string();
        assert!(error.contains(option), "{error}");
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
        let model =
            train(&corpus, method, &Config { threads: Some(4), ..config() }, &Progress::default()).unwrap();
        assert!(model.vector(0).iter().all(|x| x.is_finite()));
    }
}

#[test]
fn words_share_what_they_are_made_of_and_unseen_words_get_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = two_topics(folder.path(), 1000);
    let settings = [(Method::SkipGram, false), (Method::Cbow, false), (Method::Cbow, true)];
    for (method, position_weights) in settings {
        let subwords = Some("3..5".parse().unwrap());
        let config = Config { subwords, position_weights, ..config() };
        let model = train(&corpus, method, &config, &Progress::default()).unwrap();
        let like = |a: &str, b: &str| cosine(&model.find(a).unwrap().vector, &model.find(b).unwrap().vector);
        assert!(model.find("even99").unwrap().id.is_none());
        let (same, other) = (like("even99", "even4"), like("even99", "odd5"));
        assert!(same > other + 0.3, "{method}: {same} and {other}");
        assert!(model.find("xyz").is_err(), "no n-gram of it is known");
        let (sum, known, counted) = model.ngrams().unwrap().sum(b"even4", model.dim());
        assert!(known == counted && known > 0 && sum.iter().any(|&x| x != 0.0));
        let rows = position_weights.then_some(2 * config.window * config.dim);
        assert_eq!(model.positions().map(<[f32]>::len), rows);
        if let Some(weights) = model.positions() {
            assert!(weights.iter().any(|&w| (w - 1.0).abs() > 1e-4), "weights of positions are learnt");
        }
        let again = train(&corpus, method, &config, &Progress::default()).unwrap();
        assert_eq!(model.input(), again.input(), "one thread repeats itself");
    }
}
