//! The compiled part of the Python package `wordloom`. Vectors go to NumPy as views of the memory
//! that they are in, by its array interface; what comes from NumPy comes as bytes. The names and
//! habits of Python are in `python/wordloom`.

#![expect(clippy::needless_pass_by_value, reason = "what comes from Python comes as values")]

mod errors;
mod judge;
mod model;
mod pool;
mod texts;
mod train;

/// The module `wordloom._wordloom`.
#[pyo3::pymodule]
mod _wordloom {
    #[pymodule_export]
    use crate::errors::panic_on_purpose;
    #[pymodule_export]
    use crate::judge::{compare, evaluate};
    #[pymodule_export]
    use crate::model::{Model, Rows};
    #[pymodule_export]
    use crate::texts::{embed, infer, recommend};
    #[pymodule_export]
    use crate::train::{methods, train};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
