//! Training that gives the same bytes for any number of threads: supersteps.
//!
//! The work is dealt to [`WORKERS`] logical workers, whatever the number of threads. In a superstep each of them learns a
//! piece of the corpus on the matrix as it stood at the beginning of the step, and keeps what it changes to itself, in an
//! [`Overlay`]. Then the changes are added to the matrix, row by row, in the order of the workers. No row is written while
//! another thread reads it, so nothing depends on who was faster. (Bulk-synchronous parallelism: Valiant 1990, "A
//! Bridging Model for Parallel Computation".) What it costs and what it gives is in `docs/design/0011-supersteps.md`.

use std::sync::Arc;

use super::hogwild::Shared;
use super::store::Store;
use crate::kernel::Tile;

/// Logical workers. More threads than these are of no use.
pub const WORKERS: usize = 8;
/// Parts that rows are dealt into for adding up: each part is one thread's at a time.
pub const OWNERS: usize = 8;
/// Rows are asked for so many ahead.
const AHEAD: usize = 6;
/// Rows that an overlay has room for at first; it grows.
pub const ROWS: usize = 1024;
/// No row.
const NONE: u32 = u32::MAX;

/// The tokens of a worker's piece, for a corpus of `tokens`: so many that a step is worth its barrier, so few that what
/// workers don't know of each other stays small beside the corpus, and what they change stays in the cache. Bags of `rows` rows
/// change more.
pub fn piece(tokens: usize, rows: usize) -> usize {
    ((tokens / 4096).clamp(64, 512) / rows.isqrt()).max(32)
}

/// Rows that are met more often than this in a step, by all workers together, are hot: the sum of what workers learn of
/// them, each without knowing of the others, overshoots, and training diverges.
const HOT: f64 = 16.0;

/// Which share of the sum of all workers' changes a row takes that is met `visits` times in a step: all of it up to
/// `HOT`, less above, and their mean at the least.
pub fn share(visits: f64) -> f32 {
    (HOT / visits).clamp(1.0 / WORKERS as f64, 1.0) as f32
}

/// A matrix and what one worker changed of it in this step.
pub struct Overlay<'a> {
    shared: &'a Shared,
    /// The [`share`] of each row; 1 for those beyond the end.
    shares: Arc<[f32]>,
    /// Open addressing: a row and its slot, or [`NONE`].
    table: Vec<(u32, u32)>,
    /// What is to be added to the row of each slot.
    changes: Tile,
    /// The rows of each owner, with their slots, as they came.
    owned: [Vec<(u32, u32)>; OWNERS],
    rows: usize,
}

impl<'a> Overlay<'a> {
    /// Nothing changed yet.
    pub fn new(shared: &'a Shared, shares: Arc<[f32]>) -> Self {
        let changes = Tile::new(ROWS, shared.dim());
        Self { shared, shares, table: vec![(NONE, 0); 2 * ROWS], changes, owned: Default::default(), rows: 0 }
    }

    /// Where `row` is in the table, or would be.
    #[inline(always)]
    fn place(&self, row: u32) -> usize {
        let mask = self.table.len() - 1;
        // Fibonacci hashing: the upper bits of a product are the mixed ones.
        let mut place = (u64::from(row).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.table[place].0 != row && self.table[place].0 != NONE {
            place = (place + 1) & mask;
        }
        place
    }

    /// What was changed of `row`, if anything.
    #[inline(always)]
    fn change(&self, row: u32) -> Option<&[f32]> {
        let (found, slot) = self.table[self.place(row)];
        (found == row).then(|| self.changes.row(slot as usize))
    }

    /// Gives a new row a slot.
    #[inline(always)]
    fn enter(&mut self, place: usize, row: u32) -> usize {
        let slot = self.rows;
        self.rows += 1;
        self.table[place] = (row, slot as u32);
        self.owned[row as usize % OWNERS].push((row, slot as u32));
        slot
    }

    /// Doubles the room.
    #[cold]
    fn grow(&mut self) {
        self.table = vec![(NONE, 0); 2 * self.table.len()];
        self.changes.grow();
        for at in 0..OWNERS {
            for i in 0..self.owned[at].len() {
                let (row, slot) = self.owned[at][i];
                let place = self.place(row);
                self.table[place] = (row, slot);
            }
        }
    }

    /// Adds the changes of the rows of `owner` to the matrix. To be called when no worker is at work, by one thread for an
    /// owner, and for the workers in their order. `scratch` is two rows of zeros.
    pub fn give(&self, owner: usize, [zeros, scaled]: &mut [Vec<f32>; 2]) {
        let owned = &self.owned[owner];
        for (i, &(row, slot)) in owned.iter().enumerate() {
            if let Some(&(next, _)) = owned.get(i + AHEAD) {
                self.shared.prefetch(&[next]);
            }
            let change = self.changes.row(slot as usize);
            match self.shares.get(row as usize) {
                Some(&share) if share < 1.0 => {
                    scaled.iter_mut().zip(change).for_each(|(to, x)| *to = share * x);
                    self.shared.add(&[row], scaled, zeros);
                }
                _ => self.shared.add(&[row], change, zeros),
            }
        }
    }

    /// Forgets the changes, which were given away.
    pub fn clear(&mut self) {
        self.table.fill((NONE, 0));
        self.owned.iter_mut().for_each(Vec::clear);
        self.rows = 0;
    }
}

impl Store for Overlay<'_> {
    fn dim(&self) -> usize {
        self.shared.dim()
    }

