//! What the fuzz targets share. Any bytes are something that a reader takes, or an error: never a
//! panic, a long wait, or much memory.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use wordloom::format::{self, Format};
use wordloom::{Embeddings, Mapped};

/// A folder for files that a reader opens by their paths. It is in memory where the system has such
/// a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = Path::new("/dev/shm");
    let folder = if shared.is_dir() { shared.into() } else { std::env::temp_dir() };
    let folder = folder.join(format!("wordloom-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the input");
    folder
});

/// Calls `read` with the path of a file that holds `input`, and that of a folder to write to.
pub fn with_file(input: &[u8], read: impl FnOnce(&Path, &Path)) {
    let path = FOLDER.join("input");
    std::fs::write(&path, input).expect("the input as a file");
    read(&path, &FOLDER);
}

/// Reads `input` as a model if its format is called `name`.
pub fn model(name: &str, input: &[u8]) {
    if Format::of_content(input).is_none_or(|format| format.name() != name) {
        return;
    }
    if let Ok(model) = format::parse(Path::new("fuzzed"), &Mapped::from(input)) {
        check(&model);
    }
}

/// Uses what was read as queries do.
pub fn check(model: &Embeddings) {
    assert_eq!(model.input().len(), model.vocab.len() * model.dim());
    for id in 0..model.vocab.len().min(10) as u32 {
        let _ = (model.vocab.text(id), model.vector(id));
        let _ = model.vocab.id(model.vocab.word(id));
    }
    for word in ["a", "unseen", "", "言葉"] {
        let _ = (model.find(word), model.vocab.near(word, 3));
    }
    let _ = model.without_not_finite();
}
