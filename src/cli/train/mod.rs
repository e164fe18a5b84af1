//! `wordloom train`: makes a model from text.

mod course;
mod done;
mod glove;
pub(super) mod options;
mod plan;
mod raw;
mod recipe;
mod window;

use std::process::ExitCode;

use wordloom::train::{METHODS, Recipe};

pub(super) use self::done::speed;
use self::glove::Glove;
use self::recipe::ByRecipe;
use self::window::{DocumentTraining, GraphTraining, SessionTraining, WindowOptions};

const EXAMPLES: &str = "Examples:
  wordloom train skip-gram text.txt -o my.safetensors
  wordloom train cbow texts/ more.txt.gz -o my.safetensors --lowercase --dim 200 --epochs 10
  wordloom train glove text.txt -o my.safetensors --x-max 10
  wordloom train pv-dbow reviews.tsv --tag-column id --text-column text -o my.safetensors
  wordloom train deepwalk graph.tsv -o my.safetensors
  wordloom train item2vec sessions.txt -o my.safetensors
  wordloom train METHOD --help                         options and examples of a method
  wordloom train --recipe my.safetensors new.txt -o new.safetensors      as a model was trained
  wordloom train --update my.safetensors new.txt -o new.safetensors      more text for a model";

const SKIP_GRAM: &str = "Examples:
  wordloom train skip-gram text.txt -o my.safetensors
  wordloom train skip-gram texts/ more.txt.gz -o my.safetensors --text raw --dim 200
  zcat *.gz | wordloom train skip-gram - -o my.vec
  wordloom train skip-gram text.txt --subwords 3..6 -o my.safetensors
  wordloom train skip-gram text.txt --dry-run          what would it take?
  wordloom train skip-gram text.txt -o my.safetensors --time 1h --watch men.txt";

const CBOW: &str = "Examples:
  wordloom train cbow text.txt -o my.safetensors
  wordloom train cbow texts/ more.txt.gz -o my.safetensors --text raw --epochs 10
  wordloom train cbow text.txt -o my.bin --window 10 --subsample 1e-5
  wordloom train cbow text.txt -o my.safetensors --position-weights
  wordloom train cbow text.txt --dry-run               what would it take?";

const FASTTEXT: &str = "Examples:
  wordloom train fasttext text.txt -o my.safetensors
  wordloom train fasttext text.txt -o my.bin           for fastText and gensim
  wordloom train fasttext texts/ -o my.safetensors --text raw --subwords 2..5
  wordloom train fasttext text.txt --buckets 200000 -o small.safetensors
Then:
  wordloom similar my.safetensors unheardof            a word that was never seen";

const PV_DBOW: &str = "Examples:
  wordloom train pv-dbow reviews.tsv --tag-column id --text-column text -o my.safetensors
  wordloom train pv-dbow folder/ -o my.safetensors              a file is a document
  wordloom train pv-dbow news.jsonl --tag-column id,author --text-column title,body -o my.safetensors
  wordloom train pv-dbow labelled.txt --documents labels --words -o my.safetensors
Then:
  wordloom similar my.safetensors --tag 17         documents near document 17
  wordloom infer my.safetensors 'A new document'   a vector for a document that was not learnt

Documents are learnt in a random order, whatever order the file has.";

const PV_DM: &str = "Examples:
  wordloom train pv-dm lines.txt -o my.safetensors              a line is a document
  wordloom train pv-dm reviews.tsv --tag-column id --text-column text -o my.safetensors
  wordloom train pv-dm folder/ -o my.safetensors --window 10 --epochs 20
Then:
  wordloom similar my.safetensors --tag 17         documents near document 17
  wordloom infer my.safetensors 'A new document'   a vector for a document that was not learnt

Documents are learnt in a random order, whatever order the file has.";

const DEEPWALK: &str = "Examples:
  wordloom train deepwalk graph.tsv -o my.safetensors
  wordloom train deepwalk weighted.csv -o my.safetensors --walks 10 --epochs 5 --rewalk
Then:
  wordloom similar my.safetensors alice            nodes near a node
  wordloom eval my.safetensors labels.tsv          do vectors tell the labels of nodes?

A line of the graph is an edge: two names of nodes, and perhaps a weight.";

const NODE2VEC: &str = "Examples:
  wordloom train node2vec graph.tsv -o my.safetensors -p 0.25 -q 4
  wordloom train node2vec graph.mtx.gz -o my.safetensors -p 0.5 -q 2 --directed
  wordloom train node2vec weighted.csv -o my.safetensors --plus
Then:
  wordloom similar my.safetensors alice            nodes near a node
  wordloom eval my.safetensors labels.tsv          do vectors tell the labels of nodes?

A line of the graph is an edge: two names of nodes, and perhaps a weight.";

const SESSIONS: &str = "Examples:
  wordloom train item2vec sessions.txt -o items.safetensors       a line is a session of items
  wordloom train item2vec events.csv -o items.safetensors --item sku --user customer --time at --gap 30m
  wordloom train item2vec orders.tsv -o items.safetensors --item 3 --session 1 --whole-sequence
  wordloom train item2vec events.jsonl -o items.safetensors --item id --user user --users
Then:
  wordloom recommend items.safetensors --session 85116,22375      what comes next?
  wordloom similar items.safetensors 85116                        items near an item

How good are they? Hold items out, and ask for them:
  wordloom train item2vec sessions.txt -o items.safetensors --hold-out 1
  wordloom eval items.safetensors --next sessions.txt";

