//! Errors of the library as exceptions of Python.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyError, PyKeyboardInterrupt, PyOSError, PyRuntimeError, PyValueError,
};
use pyo3::prelude::*;
use wordloom::Error;

/// The exception that stands for an error, with its line.
pub(crate) fn raise(error: &Error) -> PyErr {
    let line = error.to_string();
    match error {
        Error::UnknownWord { .. } => PyKeyError::new_err(line),
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => {
            PyFileNotFoundError::new_err(line)
        }
        Error::Io { .. } => PyOSError::new_err(line),
        Error::Stopped | Error::Paused { .. } => PyKeyboardInterrupt::new_err(line),
        _ => PyValueError::new_err(line),
    }
}

/// What a function of the library returns. A panic, which is always a fault of wordloom, becomes an
/// exception like any other.
pub(crate) fn guarded<T>(call: impl FnOnce() -> wordloom::Result<T>) -> PyResult<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| raise(&error)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            let why = text.unwrap_or("no reason given");
            Err(PyRuntimeError::new_err(format!("a fault of wordloom, please report it: {why}")))
        }
    }
}

/// Panics, for the test that no panic reaches Python as such.
#[pyfunction]
pub(crate) fn panic_on_purpose(py: Python<'_>) -> PyResult<()> {
    py.detach(|| guarded(|| panic!("on purpose")))
}
