//! Work that is done in pieces on all threads, and whose results are taken one after the other.

use rayon::prelude::*;

use crate::error::Result;

/// Makes something of each item on all threads, and takes what was made in the order of the items.
/// While some is taken, the next is made.
///
/// # Errors
/// What `take` returns; no more is taken then.
pub(super) fn in_turn<I: Send, T: Send>(
    mut items: impl Iterator<Item = I>,
    make: impl Fn(I) -> T + Sync,
    mut take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let mut made: Vec<T> = Vec::new();
    loop {
        let some: Vec<I> = items.by_ref().take(2 * rayon::current_num_threads()).collect();
        if some.is_empty() && made.is_empty() {
            return Ok(());
        }
        let (taken, next) = rayon::join(
            || made.drain(..).try_for_each(&mut take),
            || some.into_par_iter().map(&make).collect(),
        );
        taken?;
        made = next;
    }
}
