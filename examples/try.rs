use std::path::Path;
use std::time::Instant;
use wordloom::{encode::*, train::*, format, text::Tokenizer};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let method = if a[1] == "cbow" { Method::Cbow } else { Method::SkipGram };
    let c = Counting { inputs: vec![a[2].clone().into()], tokenizer: Tokenizer::default(), min_count: 5, max_vocab: None, vocab_file: None, strict: false };
    let t = Instant::now();
    let corpus = encode(&c, Path::new("/tmp/try.corpus"), &Reading::default()).unwrap();
    eprintln!("encode {:.2}s {:?}", t.elapsed().as_secs_f64(), corpus.facts);
    let epochs: usize = a[4].parse().unwrap();
    let mut config = Config { epochs, seed: a[5].parse().unwrap(), threads: Some(a.get(6).map_or(2, |x| x.parse().unwrap())), ..Config::default() };
    if let Some(d) = a.get(7) { config.dim = d.parse().unwrap(); }
    if a.get(8).is_some_and(|g| g == "corrected") { config.cbow_gradient = CbowGradient::Corrected; }
    if let Some(d) = a.get(9) { config.lr = Some(d.parse().unwrap()); }
    if let Ok(w) = std::env::var("FIXED") { config.fixed_window = true; config.window = w.parse().unwrap(); }
    let reps: usize = std::env::var("REPS").map_or(1, |r| r.parse().unwrap());
    let mut all = vec![]; let mut last = None;
    for _ in 0..reps {
        let t = Instant::now();
        let e = train(&corpus, method, &config, &Progress::default()).unwrap();
        all.push((corpus.facts.words_read as f64 * epochs as f64 / t.elapsed().as_secs_f64() / 1e6 * 100.0).round() / 100.0);
        last = Some(e);
    }
    let e = last.unwrap();
    println!("{all:?} M raw words/s, losses {:?}", e.provenance.losses);
    format::write(&e, Path::new(&a[3]), format::Format::Binary).unwrap();
}
