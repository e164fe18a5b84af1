//! `wordloom map`: words in the plane, as a page, a figure or a table.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use hashbrown::HashMap;
use wordloom::map::{Groups, MOST, Map, MapOptions, Method, function_words};
use wordloom::{Embeddings, Error, Result, Staged, format, train};

use super::progress::{self, OnSignal, say};
use super::query::tags_of;
use super::{names_of, note, outputs, show};

const EXAMPLES: &str = "Examples:
  wordloom map my.safetensors -o map.html                the 5,000 most frequent words
  wordloom map my.safetensors -o map.html --top 20000 --skip-function 150
  wordloom map old.safetensors new.safetensors -o map.html --names 1990s,2020s
  wordloom map my.safetensors -o map.html --labels words.tsv
  wordloom map documents.safetensors -o map.html --tag
  wordloom map my.safetensors --words animals.txt -o animals.svg
  wordloom map my.safetensors -o places.tsv              for tables, embedding-atlas and others

A page (.html) opens from the disk and needs no network. A figure (.svg) shows the first layout,
and labels as many words as have room. A table (.tsv, or .parquet in builds with that feature) has a
line for each word. With several models
the page shows the words that all of them have, and which have other neighbours; with more
than three, one at a time, as epochs of a training.";

/// Draw a map of the words: one page, and how far it can be believed
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Draw {
    /// The models; of several, the words that all of them have
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<PathBuf>,
    /// The file to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// What to write [default: by OUT's extension]
    #[arg(long, value_name = "KIND", value_enum)]
    to: Option<Kind>,
    /// Show the N most frequent words
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=MOST as i64))]
    top: u32,
    /// Leave out the N most frequent words before these, which are mostly words of grammar
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Leave out N function words: the shortest vectors among the 10 N most frequent words
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_function: usize,
    /// Show the words of a file, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["top", "skip", "skip_function"])]
    words: Option<PathBuf>,
    /// Show tags (documents), not words
    #[arg(long, conflicts_with = "table")]
    tag: bool,
    /// Which table of a transformer: token, position, segment, or the name of a tensor
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// How words get their places, the first of which is shown first
    #[arg(long, value_name = "HOW,...", value_enum, value_delimiter = ',', default_values = ["tsne", "pca"])]
    layouts: Vec<Method>,
    /// How many groups of near words to colour; 0 for none
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(..=64))]
    clusters: u32,
    /// Labels to colour by: lines of a word and its label, with a tab between them
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Names of the models [default: those of the files]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    names: Vec<String>,
    /// The seed of the groups: the same seed gives the same file
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Number of threads, which does not change the file [default: all processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Html,
    Svg,
    Tsv,
    #[cfg(feature = "parquet")]
    Parquet,
}

