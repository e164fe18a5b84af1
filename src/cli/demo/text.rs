//! The embedded corpus: a text for `wordloom demo`, with questions about it.
//!
//! The text is generated, not collected. Sentence templates (`corpora/grammar.txt`) are filled from
//! tables of words (`corpora/lexicon.txt`). So the relations between the words are planted, and the
//! questions can be derived from the same tables, as `corpora/questions.txt` says. Each of these
//! files explains its format. The generator draws its own random numbers, in whole numbers only, so
//! the bytes are the same on every machine.
//!
//! This file is longer than 300 lines because it holds the whole generator: it reads the tables and
//! the grammar, and it makes the sentences and the questions.

use std::io::{self, BufWriter, Write};

const LEXICON: &str = include_str!("../../../corpora/lexicon.txt");

const GRAMMAR: &str = include_str!("../../../corpora/grammar.txt");

const QUESTIONS: &str = include_str!("../../../corpora/questions.txt");

/// The number of sentences in the text.
const SENTENCES: usize = 166_000;

/// The most questions in one section of the analogies, and the number of pairs of each grade of
/// similarity.
const ASKED: usize = 400;

const GRADED: usize = 60;

/// `SplitMix64`, a generator of few lines whose numbers never change.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `limit`. The bias of the plain remainder does not matter for limits this
    /// small.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A position that is drawn by its weight. `totals` are the running totals of the weights.
    fn weighted(&mut self, totals: &[usize]) -> usize {
        let drawn = self.below(totals[totals.len() - 1]);
        totals.partition_point(|&total| total <= drawn)
    }
}

/// The running totals of weights.
fn totals(weights: impl Iterator<Item = usize>) -> Vec<usize> {
    weights
        .scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

/// The lines of an embedded file that are neither empty nor comments.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
}

/// A table of the lexicon.
struct Table {
    name: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<&'static str>>,
    totals: Vec<usize>,
}

impl Table {
    fn column(&self, name: &str) -> usize {
        let found = self.columns.iter().position(|&column| column == name);
        found.unwrap_or_else(|| panic!("table {} has no column {name}", self.name))
    }
}

/// A column: the index of its table, and its own index in the table.
type Column = (usize, usize);

struct Lexicon(Vec<Table>);

impl Lexicon {
    fn parse() -> Self {
        let mut tables: Vec<Table> = Vec::new();
        let mut evenness = Vec::new();
        for line in lines(LEXICON) {
            if let Some(header) = line.strip_prefix('@') {
                let (left, right) =
                    header.split_once(':').unwrap_or_else(|| panic!("no ':' in {line}"));
                let (name, number) =
                    left.trim().split_once(' ').expect("a table has a name and a number");
                evenness.push(
                    number.parse::<usize>().unwrap_or_else(|_| panic!("no number in {line}")),
                );
                let columns = right.split_whitespace().collect();
                tables.push(Table { name, columns, rows: Vec::new(), totals: Vec::new() });
            } else {
                let table = tables.last_mut().expect("the first line opens a table");
                let row: Vec<_> = line.split_whitespace().collect();
                assert_eq!(
                    row.len(),
                    table.columns.len(),
                    "cells in a row of {}: {line}",
                    table.name
                );
                table.rows.push(row);
            }
        }
        for (table, evenness) in tables.iter_mut().zip(evenness) {
            table.totals = totals((0..table.rows.len()).map(|row| 1_000_000 / (row + evenness)));
        }
        Self(tables)
    }

    fn index(&self, name: &str) -> usize {
        let found = self.0.iter().position(|table| table.name == name);
        found.unwrap_or_else(|| panic!("the lexicon has no table {name}"))
    }

    fn word(&self, (table, column): Column, row: usize) -> &'static str {
        self.0[table].rows[row][column]
    }

    /// The questions of one kind in groups: the name of a group, and the pairs of columns that it
    /// asks about.
    fn questions(&self, kind: &str) -> Vec<(&'static str, Vec<[Column; 2]>)> {
        let mut groups: Vec<(&str, Vec<[Column; 2]>)> = Vec::new();
        for line in lines(QUESTIONS) {
            let Some(rest) = line.strip_prefix(kind) else { continue };
            let mut parts = rest.rsplitn(3, ' ');
            let mut part = || parts.next().unwrap_or_else(|| panic!("a part is missing in {line}"));
            let (second, first, name) = (part(), part(), part());
            let columns = [first, second].map(|column: &str| {
                let (table, column) =
                    column.split_once('.').unwrap_or_else(|| panic!("no '.' in {line}"));
                let table = self.index(table);
                (table, self.0[table].column(column))
            });
            match groups.last_mut() {
                Some((last, group)) if *last == name => group.push(columns),
                _ => groups.push((name, vec![columns])),
            }
        }
        groups
    }
}

