//! Sessions: items one after the other, as a user took them, or together, as in a basket. As a
//! corpus a session is a sentence and an item a word, so that whatever trains on sentences learns
//! vectors of items (prod2vec, Grbovic et al. 2015; item2vec, Barkan & Koenigstein 2016). Users are
//! tags.
//!
//! This file is over 300 lines because all options stand with their help.

mod read;
mod time;

use std::path::PathBuf;

use xxhash_rust::xxh3::Xxh3;

pub use self::time::Moment;
use crate::corpus::{CorpusWriter, Counter, Facts, Produce, Vocab, add_identity};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::span::Span;
use crate::text;

/// A part of every key. It is raised with every change by which the same files give other sessions.
const VERSION: u32 = 1;
/// In a list of users, a session that has none.
const NOBODY: u32 = u32::MAX;

/// Which sessions to read, and how they are found.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct SessionOptions {
    /// Sessions: files (plain, gzip, zstd), directories, or - for standard input. A line is a
    /// session: its items, perhaps with its name or user and a tab before them. With --item, a line
    /// of TSV, CSV or JSON lines is an event
    #[cfg_attr(feature = "cli", arg(value_name = "SESSIONS", required = true))]
    #[serde(with = "crate::corpus::paths")]
    pub inputs: Vec<PathBuf>,
    #[cfg_attr(feature = "cli", command(flatten))]
    #[serde(flatten)]
    /// How sessions are found in the files.
    pub layout: SessionLayout,
    /// Leave out items that occur fewer times
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 1))]
    pub min_count: u64,
    /// Keep only the N most frequent items
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub max_vocab: Option<usize>,
    /// Do not learn the last N items of each session that has at least N + 2, so that `eval --next`
    /// can ask for them
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0))]
    pub hold_out: usize,
    /// Learn only sessions that begin before TIME, so that `eval --next --after TIME` can ask for
    /// the others
    #[cfg_attr(feature = "cli", arg(long, value_name = "TIME"))]
    pub before: Option<Moment>,
}

/// How sessions are found in files.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(default)]
pub struct SessionLayout {
    /// The column with the item of an event, by number or by name
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub item: Option<String>,
    /// The column with the session of an event; without it the events of a user are one session
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", requires = "item"))]
    pub session: Option<String>,
    /// The column with the user of an event
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", requires = "item"))]
    pub user: Option<String>,
    /// The column with the time of an event, by which sessions are sorted: a number of seconds or
    /// milliseconds since 1970, or like 2011-12-09 12:50
    #[cfg_attr(
        feature = "cli",
        arg(id = "time_column", long = "time", value_name = "COLUMN", requires = "item")
    )]
    pub time: Option<String>,
    /// How times are written, where they are written otherwise (%m/%d/%Y %H:%M)
    #[cfg_attr(feature = "cli", arg(long, value_name = "FORMAT", requires = "time_column"))]
    pub time_format: Option<String>,
    /// Begin a new session after a pause longer than TIME (30m)
    #[cfg_attr(feature = "cli", arg(long, value_name = "TIME", requires = "time_column"))]
    pub gap: Option<Span>,
    /// The first line has the names of columns, although columns are given by number
    #[cfg_attr(feature = "cli", arg(long, requires = "item"))]
    pub header: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            layout: SessionLayout::default(),
            min_count: 1,
            max_vocab: None,
            hold_out: 0,
            before: None,
        }
    }
}

/// Sessions that were read.
#[derive(Default)]
pub struct Sessions {
    /// What the user should know about how they were read, one line for each.
    pub notes: Vec<String>,
    /// The names of the items.
    names: Counter,
    /// The items of all sessions, one session after the other.
    items: Vec<u32>,
    /// Where each session ends in `items`.
    ends: Vec<usize>,
    /// The names of the users, or of sessions in lines that have names.
    users: Counter,
    /// The user of each session.
    user_of: Vec<u32>,
    /// When each session begins, where times are known.
    begins: Vec<Moment>,
    bytes: u64,
}

impl Sessions {
    /// The number of sessions.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The number of different items.
    pub fn different(&self) -> usize {
        self.names.len()
    }

    /// The name of an item.
    pub fn name(&self, item: u32) -> &[u8] {
        self.names.word(item)
    }

    /// The items of a session, oldest first, as numbers below [`Sessions::different`].
    pub fn items(&self, session: usize) -> &[u32] {
        let begin = if session == 0 { 0 } else { self.ends[session - 1] };
        &self.items[begin..self.ends[session]]
    }

    /// The user of a session, or the name of its line, where it has one.
    pub fn user(&self, session: usize) -> Option<&[u8]> {
        let user = self.user_of.get(session).filter(|&&user| user != NOBODY);
        user.map(|&user| self.users.word(user))
    }

    /// Whether some sessions have users.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// When a session begins, where times are known.
    pub fn begin(&self, session: usize) -> Option<Moment> {
        self.begins.get(session).copied()
    }

    /// The items of a session that are learnt: all of one that begins before a moment, but the last
    /// few that are held out of a session with at least two more.
    pub fn learnt(&self, session: usize, hold_out: usize, before: Option<Moment>) -> &[u32] {
        let items = self.items(session);
        let late = before.zip(self.begin(session)).is_some_and(|(before, at)| at >= before);
        match items.len() {
            _ if late => &[],
            length if length >= hold_out + 2 => &items[..length - hold_out],
            _ => items,
        }
    }