    #[inline(always)]
    fn load(&self, rows: &[u32], to: &mut [f32], too: &mut [f32]) {
        self.shared.load(rows, to, too);
        let (share, n) = (1.0 / rows.len() as f32, to.len().min(too.len()));
        let (to, too) = (&mut to[..n], &mut too[..n]);
        let mut changed = false;
        for &row in rows {
            let Some(change) = self.change(row) else { continue };
            let change = &change[..n];
            for i in 0..n {
                to[i] += share * change[i];
            }
            changed = true;
        }
        if changed {
            too.copy_from_slice(to);
        }
    }

    #[inline(always)]
    fn add(&mut self, rows: &[u32], now: &[f32], was: &[f32]) {
        let n = now.len().min(was.len());
        let (now, was) = (&now[..n], &was[..n]);
        for &row in rows {
            if 2 * self.rows >= self.table.len() {
                self.grow();
            }
            let place = self.place(row);
            if self.table[place].0 == row {
                let change = &mut self.changes.row_mut(self.table[place].1 as usize)[..n];
                for i in 0..n {
                    change[i] += now[i] - was[i];
                }
            } else {
                let slot = self.enter(place, row);
                let change = &mut self.changes.row_mut(slot)[..n];
                for i in 0..n {
                    change[i] = now[i] - was[i];
                }
            }
        }
    }

    #[inline(always)]
    fn prefetch(&self, rows: &[u32]) {
        self.shared.prefetch_to_read(rows);
    }

    #[inline(always)]
    fn prefetch_far(&self, rows: &[u32]) {
        self.shared.prefetch_far(rows);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loaded(store: &impl Store, rows: &[u32]) -> Vec<f32> {
        let (mut to, mut too) = (vec![0.0; 16], vec![0.0; 16]);
        store.load(rows, &mut to, &mut too);
        assert_eq!(to, too);
        to
    }

    proptest! {
        #[test]
        fn an_overlay_is_a_store_whose_changes_come_later(
            steps in prop::collection::vec((prop::collection::vec(0..3000u32, 1..4), -4..5i8), 1..3000)
        ) {
            let (plain, shared) = (Shared::new(3000, 3).unwrap(), Shared::new(3000, 3).unwrap());
            let mut overlay = Overlay::new(&shared, [].into());
            for (rows, step) in &steps {
                // Small whole numbers: sums are exact in any order.
                let now = [f32::from(*step); 16];
                plain.add(rows, &now, &[0.0; 16]);
                overlay.add(rows, &now, &[0.0; 16]);
            }
            for (rows, _) in &steps {
                prop_assert_eq!(loaded(&&plain, &rows[..1]), loaded(&overlay, &rows[..1]));
                prop_assert_eq!(loaded(&&shared, rows), vec![0.0; 16]);
            }
            let mut scratch = [vec![0.0; 16], vec![0.0; 16]];
            (0..OWNERS).for_each(|owner| overlay.give(owner, &mut scratch));
            overlay.clear();
            for (rows, _) in &steps {
                prop_assert_eq!(loaded(&&plain, &rows[..1]), loaded(&&shared, &rows[..1]));
                prop_assert_eq!(loaded(&&shared, rows), loaded(&overlay, rows));
            }
        }
    }

    #[test]
    fn a_hot_row_takes_a_share() {
        assert_eq!([0.0, 10.0, 16.0, 32.0, 1e9].map(share), [1.0, 1.0, 1.0, 0.5, 0.125]);
        let shared = Shared::new(2, 3).unwrap();
        let mut overlay = Overlay::new(&shared, [0.5].into());
        overlay.add(&[0, 1], &[4.0; 16], &[0.0; 16]);
        assert_eq!(loaded(&overlay, &[0]), [4.0; 16]);
        (0..OWNERS).for_each(|owner| overlay.give(owner, &mut [vec![0.0; 16], vec![0.0; 16]]));
        assert_eq!((loaded(&&shared, &[0]), loaded(&&shared, &[1])), (vec![2.0; 16], vec![4.0; 16]));
    }

    #[test]
    fn pieces_are_small_beside_the_corpus() {
        assert_eq!(piece(1 << 30, 16), 128);
        assert_eq!([100, 400_000, 1 << 30].map(|tokens| piece(tokens, 1)), [64, 97, 512]);
    }
}
