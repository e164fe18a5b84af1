//! The threads that answer questions.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use wordloom::train::pool;

use crate::errors::guarded;

/// The threads of a process, by its number. A process that Python forked has none of its parent's
/// threads, and would wait for them without end.
static POOL: Mutex<Option<(u32, Arc<rayon::ThreadPool>)>> = Mutex::new(None);

/// What a function of the library returns that works with all threads of this process.
pub(crate) fn pooled<T: Send>(call: impl FnOnce() -> wordloom::Result<T> + Send) -> PyResult<T> {
    guarded(|| {
        let own = std::process::id();
        let mut known = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = match &*known {
            Some((process, threads)) if *process == own => threads.clone(),
            _ => {
                let threads = Arc::new(pool(None)?);
                // The parent's threads can't be ended from here.
                std::mem::forget(known.replace((own, threads.clone())));
                threads
            }
        };
        drop(known);
        threads.install(call)
    })
}