/// Train vectors of words or documents on text, of nodes on a graph, or of items on sessions
#[derive(clap::Args)]
#[command(
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    override_usage = "wordloom train <METHOD> [OPTIONS] <INPUT>...\n       \
                      wordloom train --recipe <FILE> [OPTIONS] [INPUT]...\n       \
                      wordloom train --update <MODEL> [OPTIONS] <INPUT>...",
    subcommand_value_name = "METHOD",
    subcommand_help_heading = "Methods"
)]
pub(crate) struct Train {
    #[command(subcommand)]
    method: Option<Method>,
    #[command(flatten)]
    again: ByRecipe,
}

#[derive(clap::Subcommand)]
enum Method {
    /// Each word of a window predicts its centre: the better choice for small corpora
    #[command(after_help = SKIP_GRAM)]
    SkipGram(WindowOptions),
    /// The mean of a window predicts its centre: faster, with slightly lower scores in our
    /// measurements
    #[command(after_help = CBOW)]
    Cbow(WindowOptions),
    /// Skip-gram with character n-grams and fastText's defaults: it has vectors for unseen words,
    /// and better ones for rare words
    #[command(after_help = FASTTEXT)]
    Fasttext(WindowOptions),
    Glove(Glove),
    /// Vectors of documents: each predicts the words of its document. The better choice for most
    /// collections
    #[command(after_help = PV_DBOW)]
    PvDbow(DocumentTraining),
    /// Vectors of documents and of words: the mean of a document's vector and of a window predicts
    /// its centre
    #[command(after_help = PV_DM)]
    PvDm(DocumentTraining),
    /// Vectors of the nodes of a graph: skip-gram over random walks
    #[command(after_help = DEEPWALK)]
    Deepwalk(GraphTraining),
    /// Vectors of the nodes of a graph: skip-gram over walks that keep near to where they came from,
    /// or lead away from it
    #[command(after_help = NODE2VEC)]
    Node2vec(GraphTraining),
    /// Vectors of items, and perhaps of users: skip-gram over sessions or baskets
    #[command(after_help = SESSIONS)]
    Item2vec(SessionTraining),
}

/// What learns n-grams of words, or weights of positions.
const NGRAMS: [&str; 5] = ["subwords", "min_n", "max_n", "buckets", "position_weights"];

fn hide(method: clap::Command, names: &[&'static str]) -> clap::Command {
    names.iter().fold(method, |method, name| method.mut_arg(*name, |a| a.hide(true)))
}

/// Gives options the defaults of a method.
fn set(command: clap::Command, method: &str) -> clap::Command {
    let method = METHODS.iter().find(|of| of.name == method).expect("one of the methods");
    method.defaults.iter().chain(method.walks).fold(command, |command, (name, value)| {
        command.mut_arg(*name, |argument| argument.default_value(*value))
    })
}

/// The options of what learns items of sessions.
pub(crate) fn for_items(method: clap::Command) -> clap::Command {
    // `--time` names a column.
    let method = method.mut_arg("time", |argument| argument.long("train-time"));
    set(hide(hide(method, &NGRAMS), &["cbow_gradient", "words"]), "item2vec")
}

/// Hides the options that a method has no use for, and gives `train fasttext` the defaults of
/// fastText. GloVe needs no inputs if it is given counts.
pub(crate) fn adapt_help(command: clap::Command) -> clap::Command {
    let not_skip_gram = ["cbow_gradient", "position_weights", "words"];
    command.mut_subcommand("train", |train| {
        let train = train.mut_subcommand("skip-gram", |m| hide(m, &not_skip_gram));
        let train = train.mut_subcommand("cbow", |m| hide(m, &["words"]));
        let train = train.mut_subcommand("fasttext", |method| {
            set(hide(method, &not_skip_gram), "fasttext")
        });
        let documents = |command: clap::Command, method: &str, name: &'static str| {
            set(hide(hide(command, &NGRAMS), &[name, "column"]), method)
        };
        let train = train.mut_subcommand("pv-dbow", |m| documents(m, "pv-dbow", "cbow_gradient"));
        let train = train.mut_subcommand("pv-dm", |m| documents(m, "pv-dm", "words"));
        let graphs = |method: clap::Command, name: &str| {
            let rate = "Learning rate at the beginning; it falls linearly to near 0 [default: 0.025 \
                        for up to 20 walks times epochs, and less for more: 0.01 for 80]";
            let method = method.mut_arg("lr", |argument| argument.help(rate));
            // `-q` is one of the two parameters of walks.
            let method = method.mut_arg("quiet", |argument| argument.short(None));
            set(hide(hide(method, &NGRAMS), &["cbow_gradient", "words"]), name)
        };
        let train = train
            .mut_subcommand("deepwalk", |m| hide(graphs(m, "deepwalk"), &["p", "q", "plus"]))
            .mut_subcommand("node2vec", |m| graphs(m, "node2vec"));
        let train = train.mut_subcommand("item2vec", for_items);
        train.mut_subcommand("glove", |method| {
            let unless =
                |inputs: clap::Arg| inputs.required(false).required_unless_present("cooccur");
            method.mut_arg("inputs", unless)
        })
    })
}

impl Train {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.method {
            Some(Method::SkipGram(options) | Method::Fasttext(options)) => {
                options.run(Recipe::SkipGram)
            }
            Some(Method::Cbow(options)) => options.run(Recipe::Cbow),
            Some(Method::PvDbow(options)) => options.run(Recipe::PvDbow),
            Some(Method::PvDm(options)) => options.run(Recipe::PvDm),
            Some(Method::Glove(glove)) => glove.run(),
            Some(Method::Item2vec(sessions)) => sessions.run(),
            Some(Method::Deepwalk(graph) | Method::Node2vec(graph)) => graph.run(),
            None => self.again.run(),
        }
    }
}
