//! What counting knows of items: how often they are taken, and which are taken near to each other.

use std::cmp::Ordering;

use rayon::prelude::*;

/// In longer sessions not all pairs of items are counted.
const TOGETHER: usize = 3000;

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

/// Pairs of items with numbers, which are added up now and then, so that pairs that occur often take
/// no more room than others.
#[derive(Default)]
struct Pairs {
    /// The first item in the upper half, and the other in the lower. Those that were added up rise.
    summed: Vec<(u64, u32)>,
    fresh: Vec<u64>,
}

impl Pairs {
    /// So many pairs are added up at a time.
    const FRESH: usize = 1 << 24;

    fn push(&mut self, item: u32, other: u32) {
        self.fresh.push(u64::from(item) << 32 | u64::from(other));
        if self.fresh.len() == Self::FRESH {
            self.sum();
        }
    }

    fn sum(&mut self) {
        self.fresh.par_sort_unstable();
        let new = self.fresh.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32));
        self.summed.extend(new);
        self.summed.sort_by_key(|&(pair, _)| pair);
        self.summed.dedup_by(|second, first| {
            let same = first.0 == second.0;
            first.1 += if same { second.1 } else { 0 };
            same
        });
        self.fresh.clear();
    }

    /// The pairs of `items` items.
    fn rows(mut self, items: usize) -> Rows {
        self.sum();
        let mut ends = vec![0; items];
        for (place, (pair, _)) in self.summed.iter().enumerate() {
            ends[(pair >> 32) as usize] = place + 1;
        }
        let mut last = 0;
        for end in &mut ends {
            last = last.max(*end);
            *end = last;
        }
        let others = self.summed.iter().map(|&(pair, n)| (pair as u32, f64::from(n))).collect();
        Rows { ends, others }
    }
}

impl Rows {
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
        let mut pairs = Pairs::default();
        for session in &self.sessions {
            for (at, &item) in session.iter().enumerate() {
                for &next in session[at + 1..].iter().take(window) {
                    pairs.push(item, next);
                    if both {
                        pairs.push(next, item);
                    }
                }
            }
        }
        pairs.rows(self.counts.len())
    }

    /// The cosines of items, each of which is a vector that has 1 for each session with it. Of a
    /// session only the last [`TOGETHER`] items count.
    pub(super) fn alike(&self) -> Rows {
        let mut pairs = Pairs::default();
        let mut sessions = vec![0u64; self.counts.len()];
        for session in &self.sessions {
            let mut items = session[session.len().saturating_sub(TOGETHER)..].to_vec();
            items.sort_unstable();
            items.dedup();
            for &a in &items {
                sessions[a as usize] += 1;
                for &b in &items {
                    pairs.push(a, b);
                }
            }
        }
        let mut rows = pairs.rows(self.counts.len());
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