/// A part of a template.
enum Piece {
    Word(&'static str),
    Choice(Vec<Vec<Piece>>),
    Rule(usize),
    /// Draws a row of a table for a variable. If a column is given, the row must have a word in it.
    /// With `turn`, rows come one after another and not at random.
    Draw {
        variable: usize,
        table: usize,
        column: Option<usize>,
        turn: Option<usize>,
    },
    /// Writes a cell of the row that a variable holds.
    Cell {
        variable: usize,
        column: &'static str,
    },
}

#[derive(Default)]
struct Rule {
    totals: Vec<usize>,
    templates: Vec<Vec<Piece>>,
}

/// The rules of the grammar, and the names that it uses.
struct Grammar<'a> {
    lexicon: &'a Lexicon,
    names: Vec<&'static str>,
    rules: Vec<Rule>,
    variables: Vec<&'static str>,
    turns: usize,
}

impl<'a> Grammar<'a> {
    fn parse(lexicon: &'a Lexicon) -> Self {
        let names: Vec<_> = lines(GRAMMAR).filter(|line| !line.starts_with(' ')).collect();
        let mut grammar =
            Self { lexicon, names, rules: Vec::new(), variables: Vec::new(), turns: 0 };
        for line in lines(GRAMMAR) {
            if !line.starts_with(' ') {
                grammar.rules.push(Rule::default());
                continue;
            }
            let line = line.trim();
            let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (weight, mut text) =
                first.parse().map_or((1, line), |weight: usize| (weight, rest));
            let template = grammar.template(&mut text);
            assert!(text.is_empty(), "unopened bracket before '{text}' in '{line}'");
            let rule = grammar.rules.last_mut().expect("the first line names a rule");
            rule.totals.push(rule.totals.last().unwrap_or(&0) + weight);
            rule.templates.push(template);
        }
        grammar
    }

    /// Reads a template up to the end of the text, or up to a bar or bracket that belongs to an
    /// enclosing choice.
    fn template(&mut self, text: &mut &'static str) -> Vec<Piece> {
        let mut pieces = Vec::new();
        loop {
            *text = text.trim_start();
            let close = |end: char| {
                let found = text[1..].split_once(end);
                found.unwrap_or_else(|| panic!("'{end}' missing after '{text}'"))
            };
            match text.chars().next() {
                None | Some('|' | ']') => return pieces,
                Some('[') => {
                    let mut choices = Vec::new();
                    while !text.starts_with(']') {
                        assert!(!text.is_empty(), "']' missing at the end of a template");
                        *text = &text[1..];
                        choices.push(self.template(text));
                    }
                    *text = &text[1..];
                    pieces.push(Piece::Choice(choices));
                }
                Some('<') => {
                    let (name, rest) = close('>');
                    let found = self.names.iter().position(|&rule| rule == name);
                    pieces.push(Piece::Rule(found.unwrap_or_else(|| panic!("no rule <{name}>"))));
                    *text = rest;
                }
                Some('{') => {
                    let (slot, rest) = close('}');
                    self.slot(slot, &mut pieces);
                    *text = rest;
                }
                Some(_) => {
                    let end = text.find([' ', '[', ']', '|', '<', '{']).unwrap_or(text.len());
                    pieces.push(Piece::Word(&text[..end]));
                    *text = &text[end..];
                }
            }
        }
    }

    /// Reads the inside of a slot.
    fn slot(&mut self, slot: &'static str, pieces: &mut Vec<Piece>) {
        let (drawn, column) = match slot.find(['.', '?', '!']) {
            Some(mark) => (&slot[..mark], Some(&slot[mark + 1..])),
            None => (slot, None),
        };
        let (name, table) =
            drawn.split_once(':').map_or((drawn, None), |(name, table)| (name, Some(table)));
        let variable =
            self.variables.iter().position(|&known| known == name).unwrap_or_else(|| {
                self.variables.push(name);
                self.variables.len() - 1
            });
        if let Some(table) = table.map(|table| self.lexicon.index(table)) {
            let turn = slot.contains('!').then_some(self.turns);
            self.turns += usize::from(turn.is_some());
            let column = column.map(|column| self.lexicon.0[table].column(column));
            pieces.push(Piece::Draw { variable, table, column, turn });
        }
        if let (Some(column), false) = (column, slot.contains(['?', '!'])) {
            pieces.push(Piece::Cell { variable, column });
        }
        assert!(table.is_some() || column.is_some(), "the slot {{{slot}}} does nothing");
    }
}

