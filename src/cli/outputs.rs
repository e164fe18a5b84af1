//! The check that all commands make of the files that they are to write, before anything is done.

use std::path::{Path, PathBuf};

use wordloom::{Error, Result, Staged};

/// Fails unless all of `outputs` can be written. They must be different files, and none may be one
/// of `inputs`.
pub(crate) fn check(outputs: &[&Path], inputs: &[PathBuf]) -> Result<()> {
    let refused = |path: &Path, problem: &str| {
        Err(Error::Input { path: path.into(), problem: problem.into() })
    };
    for (i, output) in outputs.iter().enumerate() {
        Staged::check(output)?;
        if outputs[..i].iter().any(|other| same_place(output, other)) {
            return refused(output, "is named for two outputs: give two names");
        }
        let Ok(place) = output.canonicalize() else { continue };
        if inputs.iter().any(|input| input.canonicalize().is_ok_and(|input| input == place)) {
            return refused(output, "is an input too: give another name to write to");
        }
    }
    Ok(())
}

/// Whether two names stand for the same file, which need not exist.
fn same_place(a: &Path, b: &Path) -> bool {
    let folder = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new(".")).canonicalize().ok()
    };
    let same_name = a.file_name() == b.file_name() && folder(a).is_some() && folder(a) == folder(b);
    let target = a.canonicalize().ok();
    a == b || same_name || target.is_some() && target == b.canonicalize().ok()
}
