//! Numbers, sizes, times, settings and names, written as people write them.
//!
//! This file is over 300 lines because all commands write numbers, times and names by it.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// A whole number with separators: `1,234,567`.
pub(crate) fn number(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in short: `950`, `12.3 k`, `1.42 M`.
pub(crate) fn short(n: f64) -> String {
    match n {
        n if n >= 1e10 => format!("{:.1} G", n / 1e9),
        n if n >= 1e7 => format!("{:.1} M", n / 1e6),
        n if n >= 1e6 => format!("{:.2} M", n / 1e6),
        n if n >= 1e4 => format!("{:.0} k", n / 1e3),
        n if n >= 1e3 => format!("{:.1} k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// A size: `900 bytes`, `12.3 kB`, `1.4 GB`.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let bytes_ = bytes as f64;
    match units.into_iter().find(|(unit, _)| bytes_ >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes_ / unit),
        None => format!("{bytes} bytes"),
    }
}

/// Reads a size: `4GiB`, `500MB`, `1.5 GB`, or a number of bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let unit = match text[end..].trim().to_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" | "k" => 1024.0,
        "mib" | "m" => 1_048_576.0,
        "gib" | "g" => 1_073_741_824.0,
        "tib" | "t" => 1_099_511_627_776.0,
        _ => return Err("expected a size such as 500MB or 4GiB".into()),
    };
    let number: f64 =
        text[..end].parse().map_err(|_| "expected a size such as 500MB or 4GiB".to_string())?;
    Ok((number * unit) as u64)
}

/// A time: `1.4 s`, `42 s`, `3:05 min`, `2:03:04 h`.
pub(crate) fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02} h", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// A part of a whole in percent.
pub(crate) fn percent(part: f64, whole: f64) -> String {
    format!("{:.1} %", if whole > 0.0 { 100.0 * part / whole } else { 0.0 })
}

/// A count with its noun, singular or plural: `1 file`, `2 files`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// A list in words: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).into(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A path as text, for JSON.
pub(crate) fn path(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Text from a file, as it can be shown on a terminal: characters that control the terminal, the
/// direction of the text or the end of the line are written as `\u{1b}`.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(controls) {
        return text.into();
    }
    let escape = |c: char| if controls(c) { c.escape_unicode().to_string() } else { c.into() };
    text.chars().map(escape).collect()
}

/// Whether a terminal may take a character for a command.
fn controls(c: char) -> bool {
    let direction = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}');
    c.is_control() || direction || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// The columns that a text takes at a terminal: two for a Chinese character, none for an accent.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The columns of the terminal that standard output goes to; as many as one may want where it goes
/// elsewhere.
pub(crate) fn terminal_width() -> usize {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(usize::MAX, |size| size.0.0.into())
}

/// A text with spaces behind it up to so many columns.
pub(crate) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// A line of at most a thousand characters: the middle of a longer one is left out.
pub(crate) fn shortened(line: &str) -> Cow<'_, str> {
    let place = |n: usize| line.char_indices().nth(n).map(|(at, _)| at);
    if place(LONGEST_LINE).is_none() {
        return line.into();
    }
    let last = line.char_indices().rev().nth(LONGEST_LINE / 4).map_or(0, |(at, _)| at);
    format!("{} … {}", &line[..place(LONGEST_LINE / 2).unwrap_or(0)], &line[last..]).into()
}

/// The most characters of a line that is written to stderr.
const LONGEST_LINE: usize = 1000;

/// A path as an argument that can be typed into a shell.
pub(crate) fn argument(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%~\\".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The shortest decimal that gives the same `f32`, as a JSON number.
pub(crate) fn json(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::NAN)
}

/// `x` rounded to six decimals, as a JSON number.
pub(crate) fn rounded(x: f64) -> f64 {
    (x * 1e6).round() / 1e6
}