impl Draw {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let kind = self.kind()?;
        let files = [&self.models[..], self.words.as_slice(), self.labels.as_slice()].concat();
        outputs::check(&[&self.output], &files)?;
        let names = names_of(&self.models, &self.names)?;
        let pool = train::pool(self.threads)?;
        progress::listen(OnSignal::End);
        let models = self.read(names)?;
        let labels = self.labels.as_deref().map(read_labels).transpose()?;
        let mut layouts = self.layouts.clone();
        layouts.dedup();
        let options =
            MapOptions { methods: layouts, clusters: self.clusters as usize, seed: self.seed };
        let mut map = progress::bar(
            self.quiet,
            (Map::steps(models.len(), &options), "drawing"),
            |progress| &progress.done,
            |progress| pool.install(|| Map::of(&models, &options, progress)),
        )
        .with_context(|| show::path(self.words.as_ref().unwrap_or(&self.models[0])))?;
        if let Some(labels) = labels {
            map.labels = Some(self.labelled(&map.words, &labels)?);
        }
        let without = self.write(kind, &map)?;
        if without > 0 {
            let words = show::counted(without as u64, "word has", "words have");
            note(&[format!("{words} no label, for want of room")]);
        }
        if !self.quiet {
            self.tell(&map);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the file. Returns how many words have no label.
    fn write(&self, kind: Kind, map: &Map) -> Result<usize> {
        match kind {
            Kind::Html => self.text(|out| map.write_page(out)).map(|()| 0),
            Kind::Svg => self.text(|out| map.write_figure(out)),
            Kind::Tsv => self.text(|out| wordloom::write_tsv(&map.columns(), out)).map(|()| 0),
            #[cfg(feature = "parquet")]
            Kind::Parquet => format::write_parquet(&self.output, &map.columns()).map(|()| 0),
        }
    }

    /// Writes a file of text, whole or not at all.
    fn text<T>(
        &self,
        write: impl FnOnce(&mut BufWriter<&mut Staged>) -> std::io::Result<T>,
    ) -> Result<T> {
        wordloom::replace(&self.output, |out| {
            let mut out = BufWriter::new(out);
            let written = write(&mut out).and_then(|written| out.flush().map(|()| written));
            written.map_err(|source| Error::Io { path: self.output.clone(), source })
        })
    }

    /// What is written, by the option or else by the extension.
    fn kind(&self) -> Result<Kind> {
        let extension = self.output.extension().and_then(|extension| extension.to_str());
        let by_name = match extension.map(str::to_lowercase).as_deref() {
            Some("html" | "htm") => Some(Kind::Html),
            Some("svg") => Some(Kind::Svg),
            Some("tsv") => Some(Kind::Tsv),
            #[cfg(feature = "parquet")]
            Some("parquet") => Some(Kind::Parquet),
            _ => None,
        };
        self.to.or(by_name).ok_or_else(|| Error::Input {
            path: self.output.clone(),
            problem: format!(
                "end the name in .html, .svg{} or .tsv, or say what to write by `to`",
                if cfg!(feature = "parquet") { ", .parquet" } else { "" }
            ),
        })
    }

    /// The models with the words of the map alone, each with its name.
    fn read(&self, names: Vec<String>) -> anyhow::Result<Vec<(String, Embeddings)>> {
        let mut models = Vec::new();
        for (path, name) in self.models.iter().zip(names) {
            let mut model = format::load(path, self.table.as_deref())?;
            note(&model.provenance.notes);
            if self.tag {
                model = tags_of(path, &model)?;
            }
            models.push((name, model));
        }
        let (first, others) = (&models[0].1, &models[1..]);
        let everywhere =
            |word: &[u8]| others.iter().all(|(_, model)| model.vocab.id(word).is_some());
        let ids: Vec<u32> = if let Some(file) = &self.words {
            self.chosen(file, first, everywhere)?
        } else {
            let function = function_words(first, self.skip_function)
                .with_context(|| show::path(&self.models[0]))?;
            let all =
                (0..first.vocab.len() as u32).filter(|id| function.binary_search(id).is_err());
            // Of a word that is there twice, the first row counts.
            let fits = |&id: &u32| {
                let word = first.vocab.word(id);
                first.vocab.id(word) == Some(id) && everywhere(word)
            };
            all.filter(fits).skip(self.skip).take(self.top as usize).collect()
        };
        let words: Vec<Vec<u8>> = ids.iter().map(|&id| first.vocab.word(id).to_vec()).collect();
        let only = |model: &Embeddings| {
            let ids: Vec<u32> = words.iter().filter_map(|word| model.vocab.id(word)).collect();
            model.only(&ids)
        };
        Ok(models.iter().map(|(name, model)| (name.clone(), only(model))).collect())
    }

    /// The words of a file that all models have. The others are counted.
    fn chosen(
        &self,
        file: &Path,
        first: &Embeddings,
        everywhere: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u32>> {
        let (mut ids, mut unknown) = (Vec::new(), Vec::new());
        for line in read_lines(file)? {
            match first.vocab.id(line.as_bytes()).filter(|_| everywhere(line.as_bytes())) {
                Some(id) => ids.push(id),
                None => unknown.push(line),
            }
        }
        ids.sort_unstable();
        ids.dedup();
        if let Some(word) = unknown.first() {
            let words = show::counted(unknown.len() as u64, "word is", "words are");
            let whose = if self.models.len() > 1 { "a model" } else { "the model" };
            note(&[format!(
                "{}: {words} unknown to {whose} and left out, first '{word}'",
                show::path(file)
            )]);
        }
        Ok(ids)
    }

    /// The labels of the words of a map.
    fn labelled(&self, words: &[String], labels: &[(String, String)]) -> Result<Groups> {
        let of: HashMap<&str, &str> =
            labels.iter().map(|(word, label)| (word.as_str(), label.as_str())).collect();
        let mut names: Vec<String> = Vec::new();
        let found = |word: &String| {
            of.get(word.as_str()).map_or(u16::MAX, |label| {
                let at = names.iter().position(|name| name == label).unwrap_or_else(|| {
                    names.push((*label).to_string());
                    names.len() - 1
                });
                at as u16
            })
        };
        let groups: Vec<u16> = words.iter().map(found).collect();
        if names.is_empty() || names.len() > 1000 {
            let problem = if names.is_empty() {
                "labels none of the words of the map: expected lines of a word, a tab and a label"
            } else {
                "more than 1,000 labels, which no colours can tell apart"
            };
            let path = self.labels.clone().unwrap_or_default();
            return Err(Error::Input { path, problem: problem.into() });
        }
        Ok(Groups { names, of: groups })
    }

    fn tell(&self, map: &Map) {
        let several = map.panels.len() > 1;
        for panel in &map.panels {
            for layout in &panel.layouts {
                let kept = &layout.kept;
                let of = if several { format!("{}, ", panel.name) } else { String::new() };
                say(&format!(
                    "{of}{}: {:.1} % of the nearest ten kept, trustworthiness {:.3}, continuity {:.3}",
                    layout.method.name(),
                    100.0 * kept.recall,
                    kept.trustworthiness,
                    kept.continuity
                ));
            }
        }
        let words = show::counted(map.words.len() as u64, "word", "words");
        let size = std::fs::metadata(&self.output).map_or(0, |about| about.len());
        say(&format!("{words} -> {} ({})", self.output.display(), show::size(size)));
    }
}

/// The lines of a file that are not empty.
fn read_lines(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read(path).map_err(|source| Error::Io { path: path.into(), source })?;
    let text = String::from_utf8_lossy(&text);
    let lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.trim_end_matches('\r'));
    Ok(lines.filter(|line| !line.trim().is_empty()).map(String::from).collect())
}

/// Words with their labels.
fn read_labels(path: &Path) -> Result<Vec<(String, String)>> {
    let label = |(number, line): (usize, String)| {
        let problem = || Error::Input {
            path: path.into(),
            problem: format!("line {}: expected a word, a tab and its label", number + 1),
        };
        let (word, label) = line.split_once('\t').ok_or_else(problem)?;
        Ok((word.to_string(), label.trim().to_string()))
    };
    read_lines(path)?.into_iter().enumerate().map(label).collect()
}
