//! What counting knows of items: how often they are taken, and which are taken near to each other.

use std::cmp::Ordering;

/// Counts of items in sessions.
pub(super) struct Transitions {
    /// The sessions that are learnt.
    sessions: Vec<Vec<u32>>,
    /// How often each item is learnt.
    counts: Vec<u64>,
    /// The items that are learnt, the most frequent first; of equal ones the first.
    order: Vec<u32>,
}

/// For each item the others that go with it, and how much. The others rise.
pub(super) struct Rows {
    ends: Vec<usize>,
    others: Vec<(u32, f64)>,
}

/// Where an answer is in a list, and the list.
pub(super) struct Ranked {
    pub(super) rank: f64,
    pub(super) list: Vec<u32>,
}

impl Rows {
    /// Adds up what pairs of items have.
    fn new(items: usize, mut pairs: Vec<(u32, u32, f64)>) -> Self {
        pairs.sort_unstable_by_key(|&(a, b, _)| (a, b));
        let (mut ends, mut others) = (vec![0; items], Vec::<(u32, f64)>::new());
        for same in pairs.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let (item, other, _) = same[0];
            others.push((other, same.iter().map(|pair| pair.2).sum()));
            ends[item as usize] = others.len();
        }
        let mut last = 0;
        for end in &mut ends {
            last = last.max(*end);
            *end = last;
        }
        Self { ends, others }
    }

    /// The others of an item, which rise.
    pub(super) fn of(&self, item: u32) -> &[(u32, f64)] {
        let begin = if item == 0 { 0 } else { self.ends[item as usize - 1] };
        &self.others[begin..self.ends[item as usize]]
    }
}

