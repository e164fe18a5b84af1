//! The lines of a set as rows of cells: what separates the cells, whether the first line is a
//! header, and which columns are the two texts and their grade.
//!
//! Published sets have columns in any order, with ids, parts of speech and single ratings among
//! them. A column is told by its name, or else by what it holds in all rows. What stays open is an
//! error: nothing is guessed from one line.
//!
//! This file is over 300 lines because the rules by which columns are told are many, and a fifth of
//! it is their tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::{Error, Result};
use crate::text::{trim, words};

/// Which columns of graded pairs are the two texts and the grade: numbers from 1, or names from the
/// header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnNames(pub [String; 3]);

impl std::str::FromStr for ColumnNames {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let names: Vec<String> = text.split(',').map(|name| name.trim().into()).collect();
        let wrong = |_| "expected three columns, as in 1,2,3 or word1,word2,score".into();
        names.try_into().map(Self).map_err(wrong)
    }
}

/// What separates the cells of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Char(char),
    White,
}

/// A line of a set.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The number of the line, from 1.
    pub(super) number: usize,
    /// The line, without the white space at its ends.
    pub(super) line: String,
    pub(super) cells: Vec<String>,
}

/// The columns of graded pairs.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    texts: [usize; 2],
    grade: usize,
    /// Whether the texts are sentences.
    pub(super) sentences: bool,
}

/// The rows of a set.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    separator: Separator,
    header: Option<Row>,
    pub(super) rows: Vec<Row>,
    /// The columns, if the rows are graded pairs.
    pub(super) columns: Option<Columns>,
}

/// A graded pair of texts.
pub(super) type Graded = (f64, [String; 2]);

/// Cells that say that there is no number.
const MISSING: [&str; 9] = ["nan", "na", "n/a", "null", "none", "inf", "-inf", "infinity", "-"];

/// Names of columns with the grade, the more telling ones first. Column names are compared in lower
/// case, and letters and digits alone count.
const GRADES: [&[&str]; 4] = [
    &["simlex999", "simlex"],
    &["mean", "average", "avg", "humanmean", "meanscore", "averagescore"],
    &[
        "score",
        "similarity",
        "sim",
        "relatedness",
        "gold",
        "grade",
        "relatednessscore",
        "goldscore",
    ],
    &["rating", "label", "human", "value", "judgement", "judgment"],
];

/// Names of columns with numbers that are no grade.
const NO_GRADES: [&str; 10] = ["id", "pairid", "index", "idx", "no", "nr", "", "sd", "std", "year"];

/// Names of the columns with texts, without the `1` or `a`, `2` or `b` that follows.
const TEXTS: [&str; 10] =
    ["sentence", "sent", "text", "word", "w", "s", "term", "t", "wort", "phrase"];

/// Parts of speech.
const TAGS: [&str; 18] = [
    "n",
    "v",
    "a",
    "r",
    "j",
    "s",
    "nn",
    "nns",
    "vb",
    "jj",
    "rb",
    "noun",
    "verb",
    "adj",
    "adv",
    "adjective",
    "adverb",
    "x",
];

/// Texts of more characters than this are sentences, even if no space is in them.
const LONG_TEXT: usize = 15;