/// A sentence in the making: the rows that the variables hold, the turns taken, and the words so
/// far.
struct Speaker<'a> {
    grammar: &'a Grammar<'a>,
    random: Random,
    held: Vec<Option<(usize, usize)>>,
    turns: Vec<usize>,
    words: Vec<&'static str>,
}

impl Speaker<'_> {
    fn rule(&mut self, rule: usize) {
        let grammar = self.grammar;
        let rule = &grammar.rules[rule];
        let drawn = self.random.weighted(&rule.totals);
        self.speak(&rule.templates[drawn]);
    }

    fn speak(&mut self, template: &[Piece]) {
        let tables = &self.grammar.lexicon.0;
        for piece in template {
            match *piece {
                Piece::Word(word) => self.words.push(word),
                Piece::Choice(ref choices) => {
                    let drawn = self.random.below(choices.len());
                    self.speak(&choices[drawn]);
                }
                Piece::Rule(rule) => self.rule(rule),
                Piece::Draw { variable, table, column, turn } => loop {
                    let row = match turn {
                        Some(turn) => {
                            self.turns[turn] += 1;
                            self.turns[turn] % tables[table].rows.len()
                        }
                        None => self.random.weighted(&tables[table].totals),
                    };
                    if column.is_none_or(|column| tables[table].rows[row][column] != "-") {
                        self.held[variable] = Some((table, row));
                        break;
                    }
                },
                Piece::Cell { variable, column } => {
                    let name = self.grammar.variables[variable];
                    let (table, row) =
                        self.held[variable].unwrap_or_else(|| panic!("{{{name}}} holds nothing"));
                    let cell = tables[table].rows[row][tables[table].column(column)];
                    assert!(cell != "-", "{{{name}.{column}}} of a row without it");
                    let drawn = self.random.below(cell.split('/').count());
                    self.words.extend(cell.split('/').nth(drawn).unwrap_or(cell).split('_'));
                }
            }
        }
    }

    /// Writes the sentence. The word `a` becomes `an` before a vowel sound.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (position, &word) in self.words.iter().enumerate() {
            let next = self.words.get(position + 1).copied().unwrap_or("");
            let silent = next.starts_with("heir") || next.starts_with("hour");
            let spoken = next.starts_with("uni") || next.starts_with("ukr");
            let vowel = silent || (next.starts_with(['a', 'e', 'i', 'o', 'u']) && !spoken);
            let word = if word == "a" && vowel { "an" } else { word };
            out.write_all(if position == 0 { b"" } else { b" " })?;
            out.write_all(word.as_bytes())?;
        }
        out.write_all(b"\n")
    }
}

/// Writes the corpus: one sentence a line, in lower-case words that single blanks separate. It has
/// about 1.4 million words, and its bytes are always the same.
///
/// # Errors
///
/// Fails when writing to `out` fails.
pub(super) fn write(out: &mut impl Write) -> io::Result<()> {
    let lexicon = Lexicon::parse();
    let grammar = Grammar::parse(&lexicon);
    let (held, turns) = (vec![None; grammar.variables.len()], vec![0; grammar.turns]);
    let mut speaker =
        Speaker { grammar: &grammar, random: Random(1), held, turns, words: Vec::new() };
    let mut out = BufWriter::new(out);
    for _ in 0..SENTENCES {
        speaker.words.clear();
        speaker.rule(0);
        speaker.write(&mut out)?;
    }
    out.flush()
}

/// Analogy questions in the format of Google's file: `: section` lines, each followed by lines of
/// four words. A question is made of two rows of one table, both seen in the same two columns.
#[must_use]
pub(super) fn analogies() -> String {
    let lexicon = Lexicon::parse();
    let mut random = Random(2);
    let mut text = String::new();
    for (section, relations) in lexicon.questions("analogy ") {
        text.extend([": ", section, "\n"]);
        for [first, second] in &relations {
            let rows = 0..lexicon.0[first.0].rows.len();
            let pairs = rows.map(|row| [lexicon.word(*first, row), lexicon.word(*second, row)]);
            let pairs: Vec<_> =
                pairs.filter(|[one, two]| one != two && *one != "-" && *two != "-").collect();
            let mut questions = Vec::new();
            for one in &pairs {
                let others = pairs.iter().filter(|&two| two != one);
                questions
                    .extend(others.map(|two| format!("{} {}\n", one.join(" "), two.join(" "))));
            }
            let asked = questions.len().min(ASKED / relations.len());
            for position in 0..asked {
                let drawn = position + random.below(questions.len() - position);
                questions.swap(position, drawn);
            }
            questions[..asked].sort();
            text += &questions[..asked].concat();
        }
    }
    text
}

