//! Moments as files of events have them.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{Timestamp, fmt::strtime};
use serde::{Deserialize, Serialize};

/// Microseconds in a second.
const SECOND: f64 = 1e6;
/// A number from here on counts milliseconds (from 1973 on), microseconds or nanoseconds, and no
/// seconds (up to the year 5138).
const MILLISECONDS: f64 = 1e11;

/// A moment, in microseconds since 1970. Times without a zone are in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Moment(pub i64);

impl Moment {
    /// The moment that a text names in a format of `strftime`.
    pub(super) fn parse(format: &str, text: &str) -> Option<Self> {
        let parts = strtime::parse(format, text).ok()?;
        let moment = if parts.offset().is_some() { parts.to_timestamp().ok() } else { None };
        let moment = moment.or_else(|| {
            let at = parts.to_datetime().or_else(|_| parts.to_date().map(DateTime::from)).ok()?;
            utc(at)
        });
        moment.map(|at| Self(at.as_microsecond()))
    }
}

/// A moment in UTC.
fn utc(at: DateTime) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(at).ok()
}

impl FromStr for Moment {
    type Err = String;

    /// A number of seconds, milliseconds, microseconds or nanoseconds since 1970, by its size, or a
    /// date, perhaps with a time and a zone, as in ISO 8601.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "'{text}' is no time: a number of seconds or milliseconds since 1970, or like \
                 2011-12-09 12:50"
            )
        };
        if let Some(mut seconds) = text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            while seconds.abs() >= MILLISECONDS {
                seconds /= 1000.0;
            }
            return Ok(Self((seconds * SECOND).round() as i64));
        }
        let zoned = text.parse::<Timestamp>().ok();
        let moment = zoned.or_else(|| text.parse::<DateTime>().ok().and_then(utc));
        moment.map(|at| Self(at.as_microsecond())).ok_or_else(expected)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}", self.0 as f64 / SECOND),
        }
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_files_write_them() {
        let noon = Moment(1_323_435_000_000_000);
        for text in [
            "1323435000",
            "1323435000.0",
            "1323435000000",
            "1323435000000000",
            "1323435000000000000",
            "2011-12-09 12:50",
            "2011-12-09T12:50:00",
            "2011-12-09T12:50:00Z",
            "2011-12-09T13:50:00+01:00",
        ] {
            assert_eq!(text.parse(), Ok(noon), "{text}");
        }
        assert_eq!("2011-12-09".parse::<Moment>().unwrap().to_string(), "2011-12-09T00:00:00Z");
        assert_eq!("7".parse(), Ok(Moment(7_000_000)));
        assert_eq!(noon.to_string().parse(), Ok(noon));
        for text in ["", "noon", "12/9/2011 12:50", "inf", "NaN", "2011-13-09"] {
            assert!(text.parse::<Moment>().is_err(), "{text}");
        }
        assert_eq!(Moment::parse("%m/%d/%Y %H:%M", "12/9/2011 12:50"), Some(noon));
        assert_eq!(
            Moment::parse("%d.%m.%Y", "9.12.2011").map(|at| at.0),
            Some(noon.0 - 46_200_000_000)
        );
        assert_eq!(Moment::parse("%m/%d/%Y %H:%M", "2011-12-09"), None);
        assert_eq!(Moment::parse("%Y-%m-%d %H:%M %z", "2011-12-09 13:50 +0100"), Some(noon));
    }
}