/// JSON that any program reads as it is meant. An integer that JavaScript or R would round is a text
/// of 16 hexadecimal digits, as hashes are shown elsewhere; an `f32` has the digits that it has alone.
pub(crate) fn plain(value: Value) -> Value {
    match value {
        Value::Number(n) => match (n.as_u64(), n.as_f64()) {
            (Some(whole), _) if whole > 1 << 53 => format!("{whole:016x}").into(),
            (None, Some(x)) if n.is_f64() && f64::from(x as f32).to_bits() == x.to_bits() => {
                serde_json::json!(json(x as f32))
            }
            _ => Value::Number(n),
        },
        Value::Array(all) => all.into_iter().map(plain).collect(),
        Value::Object(all) => all.into_iter().map(|(name, value)| (name, plain(value))).collect(),
        other => other,
    }
}

/// The settings of a training in one line, without those that have no effect.
pub(crate) fn training(method: &str, all: impl serde::Serialize) -> String {
    let mut all = serde_json::to_value(all).unwrap_or_default();
    if let Some(all) = all.as_object_mut()
        && all.get("time").is_some_and(|time| !time.is_null())
    {
        all.shift_remove("epochs");
    }
    if let (Some(all), "skip-gram") = (all.as_object_mut(), method) {
        all.shift_remove("cbow_gradient");
    }
    if let Some(all) = all.as_object_mut()
        && ["subwords", "min_n", "max_n"]
            .iter()
            .all(|name| all.get(*name).is_none_or(Value::is_null))
    {
        all.shift_remove("buckets");
    }
    settings(&all)
}

/// Settings from JSON in one line: `dim 100, window 5, fixed window`. A setting that is off or
/// unset is left out.
pub(crate) fn settings(all: &Value) -> String {
    let Some(all) = all.as_object() else { return String::new() };
    let one = |(name, value): (&String, &Value)| {
        let name = name.replace('_', " ");
        match value {
            Value::Null | Value::Bool(false) => None,
            Value::Bool(true) => Some(name),
            Value::Number(n) => Some(format!("{name} {}", decimal(n))),
            Value::String(text) => Some(format!("{name} {text}")),
            value => Some(format!("{name} {value}")),
        }
    };
    all.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

/// A number without the extra digits that an `f32` gets when it becomes an `f64`.
fn decimal(n: &serde_json::Number) -> String {
    match n.as_f64() {
        Some(x) if !n.is_u64() && !n.is_i64() => (x as f32).to_string(),
        _ => n.to_string(),
    }
}

/// A score from 0 to 1 in percent.
pub(crate) fn score(x: f64) -> String {
    if x.is_nan() { "-".into() } else { format!("{:.1}", 100.0 * x) }
}

/// The most columns of a chart.
const CHART: usize = 60;

/// Scores in the order of time as a chart of one line, with the first, the last and the highest.
pub(crate) fn chart(scores: &[f64]) -> String {
    let bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || scores.iter().copied().filter(|x| x.is_finite());
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NAN, f64::max));
    let bar = |x: f64| match (x - low) / (high - low) {
        _ if x.is_nan() => ' ',
        share if share.is_nan() => bars[bars.len() - 1],
        share => bars[(share * (bars.len() - 1) as f64).round() as usize],
    };
    let step = scores.len().div_ceil(CHART).max(1);
    let line: String = scores.chunks(step).map(|some| bar(some[some.len() - 1])).collect();
    let ends = [scores.first(), scores.last()].map(|x| score(x.copied().unwrap_or(f64::NAN)));
    format!("{line}  {} to {}, highest {}", ends[0], ends[1], score(high))
}

/// An interval of scores in percent.
pub(crate) fn range([low, high]: [f64; 2]) -> String {
    if low.is_nan() { "-".into() } else { format!("[{}, {}]", score(low), score(high)) }
}

/// A mean loss, or a note that it was not sampled.
pub(crate) fn loss(mean: Option<f64>) -> String {
    mean.map_or_else(|| "not sampled".into(), |loss| format!("{loss:.4}"))
}

/// The losses of all epochs.
pub(crate) fn losses(epochs: &[Option<f64>]) -> String {
    if epochs.iter().all(Option::is_none) {
        return "not sampled: the text is too short".into();
    }
    let losses: Vec<String> = epochs.iter().map(|epoch| loss(*epoch)).collect();
    losses.join(" ")
}

