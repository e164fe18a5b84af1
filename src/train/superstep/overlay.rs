//! A store that holds back its changes: those that one worker made to a matrix in a superstep (see
//! [`super`]).

use std::sync::Arc;

use crate::math::Tile;
use crate::memory::{Shared, Store};
use crate::train::superstep::damping::Damping;
use crate::train::superstep::touched::TouchedRows;
/// The number of parts that the rows of a matrix are dealt into.
pub(crate) const PARTS: usize = 8;
/// The number of slots at first. The overlay grows when it needs more.
pub(crate) const SLOTS: usize = 512;
/// Rows are prefetched this many rows ahead.
const AHEAD: usize = 12;
/// No row.
const NONE: u32 = u32::MAX;

/// A matrix, and the changes that one worker made to it. The rows of a bag change alike, so there
/// is one change for each bag. Two bags with the same first row must be the same bag. A worker sees
/// the changes that it made through the same bag. The changes that it made through other bags with
/// rows in common arrive at the end of the step, as do those of other workers.
pub(crate) struct Overlay<'a> {
    shared: &'a Shared,
    damping: Arc<Damping>,
    /// Open addressing: the first row of a bag and its slot, or [`NONE`].
    table: Vec<(u32, u32)>,
    /// The first row of the bag of each slot.
    bags: Vec<u32>,
    /// The change of each slot, which is to be added to every row of the slot's bag.
    changes: Tile,
    /// The rows of all bags, with their slots.
    rows: Vec<(u32, u32)>,
    touched: TouchedRows,
    /// Those of `rows` that other threads may have changed as well, part by part.
    common: [Vec<(u32, u32)>; PARTS],
}

impl<'a> Overlay<'a> {
    /// An overlay without changes. Hot rows will take only their share of the changes, by
    /// `damping`.
    pub(crate) fn new(shared: &'a Shared, damping: Arc<Damping>) -> Self {
        Self {
            shared,
            damping,
            table: vec![(NONE, 0); 2 * SLOTS],
            bags: Vec::new(),
            changes: Tile::new(SLOTS, shared.dim()),
            rows: Vec::new(),
            touched: TouchedRows::default(),
            common: Default::default(),
        }
    }

    /// The place in the table of the bag that begins with `row`, or the free place for it.
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

    /// Gives a new bag a slot.
    #[inline(always)]
    fn enter(&mut self, place: usize, rows: &[u32]) -> usize {
        let slot = self.bags.len();
        self.table[place] = (rows[0], slot as u32);
        self.bags.push(rows[0]);
        for &row in rows {
            self.rows.push((row, slot as u32));
            self.touched.add(row);
        }
        slot
    }

    /// Doubles the number of slots.
    #[cold]
    fn grow(&mut self) {
        self.table = vec![(NONE, 0); 2 * self.table.len()];
        self.changes.grow();
        for slot in 0..self.bags.len() {
            let place = self.place(self.bags[slot]);
            self.table[place] = (self.bags[slot], slot as u32);
        }
    }

    /// The rows that were changed.
    pub(crate) fn touched(&self) -> &TouchedRows {
        &self.touched
    }

    /// Adds to the matrix the changes of rows that are not among those of `others`, and keeps the
    /// rest for [`Self::give`]. It must be called when no worker is at work, by the thread that
    /// learnt, for its workers in their order. `scratch` is two rows of zeros.
    pub(crate) fn settle(&mut self, others: &TouchedRows, scratch: &mut [Vec<f32>; 2]) {
        let Self { rows, common, .. } = self;
        rows.retain(|&(row, slot)| {
            let shared = others.has(row);
            if shared {
                common[row as usize % PARTS].push((row, slot));
            }
            !shared
        });
        self.add_up(&self.rows, scratch);
    }

    /// Adds the changes of a part of the rows that [`Self::settle`] kept. It must be called when
    /// all overlays are settled, by one thread for each part, and for all workers in their order.
    pub(crate) fn give(&self, part: usize, scratch: &mut [Vec<f32>; 2]) {
        self.add_up(&self.common[part], scratch);
    }

    fn add_up(&self, rows: &[(u32, u32)], [zeros, scaled]: &mut [Vec<f32>; 2]) {
        for &(next, _) in rows.iter().take(AHEAD) {
            self.shared.prefetch(&[next]);
        }
        for (i, &(row, slot)) in rows.iter().enumerate() {
            if let Some(&(next, _)) = rows.get(i + AHEAD) {
                self.shared.prefetch(&[next]);
            }
            let change = self.changes.row(slot as usize);
            match self.damping.share(row) {
                Some(share) => {
                    scaled.iter_mut().zip(change).for_each(|(to, x)| *to = share * x);
                    self.shared.add(&[row], scaled, zeros);
                }
                None => self.shared.add(&[row], change, zeros),
            }
        }
    }

    /// Forgets the changes, after they have been added to the matrix.
    pub(crate) fn clear(&mut self) {
        self.table.fill((NONE, 0));
        self.bags.clear();
        self.rows.clear();
        self.touched.clear();
        self.common.iter_mut().for_each(Vec::clear);
    }
}