impl Sheet {
    /// The rows of `text`. Empty lines and comments (`#`, `//`) are left out. A line ends with a
    /// line feed, a carriage return, or both.
    ///
    /// # Errors
    /// [`Error::Input`] when the rows are graded pairs but it is open which column is the grade, or
    /// when `names` names a column that is not there.
    pub(super) fn new(file: &Path, text: &str, names: Option<&ColumnNames>) -> Result<Self> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<(usize, &str)> =
            (1..).zip(text.split('\n').map(trim)).filter(is_said).collect();
        let separator = separator(&lines);
        let row = |(number, line): (usize, &str)| Row {
            number,
            line: line.into(),
            cells: separator.split(line),
        };
        let mut sheet = Self {
            separator,
            header: None,
            rows: lines.into_iter().map(row).collect(),
            columns: None,
        };
        if sheet.first_is_header() {
            sheet.header = Some(sheet.rows.remove(0));
        }
        sheet.columns = match names {
            Some(names) => Some(sheet.named(names)).transpose(),
            None => sheet.found(),
        }
        .map_err(|problem| Error::input(file, problem))?;
        Ok(sheet)
    }

    /// The number in a cell. A comma is a decimal one if it does not separate cells.
    fn number(&self, cell: &str) -> Option<f64> {
        let plain = cell.parse().ok();
        let comma = || match self.separator {
            Separator::Char(',') => None,
            _ => cell.replacen(',', ".", 1).parse().ok(),
        };
        plain.or_else(comma).filter(|x: &f64| x.is_finite())
    }

    /// The most frequent number of cells, and the rows that have it.
    fn usual(&self, from: usize) -> (usize, Vec<&Row>) {
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        let rows = &self.rows[from.min(self.rows.len())..];
        for row in rows {
            *widths.entry(row.cells.len()).or_default() += 1;
        }
        let width = widths.iter().max_by_key(|(_, rows)| **rows).map_or(0, |(width, _)| *width);
        (width, rows.iter().filter(|row| row.cells.len() == width).collect())
    }

    /// Whether at least half of `rows` have a number in this column.
    fn is_numeric(&self, rows: &[&Row], column: usize) -> bool {
        let numbers = rows.iter().filter(|row| self.number(&row.cells[column]).is_some()).count();
        !rows.is_empty() && 2 * numbers >= rows.len()
    }

    /// Whether the first line has names where other lines have numbers.
    fn first_is_header(&self) -> bool {
        let Some(first) = self.rows.first() else { return false };
        let (width, rows) = self.usual(1);
        let is_name = |cell: &String| {
            let missing = MISSING.contains(&cell.to_lowercase().as_str());
            !missing && cell.starts_with(|c: char| c.is_alphabetic() || "(_".contains(c))
        };
        let no_number = first.cells.iter().all(|cell| self.number(cell).is_none());
        let mut columns = (0..width.min(first.cells.len())).filter(|&i| self.is_numeric(&rows, i));
        width > 2 && no_number && columns.any(|i| is_name(&first.cells[i]))
    }

    /// The name of a column as names are compared.
    fn name(&self, column: usize) -> Option<String> {
        let name = self.header.as_ref()?.cells.get(column)?;
        Some(name.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect())
    }

    /// The columns that the user named.
    fn named(&self, names: &ColumnNames) -> std::result::Result<Columns, String> {
        let width = self.usual(0).0;
        let mut columns = [0; 3];
        for (column, name) in columns.iter_mut().zip(&names.0) {
            let by_name = self.header.as_ref().and_then(|header| {
                header.cells.iter().position(|cell| cell.eq_ignore_ascii_case(name))
            });
            let by_number = || name.parse().ok().filter(|n| (1..=width).contains(n)).map(|n| n - 1);
            *column = by_name.or_else(by_number).ok_or_else(|| {
                format!(
                    "`columns` names {name}, and lines have {width} columns: see {}",
                    self.example()
                )
            })?;
        }
        let [a, b, grade] = columns;
        Ok(Columns { texts: [a, b], grade, sentences: self.are_sentences([a, b]) })
    }

    /// The columns by their names and by what they hold. `None` if there is no column of numbers
    /// beside two of texts.
    fn found(&self) -> std::result::Result<Option<Columns>, String> {
        let (width, rows) = self.usual(0);
        if width < 3 {
            return Ok(None);
        }
        let (numbers, others): (Vec<usize>, Vec<usize>) =
            (0..width).partition(|&i| self.is_numeric(&rows, i));
        let Some(texts) = self.texts(&rows, &others) else { return Ok(None) };
        let numbers: Vec<usize> = numbers.into_iter().filter(|i| !texts.contains(i)).collect();
        if numbers.is_empty() {
            return Ok(None);
        }
        let sentences = self.are_sentences(texts);
        let grade = self.grade(&rows, &numbers).ok_or_else(|| {
            let list: Vec<String> = numbers.iter().map(|i| (i + 1).to_string()).collect();
            format!(
                "columns {} are numbers, and nothing says which one is the grade: name two columns of \
                 texts and that of the grade by `columns`, as in {},{},{}; see {}",
                list.join(", "),
                texts[0] + 1,
                texts[1] + 1,
                numbers[0] + 1,
                self.example()
            )
        })?;
        Ok(Some(Columns { texts, grade, sentences }))
    }

    /// The first two lines, for messages.
    fn example(&self) -> String {
        let lines = self.header.iter().chain(&self.rows).take(2);
        let shown = |row: &Row| format!("line {}: '{}'", row.number, shortened(&row.line));
        lines.map(shown).collect::<Vec<_>>().join(", ")
    }

    /// The two columns of texts: those with such names, or else the first two with several words
    /// (unless these are contexts of words in other columns), or else the first two that are neither
    /// numbers nor parts of speech nor ids.
    fn texts(&self, rows: &[&Row], others: &[usize]) -> Option<[usize; 2]> {
        let named = |ends: [&str; 2]| {
            let is_text = |i: &usize| {
                let name = self.name(*i).unwrap_or_default();
                let base = ends.iter().find_map(|end| name.strip_suffix(end));
                base.is_some_and(|base| TEXTS.contains(&base) || base.is_empty() && name == "a")
            };
            others.iter().copied().find(is_text)
        };
        if let (Some(a), Some(b)) = (named(["1", "a"]), named(["2", "b"])) {
            return Some([a, b]);
        }
        let first_two = |among: &[usize]| among.first_chunk().copied();
        let most = |test: &dyn Fn(&Row) -> bool| {
            2 * rows.iter().filter(|row| test(row)).count() > rows.len()
        };
        let several = |&i: &usize| most(&|row| words(&row.cells[i]).nth(1).is_some());
        let (spoken, single): (Vec<usize>, Vec<usize>) = others.iter().partition(|i| several(i));
        let is_tag =
            |i: usize| rows.iter().all(|row| TAGS.contains(&&*row.cells[i].to_lowercase()));
        let plain: Vec<usize> = single.into_iter().filter(|&i| !is_tag(i)).collect();
        // Ids that are no numbers, as `a17`.
        let is_label = |i: usize| {
            let different: BTreeSet<&str> = rows.iter().map(|row| &*row.cells[i]).collect();
            different.len() == rows.len() && different.iter().all(|c| c.contains(is_digit))
        };
        let named: Vec<usize> = plain.iter().copied().filter(|&i| !is_label(i)).collect();
        let plain = if named.len() > 1 { named } else { plain };
        let (pair, contexts) = (first_two(&plain), first_two(&spoken));
        // Sentences that the words are marked or found in are no items of their own.
        let in_context = |row: &Row, word: usize, context: usize| {
            let (word, context) =
                (row.cells[word].to_lowercase(), row.cells[context].to_lowercase());
            context.contains("<b>") || context.contains(&word)
        };
        match (pair, contexts) {
            (Some([a, b]), Some([c, d]))
                if most(&|row| in_context(row, a, c) && in_context(row, b, d)) =>
            {
                pair
            }
            (pair, contexts) => contexts.or(pair).or_else(|| {
                let plain: Vec<usize> = others.iter().copied().filter(|&i| !is_tag(i)).collect();
                first_two(&plain)
            }),
        }
    }

    /// The column of the grade among columns of numbers: that with the most telling name, or else the
    /// only one that is no id, or else the mean of all others.
    fn grade(&self, rows: &[&Row], numbers: &[usize]) -> Option<usize> {
        let name = |i: usize| self.name(i).unwrap_or_else(|| "?".into());
        for names in GRADES {
            let called: Vec<usize> =
                numbers.iter().copied().filter(|&i| names.contains(&&*name(i))).collect();
            if let [one] = called[..] {
                return Some(one);
            }
        }
        // Names that have a telling word in them, as `human_mean_score` has.
        for names in GRADES {
            let telling = |i: &usize| names.iter().any(|n| n.len() > 3 && name(*i).contains(n));
            let called: Vec<usize> = numbers.iter().copied().filter(telling).collect();
            if let [one] = called[..] {
                return Some(one);
            }
        }
        if let &[one] = numbers {
            return Some(one);
        }
        let no_id = |i: &usize| !NO_GRADES.contains(&&*name(*i)) && !self.is_id(rows, *i);
        let left: Vec<usize> = numbers.iter().copied().filter(no_id).collect();
        if let [one] = left[..] {
            return Some(one);
        }
        let means: Vec<usize> =
            left.iter().copied().filter(|&i| self.is_mean(rows, i, &left)).collect();
        if let [one] = means[..] { Some(one) } else { None }
    }

    /// Whether a column numbers the rows: it has rising whole numbers, or whole numbers with zeros in
    /// front.
    fn is_id(&self, rows: &[&Row], column: usize) -> bool {
        let cells = || rows.iter().map(|row| &row.cells[column]);
        let whole = cells().all(|cell| cell.bytes().all(|b| b.is_ascii_digit()));
        let padded = cells().any(|cell| cell.len() > 1 && cell.starts_with('0'));
        let values: Vec<Option<f64>> = cells().map(|cell| self.number(cell)).collect();
        whole && (padded || values.windows(2).all(|pair| pair[0] < pair[1]))
    }

    /// Whether a column is the mean of the other columns of numbers, as it is rounded, in nearly all
    /// rows.
    fn is_mean(&self, rows: &[&Row], column: usize, numbers: &[usize]) -> bool {
        if numbers.len() < 3 {
            return false;
        }
        let decimals = |cell: &str| cell.split(['.', ',']).nth(1).map_or(0, str::len) as i32;
        let digits = rows.iter().map(|row| decimals(&row.cells[column])).max().unwrap_or(0);
        let tolerance = 0.51 * 10f64.powi(-digits) + 1e-9;
        let fits = |row: &&&Row| {
            let value = |&i: &usize| self.number(&row.cells[i]);
            let others: Option<Vec<f64>> =
                numbers.iter().filter(|&&i| i != column).map(value).collect();
            match (value(&column), others) {
                (Some(x), Some(others)) => {
                    (others.iter().sum::<f64>() / others.len() as f64 - x).abs() <= tolerance
                }
                _ => false,
            }
        };
        10 * rows.iter().filter(fits).count() >= 9 * rows.len()
    }

    /// Whether texts are sentences: by the names of their columns, by spaces in most of them, or by
    /// their length.
    fn are_sentences(&self, texts: [usize; 2]) -> bool {
        let named = texts.iter().all(|&i| {
            let name = self.name(i).unwrap_or_default();
            ["sentence", "sent", "text"].iter().any(|base| name.starts_with(base))
        });
        let cells = |row: &Row| texts.map(|i| row.cells.get(i).cloned().unwrap_or_default());
        let pairs: Vec<[String; 2]> = self.rows.iter().map(cells).collect();
        let whole = |pair: &&[String; 2]| pair.iter().all(|text| !text.is_empty());
        let pairs = || pairs.iter().filter(whole);
        let all = pairs().count();
        let spaced = pairs().filter(|pair| pair.iter().any(|t| words(t).nth(1).is_some())).count();
        let long =
            pairs().filter(|pair| pair.iter().all(|t| t.chars().nth(LONG_TEXT).is_some())).count();
        named || 2 * spaced > all || 2 * long > all
    }

    /// The graded pairs, and what was wrong with rows that are none.
    pub(super) fn graded(&self) -> (Vec<Graded>, Vec<String>) {
        let Some(Columns { texts: [a, b], grade, .. }) = self.columns else {
            return Default::default();
        };
        let (mut items, mut left_out) = (Vec::new(), Vec::new());
        for row in &self.rows {
            let cell = |i: usize| row.cells.get(i).filter(|cell| !cell.is_empty());
            let number = cell(grade).and_then(|cell| self.number(cell));
            if let (Some(a), Some(b), Some(grade)) = (cell(a), cell(b), number) {
                items.push((grade, [a.clone(), b.clone()]));
            } else {
                let missing =
                    [(number.is_none(), "no number", grade), (cell(a).is_none(), "nothing", a)];
                let (_, what, column) =
                    missing.into_iter().find(|missing| missing.0).unwrap_or((true, "nothing", b));
                left_out.push(row.problem(&format!("{what} in column {}", column + 1)));
            }
        }
        (items, left_out)
    }

    /// How graded pairs were read, in words.
    pub(super) fn how(&self, items: &[Graded]) -> String {
        let Some(Columns { texts: [a, b], grade, sentences }) = &self.columns else {
            return String::new();
        };
        let what = if *sentences { "sentences" } else { "words" };
        let (low, high) =
            items.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), item| {
                (low.min(item.0), high.max(item.0))
            });
        let name = self.header.as_ref().and_then(|header| header.cells.get(*grade));
        let name = name.map_or_else(String::new, |name| format!(" '{name}'"));
        let header = if self.header.is_some() { "; line 1 is a header" } else { "" };
        format!(
            "{what} in columns {} and {}, grade in column {}{name} ({low} to {high}){header}",
            a + 1,
            b + 1,
            grade + 1
        )
    }
}

