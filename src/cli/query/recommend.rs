//! `wordloom recommend`: items that may come next in a session, or for a user.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};
use wordloom::query::{Asked, Neighbour, Recommender, Scoring};
use wordloom::sessions::Sessions;
use wordloom::{Embeddings, Error, Progress, Result, format};

use super::similar::{neighbours, neighbours_line};
use super::{Answering, run};
use crate::cli::progress::say;
use crate::cli::{note, sessions_of, show};

const EXAMPLES: &str = "Examples:
  wordloom recommend items.safetensors --session 85116,22375,71477
  wordloom recommend items.safetensors --user 17850 -k 20 --exclude-seen
  wordloom recommend items.safetensors --session milk --among in-stock.txt --json
  wordloom recommend items.safetensors < sessions.txt     a session a line, an answer a line

The items of a session are given oldest first. On standard input items are apart by
tabs, or else by spaces; an answer there is the session, then items and their scores,
apart by tabs. The score has no unit: it orders the items of one answer.";

/// Recommend items that may come next in a session, or for a user
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Recommend {
    /// A model of items, as `wordloom train item2vec` makes one
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The items of a session, oldest first; without a session or a user, they are read from
    /// standard input
    #[arg(long, value_name = "ITEM,...", value_delimiter = ',')]
    session: Vec<String>,
    /// A user: by the vector, where the model has some of users, and otherwise by the items of the
    /// last session that the model learnt
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// How many items to show
    #[arg(short, value_name = "N", default_value_t = 10)]
    k: usize,
    /// Leave out all items of the session, and all that the user has taken; otherwise only the last
    /// item is left out
    #[arg(long)]
    exclude_seen: bool,
    /// Answer only with the items of this file, one a line
    #[arg(long, value_name = "FILE")]
    among: Option<PathBuf>,
    /// By which vectors items are scored
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    score: Scoring,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// What is known of a user.
#[derive(Default)]
struct Taken {
    /// The items of the last session.
    last: Vec<u32>,
    /// All items.
    all: Vec<u32>,
}

impl Recommend {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let model = format::read(&self.model)?;
        note(&model.provenance.notes);
        let recommender = Recommender::new(&model, self.score)
            .map_err(|e| Error::Input { path: self.model.clone(), problem: e.to_string() })?;
        let recommender = match &self.among {
            Some(file) => recommender.among(&items_in(file, &model)?),
            None => recommender,
        };
        let user = self.user.as_deref();
        let vector = user.and_then(|user| {
            let tags = model.tags()?;
            tags.vocab.id(user.as_bytes()).map(|id| tags.vector(id).to_vec())
        });
        let needs_items =
            user.is_some() && (self.exclude_seen || self.session.is_empty() && vector.is_none());
        let taken = match user.filter(|_| needs_items) {
            Some(user) => self.taken(user, &model)?,
            None => Taken::default(),
        };
        let questions: Vec<Vec<String>> = match user {
            _ if !self.session.is_empty() => vec![self.session.clone()],
            Some(user) => vec![vec![user.into()]],
            None => Vec::new(),
        };
        let by_user = self.session.is_empty() && user.is_some();
        let answers = Recommendations {
            model: &model,
            recommender,
            vector,
            taken,
            by_user,
            k: self.k,
            exclude_seen: self.exclude_seen,
        };
        run(self.json, &questions, &answers)
    }

    /// What a user took, in the sessions that the model learnt.
    fn taken(&self, user: &str, model: &Embeddings) -> anyhow::Result<Taken> {
        let Some(options) = sessions_of(model) else {
            let problem = "does not say which sessions it learnt, so that nothing is known of a \
                           user: give --session";
            return Err(Error::Input { path: self.model.clone(), problem: problem.into() }.into());
        };
        let sessions: Sessions = options.layout.read(&options.inputs, &Progress::default())?;
        let of_user =
            (0..sessions.len()).filter(|&session| sessions.user(session) == Some(user.as_bytes()));
        let known = |session| {
            let items = sessions.learnt(session, options.hold_out, options.before).iter();
            items.filter_map(|&item| model.vocab.id(sessions.name(item))).collect::<Vec<u32>>()
        };
        let taken: Vec<Vec<u32>> = of_user.map(known).filter(|items| !items.is_empty()).collect();
        let Some(last) = taken.last().cloned() else {
            return Err(Error::Refused(format!(
                "no user '{user}' in the sessions that {} learnt",
                self.model.display()
            ))
            .into());
        };
        Ok(Taken { last, all: taken.concat() })
    }
}