/// A message of the library in terms of the command. The library names settings between backquotes,
/// and these become options: `` lower `min_count` `` becomes `lower --min-count`.
pub(crate) fn with_options(message: &str) -> String {
    let is_setting = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-')
    };
    let mut text = String::new();
    let mut parts = message.split('`').enumerate().peekable();
    while let Some((i, part)) = parts.next() {
        let quoted = i % 2 == 1 && parts.peek().is_some();
        match part {
            "vocab_file" if quoted => text.push_str("--vocab"),
            part if quoted && is_setting(part) => {
                text.push_str("--");
                text.push_str(&part.replace('_', "-"));
            }
            part if i % 2 == 1 => {
                text.push('`');
                text.push_str(part);
                if quoted {
                    text.push('`');
                }
            }
            part => text.push_str(part),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_as_it_is_meant() {
        let all = serde_json::json!({
            "hash": 5_668_169_822_845_802_717u64, "words": 1u64 << 53, "lr": f64::from(0.025f32),
            "exact": 0.1, "list": [-3, null, "x", f64::from(1e-5f32)],
        });
        let text = plain(all).to_string();
        let expected = r#"{"hash":"4ea9626c315018dd","words":9007199254740992,"lr":0.025,"exact":0.1,"list":[-3,null,"x",0.00001]}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0u64, 999, 1000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [9.0, 1234.0, 43_210.0, 1.42e6, 2.31e7].map(short),
            ["9", "1.2 k", "43 k", "1.42 M", "23.1 M"]
        );
        assert_eq!([999, 1_500, 2_000_000_000].map(size), ["999 bytes", "1.5 kB", "2.0 GB"]);
        let times = [0.25, 42.9, 185.0, 7384.0].map(|s| time(Duration::from_secs_f64(s)));
        assert_eq!(times, ["0.2 s", "42 s", "3:05 min", "2:03:04 h"]);
        let sizes = ["900", "1.5 kB", "500MB", "4GiB", "2g"].map(|text| parse_size(text).unwrap());
        assert_eq!(sizes, [900, 1500, 500_000_000, 4 << 30, 2 << 30]);
        assert!(["", "GB", "4 apples", "-1", "1.2.3"].iter().all(|text| parse_size(text).is_err()));
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(argument(std::path::Path::new("it's")), r"'it'\''s'");
        assert_eq!(json(0.1).to_string(), "0.1");
    }

    #[test]
    fn nothing_that_is_shown_controls_the_terminal() {
        assert_eq!(shown("naïve 日本 🇩🇪"), "naïve 日本 🇩🇪");
        assert_eq!(shown("a\u{1b}]0;x\u{7}\r\n\tb"), "a\\u{1b}]0;x\\u{7}\\u{d}\\u{a}\\u{9}b");
        assert_eq!(shown("\u{9b}2J\u{202e}"), "\\u{9b}2J\\u{202e}");
        assert_eq!(shortened("short"), "short");
        let long = shortened(&"é".repeat(5000)).into_owned();
        assert!(long.chars().count() < 1000 && long.contains(" … "), "{long}");
    }

    #[test]
    fn settings_are_one_line() {
        let value = serde_json::json!({
            "dim": 100, "lr": f64::from(0.025f32), "fixed_window": true, "whole": false, "max": null,
        });
        assert_eq!(settings(&value), "dim 100, lr 0.025, fixed window");
    }

    #[test]
    fn settings_in_messages_become_options() {
        assert_eq!(with_options("`min_count` must be 1"), "--min-count must be 1");
        assert_eq!(with_options("name it by `vocab_file`"), "name it by --vocab");
        assert_eq!(with_options("make it with `wordloom train`"), "make it with `wordloom train`");
        assert_eq!(with_options("one ` alone"), "one ` alone");
    }

    #[test]
    fn losses_that_were_not_sampled_are_no_zeros() {
        assert_eq!(losses(&[Some(0.25), None]), "0.2500 not sampled");
        assert!(losses(&[None, None]).starts_with("not sampled"));
    }
}