impl Row {
    /// Whether this line names a section, as `: name` does. A line of four cells is a question even
    /// if its first word begins with a colon.
    pub(super) fn section(&self) -> Option<&str> {
        let title = self.line.strip_prefix(':')?;
        (self.cells.len() != 4 || self.cells[0] == ":").then(|| trim(title))
    }

    /// A message about this line.
    pub(super) fn problem(&self, problem: &str) -> String {
        format!("line {}: {problem}: '{}'", self.number, shortened(&self.line))
    }
}

impl Separator {
    /// The cells of a line. A cell that contains the separator is in double quotes.
    fn split(self, line: &str) -> Vec<String> {
        match self {
            Self::White => words(line).map(Into::into).collect(),
            Self::Char('\t') => line.split('\t').map(|cell| unquoted(trim(cell))).collect(),
            Self::Char(separator) => quoted_cells(line, separator),
        }
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// A cell without its quotes. A cell with other quotes inside is text as it is.
fn unquoted(cell: &str) -> String {
    let inside = cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inside.map(|inside| (inside, inside.replace("\"\"", ""))) {
        Some((inside, rest)) if !rest.contains('"') => inside.replace("\"\"", "\""),
        _ => cell.into(),
    }
}

/// The cells of a line of CSV.
fn quoted_cells(line: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let (mut quoted, mut closed) = (false, false);
    for c in line.chars() {
        let cell = cells.last_mut().expect("there is always a cell");
        match c {
            '"' if quoted => (quoted, closed) = (false, true),
            // Two double quotes in a quoted cell stand for one.
            '"' if closed => {
                cell.push('"');
                (quoted, closed) = (true, false);
            }
            '"' if trim(cell).is_empty() => {
                cell.clear();
                quoted = true;
            }
            c if c == separator && !quoted => {
                closed = false;
                cells.push(String::new());
            }
            c => {
                closed = closed && c.is_whitespace();
                cell.push(c);
            }
        }
    }
    cells.iter().map(|cell| trim(cell).into()).collect()
}

/// Whether a line is neither empty nor a comment.
fn is_said((_, line): &(usize, &str)) -> bool {
    !line.is_empty() && !line.starts_with('#') && !line.starts_with("//")
}

/// What separates cells: the first of these that most lines have and that makes cells of them.
fn separator(lines: &[(usize, &str)]) -> Separator {
    let lines: Vec<&str> =
        lines.iter().map(|(_, line)| *line).filter(|line| !line.starts_with(':')).collect();
    let most = |fits: &dyn Fn(&str) -> bool| {
        2 * lines.iter().filter(|line| fits(line)).count() > lines.len()
    };
    let apart = |separator: char| {
        most(&|line| {
            let cells = quoted_cells(line, separator);
            // A comma within a number of a line that is apart by spaces separates nothing.
            cells.len() > 2 || cells.len() == 2 && words(line).nth(1).is_none()
        })
    };
    let colons = |line: &str| {
        let cells: Vec<&str> = line.split(':').collect();
        cells.len() == 3 && trim(cells[2]).replacen(',', ".", 1).parse::<f64>().is_ok()
    };
    if most(&|line| line.contains('\t')) {
        return Separator::Char('\t');
    }
    match [';', '|', ','].into_iter().find(|&separator| apart(separator)) {
        Some(separator) => Separator::Char(separator),
        None if most(&colons) => Separator::Char(':'),
        None => Separator::White,
    }
}

/// The beginning of a line, for messages.
fn shortened(line: &str) -> String {
    let plain = |c| if c == '\t' { ' ' } else { c };
    let mut short: String = line.chars().take(60).map(plain).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(text: &str) -> Sheet {
        Sheet::new(Path::new("set"), text, None).unwrap()
    }

    /// The items as `a|b|grade`, and the number of lines that were left out.
    fn items(text: &str) -> (Vec<String>, usize) {
        let (items, left_out) = sheet(text).graded();
        let shown = |(grade, [a, b]): &Graded| format!("{a}|{b}|{grade}");
        (items.iter().map(shown).collect(), left_out.len())
    }

    #[test]
    fn the_grade_is_found_wherever_it_is() {
        for text in [
            "cat dog 9.5\nsun moon 3\nred blue 4",
            "cat\tdog\t9,5\nsun\tmoon\t3,0\nred\tblue\t4",
            "cat;dog;9,5\rsun;moon;3\rred;blue;4\r",
            "cat:dog:9.5\nsun:moon:3\nred:blue:4",
            "cat|dog|9.5\nsun|moon|3\nred|blue|4",
            "a1\tcat\tdog\t9.5\na2\tsun\tmoon\t3\na3\tred\tblue\t4",
            "1\tcat\tn\tdog\tn\tthe <b>cats</b> sat\ta <b>dog</b> ran\t9.5\t9\t10\n2\tsun\tn\tmoon\tn\tthe sun rose\tthe moon set\t3\t3\t3\n3\tred\ta\tblue\ta\ta red car\tblue sky\t4\t3\t5",
            "cat,dog,9.5\r\nsun,moon,3\r\nred,blue,4\r\n",
            "\"cat\"\t\"dog\"\t9.5\n\"sun\"\t\"moon\"\t3\n\"red\"\t\"blue\"\t4",
            "1\tcat\tdog\t9.5\n2\tsun\tmoon\t3\n3\tred\tblue\t4",
            "0001,cat,dog,9.5\n0007,sun,moon,3\n0003,red,blue,4",
            "1\tcat\tn\tdog\tn\t9.5\n2\tsun\tn\tmoon\tn\t3\n3\tred\ta\tblue\ta\t4",
            "cat dog 9.5 9 10\nsun moon 3 3 3\nred blue 4 3 5",
            "cat dog 9 10 9.5\nsun moon 3 3 3\nred blue 3 5 4",
            "word1,word2,r1,r2,Mean\ncat,dog,1,9,9.5\nsun,moon,4,4,3\nred,blue,7,1,4",
            "Similarity,Word 1,Word 2,id\n9.5,cat,dog,4\n3,sun,moon,2\n4,red,blue,9",
            ",w1,w2,human_score,sd\n0,cat,dog,9.5,1\n1,sun,moon,3,2\n2,red,blue,4,0",
            "word1\tword2\tPOS\tSimLex999\tconc(w1)\tSD(SimLex)\ncat\tdog\tN\t9.5\t4\t1\nsun\tmoon\tN\t3\t4\t2\nred\tblue\tA\t4\t1\t1",
            "# a comment\n\u{feff}cat dog 9.5\n\nsun moon 3\n// another\nred blue 4",
        ] {
            assert_eq!(items(text).0, ["cat|dog|9.5", "sun|moon|3", "red|blue|4"], "{text}");
        }
    }

    #[test]
    fn sentences_are_found_wherever_they_are() {
        for text in [
            "4.5\tA cat, black\tA dog\n3\tThe sun\tA moon\n1\tx y\tz",
            "A cat, black\tA dog\t4.5\nThe sun\tA moon\t3\nx y\tz\t1",
            "images\tfile\t0012\t4.5\tA cat, black\tA dog\nimages\tfile\t0013\t3\tThe sun\tA moon\nimages\tother\t0001\t1\tx y\tz",
            "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment\n1\tA cat, black\tA dog\t4.5\tYES\n2\tThe sun\tA moon\t3\tNO\n3\tx y\tz\t1\tNO",
            "score,sentence1,sentence2\n4.5,\"A cat, black\",A dog\n3,The sun,A moon\n1,x y,z",
        ] {
            assert_eq!(
                items(text).0,
                ["A cat, black|A dog|4.5", "The sun|A moon|3", "x y|z|1"],
                "{text}"
            );
            assert!(sheet(text).columns.unwrap().sentences, "{text}");
        }
        assert!(
            sheet("5\t一只黑色的猫在红色的沙发上睡觉呢啊\t一只白色的狗在绿色的草地上跑步呢啊")
                .columns
                .unwrap()
                .sentences
        );
        assert!(
            !sheet("new york\tboston\t5\ncat\tdog\t3\nsun\tmoon\t4").columns.unwrap().sentences
        );
    }

    #[test]
    fn a_first_line_is_a_header_only_if_it_has_names() {
        assert_eq!(items("cat dog NaN\nsun moon 3\nred blue 4").1, 1);
        assert_eq!(items("cat dog 9..5\nsun moon 3\nred blue 4").1, 1);
        assert_eq!(items("cat\t\t9\nsun\tmoon\t3\nred\tblue\t4").1, 1);
        assert_eq!(items("Wort1 Wort2 Urteil\nsun moon 3\nred blue 4").1, 0);
        let found = sheet("a b score\nsun moon 3\nred blue 4");
        assert_eq!(
            found.how(&found.graded().0),
            "words in columns 1 and 2, grade in column 3 'score' (3 to 4); line 1 is a header"
        );
    }

    #[test]
    fn what_stays_open_is_an_error_that_columns_can_settle() {
        let text = "cat dog 9 3\nsun moon 3 5\nred blue 4 4";
        let error = Sheet::new(Path::new("set"), text, None).unwrap_err().to_string();
        assert!(error.contains("columns 3, 4 are numbers") && error.contains("line 2"), "{error}");
        let named = |names: &str| Sheet::new(Path::new("set"), text, Some(&names.parse().unwrap()));
        assert_eq!(named("2,1,4").unwrap().graded().0[0], (3.0, ["dog".into(), "cat".into()]));
        assert!(named("1,2,5").is_err() && named("1,2,x").is_err());
        assert!("1,2".parse::<ColumnNames>().is_err());
        let text = "a,b,X,Y\ncat,dog,9,3\nsun,moon,3,5";
        let named = Sheet::new(Path::new("set"), text, Some(&"a,b,y".parse().unwrap())).unwrap();
        assert_eq!(named.graded().0[0].0, 3.0);
    }

    #[test]
    fn lines_of_words_alone_are_no_graded_pairs() {
        for text in
            ["athens greece oslo norway\n", "album\talbums/record\n", "a,b,c,d\ne,f,g,h\n", ""]
        {
            assert!(sheet(text).columns.is_none(), "{text}");
        }
    }
}