/// The items of a file, one a line, that a model knows.
fn items_in(file: &PathBuf, model: &Embeddings) -> anyhow::Result<Vec<u32>> {
    let text = std::fs::read(file).map_err(Error::io(file))?;
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let (mut items, mut unknown) = (Vec::new(), Vec::new());
    for line in lines.filter(|line| !line.is_empty()) {
        match model.vocab.id(line) {
            Some(id) => items.push(id),
            None => unknown.push(line),
        }
    }
    if items.is_empty() {
        let problem = "has no item that the model knows: one a line is expected";
        return Err(Error::Input { path: file.clone(), problem: problem.into() }.into());
    }
    if let Some(first) = unknown.first() {
        let what = show::counted(unknown.len() as u64, "item is", "items are");
        let first = String::from_utf8_lossy(first);
        say(&format!(
            "wordloom: {}: {what} unknown to the model, the first is {}",
            file.display(),
            show::shown(&first)
        ));
    }
    Ok(items)
}

/// Answers sessions with items.
struct Recommendations<'a> {
    model: &'a Embeddings,
    recommender: Recommender<'a>,
    vector: Option<Vec<f32>>,
    taken: Taken,
    /// Whether the question is the name of a user.
    by_user: bool,
    k: usize,
    exclude_seen: bool,
}

impl Recommendations<'_> {
    /// The ids of a session's items. Where some are unknown, the others are enough.
    fn items(&self, session: &[String]) -> Result<Vec<u32>> {
        if self.by_user {
            return Ok(if self.vector.is_some() { Vec::new() } else { self.taken.last.clone() });
        }
        let known: Vec<u32> =
            session.iter().filter_map(|item| self.model.vocab.id(item.as_bytes())).collect();
        match session.first() {
            Some(first) if known.is_empty() => self.model.vocab.known(first).map(|id| vec![id]),
            _ => Ok(known),
        }
    }
}

impl Answering for Recommendations<'_> {
    type Answer = Vec<Neighbour>;

    fn models(&self) -> Vec<&Embeddings> {
        // The name of a user is not to be looked for among items.
        if self.by_user { Vec::new() } else { vec![self.model] }
    }

    fn unseen(&self, _: &str) -> (&'static str, String) {
        ("unknown", "is unknown, and left out".into())
    }

    fn answer(&self, questions: &[Vec<String>]) -> Vec<Result<Vec<Neighbour>>> {
        let sessions: Vec<Result<Vec<u32>>> =
            questions.iter().map(|session| self.items(session)).collect();
        let known: Vec<&Vec<u32>> = sessions.iter().flatten().collect();
        let exclude: Vec<Vec<u32>> = known
            .iter()
            .map(|items| {
                let last = &items[items.len().saturating_sub(1)..];
                if self.exclude_seen { [&items[..], &self.taken.all].concat() } else { last.into() }
            })
            .collect();
        let user = self.vector.as_deref();
        let asked: Vec<Asked> = known
            .iter()
            .zip(&exclude)
            .map(|(items, exclude)| Asked { items, user, exclude })
            .collect();
        let mut found = self.recommender.best(&asked, self.k).into_iter();
        let mut next = || found.next().unwrap_or_default();
        sessions.into_iter().map(|known| known.map(|_| next())).collect()
    }

    fn long(&self, question: &[String], answer: &Vec<Neighbour>) -> String {
        neighbours(self.model, question, answer)
    }

    fn line(&self, question: &[String], answer: &Vec<Neighbour>) -> String {
        neighbours_line(self.model, question, answer)
    }

    fn json(&self, answer: &Vec<Neighbour>) -> Map<String, Value> {
        let items = answer.iter().map(|near| {
            let score = show::rounded(near.score.into());
            json!({ "item": self.model.vocab.text(near.id), "score": score })
        });
        Map::from_iter([("items".to_string(), items.collect())])
    }
}
