//! What a transformer begins with: for each token the sum of its vector, that of its position, and
//! that of its segment.

use super::{Role, Roles, Weights};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};

/// The tables that are added up.
pub struct InputTables {
    /// A vector for each token.
    pub token: Embeddings,
    /// A vector for each position, and the row of position 0; `None` where positions are rotated
    /// into attention.
    pub position: Option<(Embeddings, usize)>,
    /// A vector for each segment.
    pub segment: Option<Embeddings>,
}

/// The vectors of one token, and their sum.
#[derive(Clone, Debug, PartialEq)]
pub struct InputVector {
    /// The row of the token.
    pub token: Vec<f32>,
    /// The vector of its position.
    pub position: Option<Vec<f32>>,
    /// The vector of its segment.
    pub segment: Option<Vec<f32>>,
    /// The sum of these.
    pub sum: Vec<f32>,
}

impl InputTables {
    /// The tables of a model.
    ///
    /// # Errors
    /// A model without a token matrix, or with tables of other dimensions.
    pub fn of(weights: &Weights) -> Result<Self> {
        let roles = Roles::of(weights);
        let table = |role: Role| roles.get(role).map(|_| weights.table(role.name())).transpose();
        let token = weights.table(Role::Token.name())?;
        let position = table(Role::Position)?.map(|table| (table, roles.offset));
        let segment = table(Role::Segment)?;
        let all = [position.as_ref().map(|(table, _)| table), segment.as_ref()];
        if all.into_iter().flatten().any(|table| table.dim() != token.dim()) {
            let problem = "has tables of several dimensions, which can't be added";
            return Err(Error::input(&weights.path, problem));
        }
        Ok(Self { token, position, segment })
    }

    /// The vectors of tokens, the first of which is at position 0, and all of which are of one
    /// `segment`.
    ///
    /// # Errors
    /// [`Error::Refused`] for a token, a position or a segment without a row.
    pub fn vectors(&self, ids: &[u32], segment: u32) -> Result<Vec<InputVector>> {
        let row = |table: &Embeddings, row: usize, what: &str, number: usize| {
            if row < table.vocab.len() {
                return Ok(table.vector(row as u32).to_vec());
            }
            let last = (table.vocab.len() - 1).saturating_sub(row - number);
            Err(Error::Refused(format!("no {what} {number}: the last is {last}")))
        };
        let vector = |(place, &id): (usize, &u32)| {
            let token = row(&self.token, id as usize, "token", id as usize)?;
            let position = self.position.as_ref();
            let position = position.map(|(table, offset)| {
                row(table, place.saturating_add(*offset), "position", place)
            });
            let segment = segment as usize;
            let segment =
                self.segment.as_ref().map(|table| row(table, segment, "segment", segment));
            let (position, segment) = (position.transpose()?, segment.transpose()?);
            let mut sum = token.clone();
            for other in [&position, &segment].into_iter().flatten() {
                sum.iter_mut().zip(other).for_each(|(sum, x)| *sum += x);
            }
            Ok(InputVector { token, position, segment, sum })
        };
        ids.iter().enumerate().map(vector).collect()
    }
}
