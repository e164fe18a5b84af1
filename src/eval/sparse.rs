//! Rows of few numbers that are not zero, as the counts of words in documents are.

/// Rows that name the columns in which they have a number.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseRows {
    columns: usize,
    /// Where each row ends.
    ends: Vec<usize>,
    cells: Vec<(u32, f32)>,
}

impl SparseRows {
    /// No rows, of `columns` columns.
    pub fn new(columns: usize) -> Self {
        Self { columns, ends: Vec::new(), cells: Vec::new() }
    }

    /// Adds a row: its columns, which rise, and their numbers.
    ///
    /// # Panics
    /// When columns do not rise, or are more than there are.
    pub fn push(&mut self, row: &[(u32, f32)]) {
        assert!(row.is_sorted_by(|a, b| a.0 < b.0), "columns rise");
        assert!(row.last().is_none_or(|last| (last.0 as usize) < self.columns));
        self.cells.extend_from_slice(row);
        self.ends.push(self.cells.len());
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A row.
    pub fn row(&self, row: usize) -> &[(u32, f32)] {
        &self.cells[row.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[row]]
    }

    /// Some of the rows, in this order.
    #[must_use]
    pub fn select(&self, rows: impl IntoIterator<Item = usize>) -> Self {
        let mut some = Self::new(self.columns);
        rows.into_iter().for_each(|row| some.push(self.row(row)));
        some
    }

    /// The cosine of two rows; 0 if one has no number.
    pub fn cosine(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (self.row(a), self.row(b));
        let length =
            |row: &[(u32, f32)]| row.iter().map(|cell| f64::from(cell.1).powi(2)).sum::<f64>();
        let (mut i, mut j, mut product) = (0, 0, 0.0);
        while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
            if x.0 == y.0 {
                product += f64::from(x.1) * f64::from(y.1);
            }
            (i, j) = (i + usize::from(x.0 <= y.0), j + usize::from(y.0 <= x.0));
        }
        let lengths = (length(a) * length(b)).sqrt();
        if lengths > 0.0 { product / lengths } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_selected_and_compared() {
        let mut rows = SparseRows::new(5);
        for row in [&[(0, 3.0), (2, 4.0)][..], &[], &[(2, 2.0), (4, 0.0)], &[(1, 1.0)]] {
            rows.push(row);
        }
        assert!((rows.cosine(0, 2) - 0.8).abs() < 1e-9);
        assert_eq!((rows.cosine(0, 3), rows.cosine(0, 1)), (0.0, 0.0));
        let some = rows.select([2, 0]);
        assert_eq!((some.len(), some.row(1)), (2, rows.row(0)));
        assert!((some.cosine(0, 1) - 0.8).abs() < 1e-9);
    }
}
