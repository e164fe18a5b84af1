//! Reads sessions: lines of items, or events of sessions and users.
//!
//! This file is over 300 lines because a third of it is tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::{Moment, NOBODY, SessionLayout, Sessions};
use crate::corpus::Counter;
use crate::corpus::columns::{
    Head, Table, each_object, extension, is_number, lines, place, texts, without_mark,
};
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::text::{self, Block, Blocks, Cut, words_of};

/// This many lines that could not be used are named; more are counted.
const MAX_NAMED: usize = 3;

/// An event.
struct Event {
    /// Its session, or its user where sessions have no names.
    group: u32,
    at: Moment,
    item: u32,
}

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Sessions in lines.
    Lines,
    /// Sessions or events in columns.
    Table(Table),
    /// Events in JSON objects.
    Objects,
}

/// What is read, and what is to be told of it.
#[derive(Default)]
struct Reader {
    sessions: Sessions,
    events: Vec<Event>,
    /// The names of the sessions, or of the users where they are sessions.
    groups: Counter,
    /// The user of each group.
    user_of: Vec<u32>,
    /// The number of lines that could not be used, and the first of them.
    left_out: (u64, Vec<String>),
    /// The number of lines that were used.
    used: u64,
}

impl SessionLayout {
    /// Whether sessions can be found so.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub(super) fn check(&self) -> Result<()> {
        let columns = [&self.session, &self.user, &self.time];
        if self.item.is_none() && columns.iter().any(|column| column.is_some()) {
            return Err(Error::setting("item", "is missing: which column has the items?"));
        }
        if self.item.is_some() && self.session.is_none() && self.user.is_none() {
            let problem = "is missing, and so is `user`: which column has the sessions?";
            return Err(Error::setting("session", problem));
        }
        if self.gap.is_some() && self.time.is_none() {
            return Err(Error::setting("gap", "needs times: name their column by `time`"));
        }
        Ok(())
    }

    /// Reads sessions from files. Of `progress` the bytes and the items count.
    ///
    /// # Errors
    /// An unreadable file, a missing column, no item at all, or [`Error::Stopped`].
    pub fn read(&self, inputs: &[PathBuf], progress: &Progress) -> Result<Sessions> {
        self.check()?;
        let files = text::expand(inputs)?;
        let cut = |file: &PathBuf| match kind(file) {
            Kind::Table(Table::Csv) => Cut::Records,
            _ => Cut::Lines,
        };
        let skip = |file: &PathBuf| !inputs.contains(file);
        let mut blocks =
            Blocks::new(files.iter().map(|file| (file.clone(), skip(file), cut(file))));
        let mut reader = Reader::default();
        while let Some(block) = blocks.next_block()? {
            match (kind(&block.path), &self.item) {
                (Kind::Objects, Some(item)) => self.objects(&block, item, &mut reader)?,
                (Kind::Objects, None) => {
                    let problem = "say which field has the item, by `item`, and which the session, \
                                   by `session` or `user`";
                    return Err(Error::input(&block.path, problem));
                }
                (Kind::Lines, Some(item)) => self.events(&block, Table::Tsv, item, &mut reader)?,
                (Kind::Table(table), Some(item)) => {
                    self.events(&block, table, item, &mut reader)?;
                }
                (Kind::Table(Table::Csv), None) => baskets(&block, &mut reader)?,
                (_, None) => reader.lines(&block),
            }
            let read = block.text().len() as u64;
            reader.sessions.bytes += read;
            progress.done.fetch_add(read, Ordering::Relaxed);
            let items = reader.events.len() + reader.sessions.items.len();
            progress.words.store(items as u64, Ordering::Relaxed);
            progress.check()?;
        }
        reader.sessions.notes =
            blocks.left_out.iter().map(|why| format!("left out: {why}")).collect();
        reader.finish(self)?.checked(&files[0])
    }

    /// Reads events in columns.
    fn events(&self, block: &Block, table: Table, item: &str, to: &mut Reader) -> Result<()> {
        let head = Head::of(block, table)?;
        let names =
            [Some(item), self.session.as_deref(), self.user.as_deref(), self.time.as_deref()];
        let find = |name: &str| head.find(&block.path, name);
        let places = names.map(|name| name.map(find).transpose());
        let [item, session, user, time] = places;
        let places = [item?, session?, user?, time?];
        let header = self.header || names.into_iter().flatten().any(|name| !is_number(name));
        let wanted: Vec<usize> = places.into_iter().flatten().collect();
        head.each_record(block, header, &wanted, |line, record| {
            let event = record.and_then(|record| {
                let [item, session, user, time] = places.map(|at| at.map(|at| cell(&record[at])));
                to.event(self, &[item.unwrap_or_default()], [session, user, time])
            });
            to.tell(block, line, event);
            Ok(())
        })
    }

    /// Reads events in JSON objects, of which one may have a list of items.
    fn objects(&self, block: &Block, item: &String, to: &mut Reader) -> Result<()> {
        let names = [self.session.as_ref(), self.user.as_ref(), self.time.as_ref()];
        let wanted: Vec<&String> = names.into_iter().flatten().chain([item]).collect();
        each_object(block, &wanted, |line, object| {
            let event = object.and_then(|object| {
                let items = texts(&object[item.as_str()]);
                let items: Vec<&[u8]> = items.iter().map(|item| cell(item.as_bytes())).collect();
                let cells =
                    names.map(|name| name.map(|name| texts(&object[name.as_str()]).join(" ")));
                let cells =
                    cells.each_ref().map(|text| text.as_ref().map(|text| cell(text.as_bytes())));
                to.event(self, &items, cells)
            });
            to.tell(block, line, event);
            Ok(())
        })
    }
}

