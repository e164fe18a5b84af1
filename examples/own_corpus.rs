//! Makes a corpus from sequences of one's own, here walks on a ring, and trains on it:
//! `cargo run --release --example own_corpus`

use std::error::Error;

use wordloom::corpus::{CorpusWriter, Facts, Produce, encode};
use wordloom::query::{Index, Query};
use wordloom::train::{Recipe, WindowConfig, train};
use wordloom::{Progress, Result, Vocab};

/// Places on a ring, and walks that go round it.
struct Ring {
    places: u32,
    walks: u32,
}

impl Produce for Ring {
    /// What the corpus goes by in a cache: a number that differs for other walks.
    fn key(&self) -> Result<Option<u64>> {
        Ok(Some(u64::from(self.places) << 32 | u64::from(self.walks)))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        let length = 40;
        for walk in 0..self.walks {
            let walk: Vec<u32> = (0..length).map(|step| (walk * 7 + step) % self.places).collect();
            writer.tokens(&walk)?;
            writer.end_sentence();
            progress.done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        let names: Vec<String> = (0..self.places).map(|place| format!("place{place}")).collect();
        let count = u64::from(self.walks) * u64::from(length) / u64::from(self.places);
        let vocab = Vocab::new(&names, vec![count; names.len()]);
        Ok((vocab, Facts { words_read: u64::from(self.walks * length), ..Facts::default() }))
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let file = std::env::temp_dir().join(format!("ring-{}.corpus", std::process::id()));
    let ring = Ring { places: 60, walks: 2000 };
    let corpus = encode(&ring, &file, &Progress::default())?;
    let recipe =
        Recipe::SkipGram(WindowConfig { dim: 16, subsample: Some(0.0), ..WindowConfig::default() });
    let model = train(&corpus, &recipe, &Progress::default())?;
    let query = Query::word(&model, "place30")?;
    for near in &Index::new(&model).nearest(&[query], 4)[0] {
        println!("{:.3}  {}", near.score, model.vocab.text(near.id));
    }
    std::fs::remove_file(file)?;
    Ok(())
}
