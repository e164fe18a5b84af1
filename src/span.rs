//! Spans of time as users write them, and how often something is done while a training runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest span: a hundred years.
const LONGEST: f64 = 100.0 * 366.0 * 86_400.0;

/// A span of time, written `90s`, `30m`, `1.5h` or `2d`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Span(pub Duration);

/// How often something is done at the borders of a training, where its threads have joined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// At the first border after so much time.
    Time(Span),
    /// After so many epochs.
    Epochs(usize),
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        let units = [(86_400.0, 'd'), (3600.0, 'h'), (60.0, 'm')];
        let whole = |(unit, _): &(f64, char)| seconds >= *unit && seconds % unit == 0.0;
        let (unit, name) = units.into_iter().find(whole).unwrap_or((1.0, 's'));
        write!(f, "{}{name}", seconds / unit)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "give a time such as 90s, 30m, 1.5h or 2d".to_string();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let unit = match text[end..].trim() {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(expected()),
        };
        let seconds = text[..end].parse::<f64>().map_err(|_| expected())? * unit;
        if !(seconds > 0.0 && seconds <= LONGEST) {
            return Err(expected());
        }
        Ok(Self(Duration::from_secs_f64(seconds)))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(span) => span.fmt(f),
            Self::Epochs(1) => f.write_str("1-epoch"),
            Self::Epochs(n) => write!(f, "{n}-epochs"),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let epochs = text.strip_suffix("-epochs").or_else(|| text.strip_suffix("-epoch"));
        match epochs.map(str::parse) {
            Some(Ok(n)) if n > 0 => Ok(Self::Epochs(n)),
            Some(_) => Err("give a number of epochs from 1 on, as in 2-epochs".into()),
            None => text.parse().map(Self::Time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        for (text, seconds) in
            [("90s", 90.0), ("30m", 1800.0), ("1.5h", 5400.0), ("2d", 172_800.0), ("0.5s", 0.5)]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0.as_secs_f64(), seconds);
            assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
        assert_eq!("90m".parse::<Span>().unwrap().to_string(), "90m");
        assert_eq!("5 min".parse::<Span>().unwrap().to_string(), "5m");
        for text in ["", "10", "m", "0s", "-1s", "1e400d", "1..2s", "9999999d", "nan s"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!("2-epochs".parse(), Ok(When::Epochs(2)));
        assert_eq!(When::Epochs(1).to_string().parse(), Ok(When::Epochs(1)));
        assert_eq!("10m".parse(), Ok(When::Time(Span(Duration::from_secs(600)))));
        assert!("0-epochs".parse::<When>().is_err() && "x-epochs".parse::<When>().is_err());
    }
}