/// Reads baskets: records of CSV whose cells are items.
fn baskets(block: &Block, to: &mut Reader) -> Result<()> {
    let head = Head::of(block, Table::Csv)?;
    head.each_record(block, false, &[], |line, record| {
        let basket = record.map(|record| {
            to.session(record.iter().map(cell).filter(|item| !item.is_empty()), NOBODY);
        });
        to.tell(block, line, basket);
        Ok(())
    })
}

impl Reader {
    /// Reads sessions in lines. Where the first line has one tab, it is between names and items;
    /// several are between items.
    fn lines(&mut self, block: &Block) {
        let tabs = |line: &[u8]| memchr::memchr_iter(b'\t', line).count();
        let of_first = tabs(&block.head);
        for (line, text) in lines(block) {
            let text = if line == 1 { without_mark(text) } else { text };
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.is_empty() {
                continue;
            }
            let split = |text| words_of(text).into_iter();
            match of_first {
                0 => self.session(split(text), NOBODY),
                1 => {
                    let mut cells = text.split(|&b| b == b'\t');
                    let (name, items) = (cell(cells.next().unwrap_or_default()), cells.next());
                    let read = match (items, cells.next()) {
                        (Some(items), None) if !name.is_empty() => {
                            let user = self.sessions.users.add(name, 1);
                            self.session(split(items), user);
                            Ok(())
                        }
                        _ => Err("no name, a tab, and items, as the first line has".to_string()),
                    };
                    self.tell(block, line, read);
                }
                _ => {
                    let cells = text.split(|&b| b == b'\t').map(cell);
                    self.session(cells.filter(|item| !item.is_empty()), NOBODY);
                }
            }
        }
    }

