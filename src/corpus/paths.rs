//! Paths in JSON: text, or the bytes of a path that is not UTF-8, so that nothing is lost.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes(Vec<u8>),
}

impl Written {
    fn new(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.into()),
            None if cfg!(unix) => Self::Bytes(path.as_os_str().as_encoded_bytes().into()),
            None => Self::Text(path.to_string_lossy().into_owned()),
        }
    }

    fn path(self) -> PathBuf {
        match self {
            Self::Text(text) => text.into(),
            #[cfg(unix)]
            Self::Bytes(bytes) => {
                let name: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(bytes);
                name.into()
            }
            #[cfg(not(unix))]
            Self::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
        }
    }
}

pub(crate) fn serialize<'p, S: Serializer>(
    paths: impl IntoIterator<Item = &'p PathBuf>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.into_iter().map(|path| Written::new(path)))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    let written = Vec::<Written>::deserialize(from)?;
    Ok(written.into_iter().map(Written::path).collect())
}

/// The same for one path.
pub(crate) mod one {
    use super::{Deserialize, Deserializer, Path, PathBuf, Serialize, Serializer, Written};

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        Written::new(path).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Written::deserialize(from).map(Written::path)
    }
}

/// The same for one path that may be missing.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, PathBuf, Serialize, Serializer, Written};

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::corpus) fn serialize<S: Serializer>(
        path: &Option<PathBuf>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_deref().map(Written::new).serialize(to)
    }

    pub(in crate::corpus) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Written>::deserialize(from)?.map(Written::path))
    }
}