    /// Adds a session.
    fn push(&mut self, items: impl IntoIterator<Item = u32>, user: u32, begin: Option<Moment>) {
        self.items.extend(items);
        self.ends.push(self.items.len());
        self.user_of.push(user);
        self.begins.extend(begin);
    }
}

impl SessionOptions {
    /// Whether such sessions are possible.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub fn check(&self) -> Result<()> {
        if self.max_vocab == Some(0) {
            return Err(Error::setting("max_vocab", "must be at least 1"));
        }
        if self.before.is_some() && self.layout.time.is_none() {
            return Err(Error::setting("before", "needs times: name their column by `time`"));
        }
        self.layout.check()
    }

    /// A description as JSON, without what is left to defaults, which models store.
    pub fn describe(&self) -> serde_json::Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        if let Some(all) = all.as_object_mut() {
            let default = serde_json::to_value(Self::default()).unwrap_or_default();
            all.retain(|name, value| name == "inputs" || default.get(name) != Some(value));
        }
        all
    }
}

impl Produce for SessionOptions {
    fn sources(&self) -> Vec<PathBuf> {
        self.inputs.clone()
    }

    /// A hash of the settings, and of what the system knows about the files.
    fn key(&self) -> Result<Option<u64>> {
        let mut hash = Xxh3::new();
        let settings =
            serde_json::to_vec(&(VERSION, self)).map_err(|e| Error::Refused(e.to_string()))?;
        hash.update(&settings);
        for file in text::expand(&self.inputs)? {
            if !add_identity(&mut hash, &file)? {
                return Ok(None);
            }
        }
        Ok(Some(hash.digest()))
    }

    fn write(&self, writer: &mut CorpusWriter, progress: &Progress) -> Result<(Vocab, Facts)> {
        self.check()?;
        let sessions = self.layout.read(&self.inputs, progress)?;
        sessions.notes.iter().for_each(|note| writer.note(note));
        self.encode(&sessions, writer)
    }
}

impl SessionOptions {
    /// Writes the sessions that are learnt as a corpus, whose tags are users.
    ///
    /// # Errors
    /// No session of two items, no frequent item, or a full disk.
    pub fn encode(&self, sessions: &Sessions, writer: &mut CorpusWriter) -> Result<(Vocab, Facts)> {
        let refused = |problem: &str| match self.inputs.first() {
            Some(path) => Error::input(path, problem),
            None => Error::Refused(problem.into()),
        };
        let all = || (0..sessions.len()).map(|at| sessions.learnt(at, self.hold_out, self.before));
        let taught = |items: &[u32], at: usize| items.len() > 1 || sessions.user(at).is_some();
        if all().all(|items| items.len() < 2) {
            let problem = match self.layout.item {
                Some(_) => "no session has two items: check `session`, `user` and `gap`",
                None => {
                    "no session has two items: if a line is an event and no session, say which \
                     column has what by `item` and `session`"
                }
            };
            return Err(refused(problem));
        }
        let alone = all().enumerate().filter(|(at, items)| items.len() == 1 && !taught(items, *at));
        let (alone, first) = alone
            .fold((0, None), |(n, first), (_, items)| (n + 1, first.or(items.first().copied())));
        if let Some(first) = first {
            let first = String::from_utf8_lossy(sessions.name(first)).into_owned();
            writer.note(&format!(
                "sessions of one item, which teach nothing: {alone}, the first of {first}"
            ));
        }
        let mut counts = vec![0u64; sessions.different()];
        let learnt = || all().enumerate().filter(|(at, items)| taught(items, *at));
        learnt().flat_map(|(_, items)| items).for_each(|&item| counts[item as usize] += 1);
        let mut counter = Counter::default();
        for (item, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            counter.add(sessions.name(item as u32), count);
        }
        let vocab = counter.cut(self.min_count, self.max_vocab)?;
        let ids: Vec<Option<u32>> =
            (0..sessions.different() as u32).map(|item| vocab.id(sessions.name(item))).collect();
        let mut tags =
            Tags { ids: vec![NOBODY; sessions.users.len()], users: Vec::new(), counts: Vec::new() };
        let mut tokens = Vec::new();
        for (at, items) in learnt() {
            tokens.clear();
            tokens.extend(items.iter().filter_map(|&item| ids[item as usize]));
            writer.tokens(&tokens)?;
            let user = sessions.user_of[at];
            if user == NOBODY || !writer.has_tokens() {
                writer.end_sentence();
            } else {
                writer.end_tagged(&[tags.of(user)]);
            }
        }
        if !tags.users.is_empty() {
            let names: Vec<&[u8]> = tags.users.iter().map(|&u| sessions.users.word(u)).collect();
            writer.name_tags(Vocab::new(&names, tags.counts));
        }
        let facts = Facts {
            words_read: sessions.items.len() as u64,
            types_read: sessions.different() as u64,
            bytes_read: sessions.bytes,
            ..Facts::default()
        };
        Ok((vocab, facts))
    }
}

/// Users as tags, in the order in which they first occur.
struct Tags {
    /// The tag of each user.
    ids: Vec<u32>,
    users: Vec<u32>,
    /// The number of sessions of each tag.
    counts: Vec<u64>,
}

impl Tags {
    /// The tag of a user, who has one more session.
    fn of(&mut self, user: u32) -> u32 {
        let id = &mut self.ids[user as usize];
        if *id == NOBODY {
            *id = self.users.len() as u32;
            self.users.push(user);
            self.counts.push(0);
        }
        self.counts[*id as usize] += 1;
        *id
    }
}