/// Graded pairs of words, as lines `word<TAB>word<TAB>grade`. The grade is 9.5 for two forms of one
/// word, 9 for two words of one row, 6.5 for words of one kind, 3.5 for words of related kinds, and
/// 0.5 for unrelated words.
#[must_use]
pub(super) fn similarities() -> String {
    let lexicon = Lexicon::parse();
    let mut random = Random(3);
    let mut text = String::new();
    for (name, relations) in lexicon.questions("grade ") {
        let (grade, rows) = name.split_once(' ').unwrap_or((name, "rows"));
        let mut graded: Vec<[&str; 2]> = Vec::new();
        // Relations take turns until there are enough pairs, so each relation gives about the same
        // number.
        for [first, second] in relations.iter().cycle() {
            if graded.len() == GRADED {
                break;
            }
            let row = random.weighted(&lexicon.0[first.0].totals);
            let other =
                if rows == "row" { row } else { random.weighted(&lexicon.0[second.0].totals) };
            let (one, two) = (lexicon.word(*first, row), lexicon.word(*second, other));
            let fit = one != two && one != "-" && two != "-";
            let strangers = rows == "row" || first.0 != second.0 || row != other;
            if fit && strangers && !graded.contains(&[one, two]) && !graded.contains(&[two, one]) {
                graded.push([one, two]);
                text.extend([one, "\t", two, "\t", grade, "\n"]);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn text() -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn counts(text: &str) -> HashMap<&str, usize> {
        let mut counts = HashMap::new();
        text.split_whitespace().for_each(|word| *counts.entry(word).or_insert(0) += 1);
        counts
    }

    #[test]
    fn the_bytes_never_change() {
        let text = text();
        assert_eq!(text, self::text());
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!((text.len(), hash), (7_785_626, 0xa76b_5404_46c2_312c));
    }

    #[test]
    fn words_are_plain_and_of_the_promised_number() {
        let text = text();
        assert!(
            text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' ' || byte == b'\n')
        );
        assert!(
            text.lines()
                .all(|line| !line.is_empty() && line.split(' ').all(|word| !word.is_empty()))
        );
        assert!((1_300_000..1_500_000).contains(&text.split_whitespace().count()));
        assert!((4_000..4_500).contains(&counts(&text).len()));
    }

    #[test]
    fn every_template_parses_and_every_rule_is_used() {
        let lexicon = Lexicon::parse();
        let grammar = Grammar::parse(&lexicon);
        assert!(grammar.rules.iter().all(|rule| !rule.templates.is_empty()));
        for name in &grammar.names {
            assert!(
                *name == grammar.names[0] || GRAMMAR.contains(&format!("<{name}>")),
                "rule {name}"
            );
        }
    }

    #[test]
    fn words_of_questions_are_in_the_text() {
        let (text, analogies, similarities) = (text(), analogies(), similarities());
        let counts = counts(&text);
        let questions = analogies.lines().filter(|line| !line.starts_with(':'));
        let pairs = similarities.lines().map(|line| line.rsplit_once('\t').unwrap().0);
        for word in questions.chain(pairs).flat_map(str::split_whitespace) {
            assert!(counts.get(word).is_some_and(|&count| count >= 5), "{word}");
        }
    }

    #[test]
    fn rare_forms_are_rare() {
        let text = text();
        let counts = counts(&text);
        let lexicon = Lexicon::parse();
        let sections = lexicon.questions("analogy ");
        let (_, rare) = sections.iter().find(|(name, _)| *name == "rare-forms").unwrap();
        for [_, column] in rare {
            let words = (0..lexicon.0[column.0].rows.len()).map(|row| lexicon.word(*column, row));
            for word in words.filter(|word| *word != "-") {
                assert!((5..=20).contains(&counts[word]), "{word} {}", counts[word]);
            }
        }
    }

    #[test]
    fn questions_are_well_formed_and_committed() {
        assert_eq!(analogies(), include_str!("../../../corpora/analogies.txt"));
        assert_eq!(similarities(), include_str!("../../../corpora/similarity.tsv"));
        for line in analogies().lines().filter(|line| !line.starts_with(':')) {
            assert_eq!(line.split(' ').count(), 4, "{line}");
        }
        for line in similarities().lines() {
            assert!(
                (0.0..=10.0).contains(&line.rsplit_once('\t').unwrap().1.parse::<f32>().unwrap()),
                "{line}"
            );
        }
    }
}