impl Transitions {
    /// Counts sessions of `items` items.
    pub(super) fn new<'s>(items: usize, sessions: impl Iterator<Item = &'s [u32]>) -> Self {
        let sessions: Vec<Vec<u32>> = sessions.map(<[u32]>::to_vec).collect();
        let mut counts = vec![0; items];
        sessions.iter().flatten().for_each(|&item| counts[item as usize] += 1);
        let mut order: Vec<u32> =
            (0..items as u32).filter(|&item| counts[item as usize] > 0).collect();
        order.sort_by(|&a, &b| counts[b as usize].cmp(&counts[a as usize]).then(a.cmp(&b)));
        Self { sessions, counts, order }
    }

    /// How often an item is learnt.
    pub(super) fn count(&self, item: u32) -> u64 {
        self.counts[item as usize]
    }

    /// The number of items that are learnt.
    pub(super) fn known(&self) -> usize {
        self.order.len()
    }

    /// How often items are taken within `window` of each other: behind, or on `both` sides.
    pub(super) fn counts(&self, window: usize, both: bool) -> Rows {
        let mut pairs = Vec::new();
        for session in &self.sessions {
            for (at, &item) in session.iter().enumerate() {
                for &next in session[at + 1..].iter().take(window) {
                    pairs.push((item, next, 1.0));
                    if both {
                        pairs.push((next, item, 1.0));
                    }
                }
            }
        }
        Rows::new(self.counts.len(), pairs)
    }

    /// The cosines of items, each of which is a vector that has 1 for each session with it.
    pub(super) fn alike(&self) -> Rows {
        let mut pairs = Vec::new();
        let mut sessions = vec![0u64; self.counts.len()];
        for session in &self.sessions {
            let mut items = session.clone();
            items.sort_unstable();
            items.dedup();
            for &a in &items {
                sessions[a as usize] += 1;
                pairs.extend(items.iter().map(|&b| (a, b, 1.0)));
            }
        }
        let mut rows = Rows::new(self.counts.len(), pairs);
        let mut begin = 0;
        for (item, &end) in rows.ends.iter().enumerate() {
            for (other, shared) in &mut rows.others[begin..end] {
                *shared /= (sessions[item] as f64 * sessions[*other as usize] as f64).sqrt();
            }
            begin = end;
        }
        rows
    }

    /// The list by the scores of some items, which rise, and of equal ones by how often they are
    /// taken; behind it are all others. It has no item that was `seen`.
    pub(super) fn list(
        &self,
        scored: &[(u32, f64)],
        answer: u32,
        seen: &[u32],
        k: usize,
    ) -> Ranked {
        let allowed = |item: &u32| !seen.contains(item);
        let mut first: Vec<(u32, f64)> =
            scored.iter().filter(|(item, _)| allowed(item)).copied().collect();
        first.sort_by(|a, b| self.compare(a, b).then(a.0.cmp(&b.0)));
        let in_first = |item: &u32| scored.binary_search_by_key(item, |&(other, _)| other).is_ok();
        let mut list: Vec<u32> = first.iter().take(k).map(|&(item, _)| item).collect();
        let rest = self.order.iter().filter(|item| !in_first(item) && allowed(item));
        list.extend(rest.take(k - list.len()));
        Ranked { rank: self.rank(scored, &first, answer, seen), list }
    }

    /// How two scored items are ordered: the higher score first, then what is taken more often.
    fn compare(&self, a: &(u32, f64), b: &(u32, f64)) -> Ordering {
        b.1.total_cmp(&a.1).then(self.count(b.0).cmp(&self.count(a.0)))
    }

    fn rank(&self, scored: &[(u32, f64)], first: &[(u32, f64)], answer: u32, seen: &[u32]) -> f64 {
        if self.count(answer) == 0 {
            return f64::INFINITY;
        }
        if let Some(found) = first.iter().find(|(item, _)| *item == answer) {
            let of = |wanted: Ordering| {
                first.iter().filter(|&other| self.compare(other, found) == wanted).count() as f64
            };
            return 1.0 + of(Ordering::Less) + (of(Ordering::Equal) - 1.0) / 2.0;
        }
        // Behind all that is scored, by how often items are taken. Those that were seen or scored are
        // no longer among these.
        let count = self.count(answer);
        let above = self.order.partition_point(|&item| self.count(item) > count);
        let equal = self.order.partition_point(|&item| self.count(item) >= count) - above;
        let mut gone: Vec<u32> =
            scored.iter().map(|&(item, _)| item).chain(seen.to_vec()).collect();
        gone.sort_unstable();
        gone.dedup();
        let gone_of = |wanted: Ordering| {
            gone.iter().filter(|&&item| self.count(item).cmp(&count) == wanted).count()
        };
        let above = above - gone_of(Ordering::Greater);
        let equal = equal - gone_of(Ordering::Equal);
        1.0 + (first.len() + above) as f64 + (equal as f64 - 1.0) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Lists and ranks are those of a list of all items that is sorted as a whole.
        #[test]
        fn lists_are_those_of_all_items(
            sessions in prop::collection::vec(prop::collection::vec(0u32..9, 1..7), 1..9),
            answer in 0u32..9,
            last in 0u32..9,
            k in 1usize..6,
        ) {
            prop_assume!(answer != last);
            let t = Transitions::new(9, sessions.iter().map(Vec::as_slice));
            let near = |item: u32, window: usize, both: bool| {
                let mut n = 0.0;
                for session in &sessions {
                    for i in 0..session.len() {
                        for j in 0..session.len() {
                            let forward = i < j && j - i <= window;
                            let backward = both && j < i && i - j <= window;
                            if session[i] == last && session[j] == item && (forward || backward) {
                                n += 1.0;
                            }
                        }
                    }
                }
                n
            };
            let has = |session: &Vec<u32>, item| f64::from(u8::from(session.contains(&item)));
            let together = |a, b| sessions.iter().map(|s| has(s, a) * has(s, b)).sum::<f64>();
            let cosine = |item: u32| {
                let both = together(item, last);
                if both == 0.0 { 0.0 } else { both / (together(item, item) * together(last, last)).sqrt() }
            };
            let scores = |of: &dyn Fn(u32) -> f64| (0..9).map(of).collect::<Vec<f64>>();
            let methods = [
                (t.counts(1, false), scores(&|item| near(item, 1, false))),
                (t.counts(1, true), scores(&|item| near(item, 1, true))),
                (t.counts(5, true), scores(&|item| near(item, 5, true))),
                (t.alike(), scores(&cosine)),
            ];
            for (rows, scores) in &methods {
                let mut all: Vec<(u32, f64, u64)> = (0..9)
                    .filter(|&item| item != last && t.count(item) > 0)
                    .map(|item| (item, scores[item as usize], t.count(item)))
                    .collect();
                all.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.cmp(&a.2)).then(a.0.cmp(&b.0)));
                let Ranked { rank, list } = t.list(rows.of(last), answer, &[last], k);
                let expected: Vec<u32> = all.iter().take(k).map(|item| item.0).collect();
                prop_assert_eq!(list, expected);
                let mean = all.iter().find(|item| item.0 == answer).map(|found| {
                    let same = |other: &&(u32, f64, u64)| (other.1, other.2) == (found.1, found.2);
                    let first = all.iter().position(|other| same(&other)).unwrap();
                    1.0 + first as f64 + (all.iter().filter(same).count() as f64 - 1.0) / 2.0
                });
                prop_assert_eq!(rank, mean.unwrap_or(f64::INFINITY));
            }
        }
    }
}