    /// Adds a session, unless it has no item.
    fn session<'i>(&mut self, items: impl Iterator<Item = &'i [u8]>, user: u32) {
        let Sessions { names, .. } = &mut self.sessions;
        let items: Vec<u32> = items.map(|item| names.add(item, 0)).collect();
        if !items.is_empty() {
            self.used += 1;
            self.sessions.push(items, user, None);
        }
    }

    /// Adds events: items of a session or user at a time.
    fn event(
        &mut self,
        layout: &SessionLayout,
        items: &[&[u8]],
        [session, user, time]: [Option<&[u8]>; 3],
    ) -> std::result::Result<(), String> {
        if items.is_empty() || items.iter().any(|item| item.is_empty()) {
            return Err("no item".into());
        }
        let Some(group) = session.or(user).filter(|name| !name.is_empty()) else {
            return Err("no session or user".into());
        };
        let at = time.map(|text| {
            let text = String::from_utf8_lossy(text);
            match &layout.time_format {
                Some(format) => Moment::parse(format, &text)
                    .ok_or_else(|| format!("'{text}' is no time like {format}")),
                None => text.parse(),
            }
        });
        let at = at.transpose()?.unwrap_or(Moment(0));
        let user = user.filter(|user| !user.is_empty());
        let group = self.groups.add(group, 1);
        let user = user.map_or(NOBODY, |user| self.sessions.users.add(user, 1));
        match self.user_of.get(group as usize) {
            Some(&of_group) if of_group != user => {
                return Err("another user than before in this session".into());
            }
            Some(_) => {}
            None => self.user_of.push(user),
        }
        let names = &mut self.sessions.names;
        self.events.extend(items.iter().map(|item| Event { group, at, item: names.add(item, 0) }));
        self.used += 1;
        Ok(())
    }

    /// Notes a line that could not be used.
    fn tell(&mut self, block: &Block, line: u64, read: std::result::Result<(), String>) {
        if let Err(problem) = read {
            self.left_out.0 += 1;
            if self.left_out.1.len() < MAX_NAMED {
                self.left_out.1.push(format!("left out: {}: {problem}", place(block, line)));
            }
        }
    }

    /// The sessions, of whose events each is behind those that are older.
    fn finish(self, layout: &SessionLayout) -> Result<Sessions> {
        let Self { mut sessions, mut events, user_of, left_out: (count, named), used, .. } = self;
        let more = count - named.len() as u64;
        if count > used {
            let first =
                named.first().map_or("", |problem| problem.trim_start_matches("left out: "));
            return Err(Error::Refused(format!("more lines can't be used than can: {first}")));
        }
        sessions.notes.extend(named);
        if more > 0 {
            sessions.notes.push(format!("left out: {more} more lines like these"));
        }
        events.sort_by_key(|event| (event.group, event.at));
        let pause = layout.gap.map(|gap| gap.0.as_micros());
        let together = |a: &Event, b: &Event| {
            let waited = pause.is_some_and(|gap| u128::from(b.at.0.abs_diff(a.at.0)) > gap);
            a.group == b.group && !waited
        };
        for session in events.chunk_by(together) {
            let begin = layout.time.as_ref().map(|_| session[0].at);
            let user = user_of[session[0].group as usize];
            sessions.push(session.iter().map(|event| event.item), user, begin);
        }
        Ok(sessions)
    }
}

impl Sessions {
    fn checked(self, first: &Path) -> Result<Self> {
        if self.is_empty() {
            return Err(Error::input(first, "no item in these sessions: are they empty?"));
        }
        Ok(self)
    }
}

/// What a file is, by its name.
fn kind(file: &Path) -> Kind {
    match extension(file).as_deref() {
        Some("csv") => Kind::Table(Table::Csv),
        Some("jsonl" | "ndjson") => Kind::Objects,
        _ => Kind::Lines,
    }
}