impl Store for Overlay<'_> {
    fn dim(&self) -> usize {
        self.shared.dim()
    }

    #[inline(always)]
    fn load(&self, rows: &[u32], to: &mut [f32], copy: &mut [f32]) {
        self.shared.load(rows, to, copy);
        let Some(&bag) = rows.first() else { return };
        let (found, slot) = self.table[self.place(bag)];
        if found == bag {
            let n = to.len().min(copy.len());
            let (to, copy, change) =
                (&mut to[..n], &mut copy[..n], &self.changes.row(slot as usize)[..n]);
            for i in 0..n {
                to[i] += change[i];
            }
            copy.copy_from_slice(to);
        }
    }

    #[inline(always)]
    fn add(&mut self, rows: &[u32], now: &[f32], was: &[f32]) {
        let Some(&bag) = rows.first() else { return };
        if 2 * self.bags.len() >= self.table.len() {
            self.grow();
        }
        let n = now.len().min(was.len());
        let (now, was) = (&now[..n], &was[..n]);
        let place = self.place(bag);
        if self.table[place].0 == bag {
            let change = &mut self.changes.row_mut(self.table[place].1 as usize)[..n];
            for i in 0..n {
                change[i] += now[i] - was[i];
            }
        } else {
            let slot = self.enter(place, rows);
            let change = &mut self.changes.row_mut(slot)[..n];
            for i in 0..n {
                change[i] = now[i] - was[i];
            }
        }
    }

    #[inline(always)]
    fn prefetch(&self, rows: &[u32]) {
        self.shared.prefetch_to_read(rows);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::math::Precision;

    /// The rows of bag `bag` of 3000: one to three rows, some of them shared with neighbouring
    /// bags.
    fn rows(bag: u32) -> Vec<u32> {
        (bag..3000.min(bag + 1 + bag % 3)).collect()
    }

    fn loaded(store: &impl Store, rows: &[u32]) -> Vec<f32> {
        let (mut to, mut copy) = (vec![0.0; 16], vec![0.0; 16]);
        store.load(rows, &mut to, &mut copy);
        assert_eq!(to, copy);
        to
    }

    fn none() -> Arc<Damping> {
        Arc::new(Damping::new(&[], 8))
    }

    fn scratch() -> [Vec<f32>; 2] {
        [vec![0.0; 16], vec![0.0; 16]]
    }

    /// Bags, and the numbers that are added to them. The numbers are small and whole, so that sums
    /// are exact in any order.
    fn steps() -> impl Strategy<Value = Vec<(u32, i8)>> {
        prop::collection::vec((0..3000u32, -4..5i8), 1..3000)
    }

    proptest! {
        #[test]
        fn an_overlay_is_a_store_whose_changes_come_later(steps in steps(), others in prop::collection::vec(0..3000u32, 0..99)) {
            let (plain, shared) = (Shared::new(3000, 3, Precision::F32).unwrap(), Shared::new(3000, 3, Precision::F32).unwrap());
            let mut overlay = Overlay::new(&shared, none());
            let mut own = vec![0.0; 3000];
            for &(bag, step) in &steps {
                plain.add(&rows(bag), &[f32::from(step); 16], &[0.0; 16]);
                overlay.add(&rows(bag), &[f32::from(step); 16], &[0.0; 16]);
                own[bag as usize] += f32::from(step);
            }
            for &(bag, _) in &steps {
                prop_assert_eq!(loaded(&overlay, &rows(bag)), vec![own[bag as usize]; 16]);
                prop_assert_eq!(loaded(&&shared, &rows(bag)), vec![0.0; 16]);
            }
            let mut noted = TouchedRows::default();
            for &row in &others {
                noted.add(row);
            }
            overlay.settle(&noted, &mut scratch());
            for &row in &others {
                prop_assert_eq!(loaded(&&shared, &[row]), vec![0.0; 16]);
            }
            (0..PARTS).for_each(|part| overlay.give(part, &mut scratch()));
            overlay.clear();
            for row in 0..3000 {
                prop_assert_eq!(loaded(&&plain, &[row]), loaded(&&shared, &[row]));
                prop_assert_eq!(loaded(&&shared, &[row]), loaded(&overlay, &[row]));
            }
        }
    }

    #[test]
    fn a_hot_row_takes_a_share() {
        let shared = Shared::new(2, 3, Precision::F32).unwrap();
        let mut overlay = Overlay::new(&shared, Arc::new(Damping::new(&[32.0, 1.0], 8)));
        overlay.add(&[0, 1], &[4.0; 16], &[0.0; 16]);
        assert_eq!(loaded(&overlay, &[0, 1]), [4.0; 16]);
        overlay.settle(&TouchedRows::default(), &mut scratch());
        assert_eq!(
            (loaded(&&shared, &[0]), loaded(&&shared, &[1])),
            (vec![2.0; 16], vec![4.0; 16])
        );
    }
}