/// What a cell says.
fn cell(text: &[u8]) -> &[u8] {
    std::str::from_utf8(text).map_or(text, |text| text::trim(text).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::SessionOptions;

    /// The sessions of a file, `items` each, with the user before it where there is one.
    fn read(name: &str, text: &str, layout: &SessionLayout) -> Result<(Vec<String>, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let sessions = layout.read(&[path], &Progress::default())?;
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let listed = (0..sessions.len()).map(|at| {
            let items = sessions.items(at).iter().map(|&item| text(sessions.name(item)));
            let user = sessions.user(at).map(|user| text(user) + ":");
            user.into_iter().chain(items).collect::<Vec<_>>().join(" ")
        });
        let folder = folder.path().display().to_string() + "/";
        let notes = sessions.notes.iter().map(|note| note.replace(&folder, ""));
        Ok((listed.collect(), notes.collect()))
    }

    fn columns(item: &str, session: Option<&str>, user: Option<&str>) -> SessionLayout {
        let named = |name: Option<&str>| name.map(str::to_string);
        SessionLayout {
            item: named(Some(item)),
            session: named(session),
            user: named(user),
            ..SessionLayout::default()
        }
    }

    #[test]
    fn a_line_is_a_session() {
        let lines = SessionLayout::default();
        for (name, text, expected) in [
            ("a.txt", "\u{feff}a b\n\n  c\u{a0}a \r\nd", vec!["a b", "c a", "d"]),
            ("a.tsv", "u1\ta b\r\nu2\tc\n", vec!["u1: a b", "u2: c"]),
            (
                "a.tsv",
                "new york\trome\tparis\noslo\t\trome\n",
                vec!["new york rome paris", "oslo rome"],
            ),
            ("a.csv", "whole milk,\"a, b\"\nbeer\n", vec!["whole milk a, b", "beer"]),
        ] {
            assert_eq!(read(name, text, &lines).unwrap().0, expected, "{text:?}");
        }
        let (listed, notes) = read("a.tsv", "u1\ta b\nu2\nu3\tc\n", &lines).unwrap();
        assert_eq!(listed, ["u1: a b", "u3: c"]);
        assert_eq!(notes, ["left out: a.tsv:2: no name, a tab, and items, as the first line has"]);
        assert!(read("a.txt", " \n", &lines).unwrap_err().to_string().contains("no item"));
    }

    #[test]
    fn events_become_sessions() {
        let text = "item,user,at\na,u,3000\nx,v,1\nb,u,1000\nc,u,2000\nd,u,9000\ny,v,2\n";
        let by_user = columns("item", None, Some("user"));
        let (listed, _) = read("e.csv", text, &by_user).unwrap();
        assert_eq!(listed, ["u: a b c d", "v: x y"], "without times the order is the file's");
        let timed = SessionLayout { time: Some("at".into()), ..by_user.clone() };
        assert_eq!(read("e.csv", text, &timed).unwrap().0, ["u: b c a d", "v: x y"]);
        let gap = SessionLayout { gap: Some("30m".parse().unwrap()), ..timed.clone() };
        assert_eq!(read("e.csv", text, &gap).unwrap().0, ["u: b c a", "u: d", "v: x y"]);
        // By number, in lines with tabs; the session tells what belongs together.
        let tabs = "s\tu\ti\n1\tu\ta\n2\tu\tb\n1\tu\tc\n";
        let by_number = columns("3", Some("1"), None);
        assert_eq!(read("e.tsv", tabs, &by_number).unwrap().0, ["i", "a c", "b"]);
        let header = SessionLayout { header: true, ..by_number };
        assert_eq!(read("e.tsv", tabs, &header).unwrap().0, ["a c", "b"]);
        let objects = "{\"s\": 7, \"i\": [\"a\", \"b\"]}\n{\"s\": \"8\", \"i\": 3}\n{\"s\": 7, \"i\": \"c\"}\n";
        assert_eq!(
            read("e.jsonl", objects, &columns("i", Some("s"), None)).unwrap().0,
            ["a b c", "3"]
        );
    }

    #[test]
    fn what_is_no_event_is_left_out_and_named() {
        let layout =
            SessionLayout { time: Some("at".into()), ..columns("item", Some("s"), Some("user")) };
        let text = "item,s,user,at\na,1,u,5\nb,1,u,noon\n,1,u,6\nc,,,7\nd,1,v,8\ne,1\nf,1,u,4\n\
                    g,1,u,9\nh,1,u,10\ni,1,u,11\nj,1,u,12\n";
        let (listed, notes) = read("e.csv", text, &layout).unwrap();
        assert_eq!(listed, ["u: f a g h i j"]);
        assert_eq!(
            notes,
            [
                "left out: e.csv:3: 'noon' is no time: a number of seconds or milliseconds since \
                 1970, or like 2011-12-09 12:50",
                "left out: e.csv:4: no item",
                "left out: e.csv:5: no session or user",
                "left out: 2 more lines like these",
            ]
        );
        let formatted = SessionLayout { time_format: Some("%d.%m.%Y".into()), ..layout.clone() };
        let days = "item,s,user,at\na,1,u,2.1.2020\nb,1,u,1.1.2020\n";
        assert_eq!(read("e.csv", days, &formatted).unwrap().0, ["u: b a"]);
        for (text, layout, problem) in [
            (days, &layout, "more lines can't be used than can"),
            ("x,y\n1,2\n", &layout, "no column 'item' among: x, y"),
            (
                text,
                &SessionLayout { session: Some("s".into()), ..SessionLayout::default() },
                "`item` is missing",
            ),
            (text, &columns("item", None, None), "`session` is missing"),
        ] {
            let error = read("e.csv", text, layout).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let early = SessionOptions { before: Some(Moment(5)), ..SessionOptions::default() };
        assert!(early.check().unwrap_err().to_string().contains("`before`"));
    }
}
