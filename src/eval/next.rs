//! Which item comes next: the last item of each session is hidden, and all items are ranked by what
//! came before it. Counts of items are ranked beside vectors, since they are hard to beat (Ludewig &
//! Jannach 2018, "Evaluation of Session-based Recommendation Algorithms").
//!
//! All items are ranked, and none is drawn at random, since that changes which method is best
//! (Krichene & Rendle 2020, "On Sampled Metrics for Item Recommendation").
//!
//! This file is over 300 lines because what is asked, how it is ranked and how that is scored stand
//! together.

use rayon::prelude::*;
use serde::Serialize;

use super::score::{Difference, Score, differences};
use super::transitions::{Ranked, Rows, Transitions};
use crate::embeddings::Embeddings;
use crate::error::{Error, Result};
use crate::query::{Asked, Recommender, Scoring};
use crate::sessions::{Moment, Sessions};
use crate::stats::{Clusters, Draw, Statistic, bootstrap, interval};

/// Sessions are scored in turn: so many scores are kept, but those of one at least.
const SCORES: usize = 1 << 24;

/// What is asked of sessions.
#[derive(Clone, Copy, Debug)]
pub struct NextOptions {
    /// The items at the end of each session that were not learnt.
    pub hold_out: usize,
    /// The items at its end that are not even asked for: with 1, the answer is the last item but
    /// one.
    pub skip: usize,
    /// Sessions that begin before this moment were learnt, and others are asked for. Their last
    /// item is then the answer.
    pub after: Option<Moment>,
    /// The length of lists.
    pub k: usize,
    /// No item that the session has already is an answer. Otherwise the last item alone is none.
    pub exclude_seen: bool,
    /// By which vectors items are scored.
    pub scoring: Scoring,
}

/// The sessions that are asked for, and what is learnt of the others.
pub struct NextItems<'a> {
    sessions: &'a Sessions,
    options: NextOptions,
    /// A session, and the place of the answer in it.
    cases: Vec<(usize, usize)>,
    /// Sessions that were left out since the answer may not be given, as it was seen.
    pub repeats: usize,
    /// Sessions that are too short to be asked for.
    pub short: usize,
    clusters: Clusters,
    transitions: Transitions,
}

/// The places of the answers in the lists of a method.
#[derive(Clone, Debug)]
pub struct Ranking {
    /// The name of the method, or of the model's file.
    pub name: String,
    /// The rank of each answer, from 1; of equal scores the mean. Infinite for an item that is not
    /// known.
    ranks: Vec<f64>,
    /// The share of all items that occur in some list.
    pub coverage: f64,
    /// How often the items in lists were learnt on average, in proportion to how often the answers
    /// were: 1 where they are as popular as what is taken.
    pub popularity: f64,
    /// Items that it can't score.
    pub unknown: usize,
}

/// How good the lists of a method are.
#[derive(Clone, Debug, Serialize)]
pub struct NextScores {
    /// The share of sessions whose answer is in the list.
    pub hit_rate: Score,
    /// The mean gain, which is 1/log2(1 + rank) for an answer in the list.
    pub ndcg: Score,
    /// The mean of 1/rank, wherever the answer is.
    pub mrr: Score,
}

impl<'a> NextItems<'a> {
    /// Hides items of sessions, and counts the rest.
    ///
    /// # Errors
    /// [`Error::Refused`] when no session can be asked for.
    pub fn new(sessions: &'a Sessions, options: NextOptions) -> Result<Self> {
        let NextOptions { hold_out, skip, after, exclude_seen, .. } = options;
        if after.is_some() && (0..sessions.len()).all(|at| sessions.begin(at).is_none()) {
            return Err(Error::Refused("sessions have no times to be told apart by".into()));
        }
        if after.is_none() && hold_out <= skip {
            let problem = "must be at least 1: what was learnt can't be asked for";
            return Err(Error::setting("hold_out", problem));
        }
        // Of sessions that are asked for by their time, nothing was learnt.
        let least = if after.is_some() { skip + 2 } else { hold_out.max(skip + 1) + 2 };
        let (mut cases, mut repeats, mut short) = (Vec::new(), 0, 0);
        for session in 0..sessions.len() {
            let items = sessions.items(session);
            if after.is_some_and(|after| sessions.begin(session).is_some_and(|at| at < after)) {
                continue;
            }
            if items.len() < least {
                short += 1;
                continue;
            }
            let answer = items.len() - 1 - skip;
            let seen = &items[if exclude_seen { 0 } else { answer - 1 }..answer];
            if seen.contains(&items[answer]) {
                repeats += 1;
            } else {
                cases.push((session, answer));
            }
        }
        if cases.is_empty() {
            let problem = format!(
                "no session can be asked for: {short} have fewer than {least} items, and {repeats} \
                 repeat what is not to be answered"
            );
            return Err(Error::Refused(problem));
        }
        // The sessions of a user depend on each other.
        let mut users: hashbrown::HashMap<&[u8], u32> = hashbrown::HashMap::new();
        let groups = cases.iter().zip(0u32..).map(|(&(session, _), case)| {
            let user = sessions.user(session);
            let group = user.map_or(case, |user| *users.entry(user).or_insert(case));
            [group, group]
        });
        let groups: Vec<[u32; 2]> = groups.collect();
        let mut clusters = Clusters::default();
        clusters.push(groups);
        let learnt = (0..sessions.len()).map(|at| sessions.learnt(at, hold_out, after));
        let transitions = Transitions::new(sessions.different(), learnt);
        Ok(Self { sessions, options, cases, repeats, short, clusters, transitions })
    }

    /// The number of sessions that are asked for.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether no session is asked for, which is never so.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The number of items that were learnt, among which answers are looked for.
    pub fn items(&self) -> usize {
        self.transitions.known()
    }

    /// The number of answers that were never learnt.
    pub fn unseen(&self) -> usize {
        self.cases.iter().filter(|case| self.transitions.count(self.answer(case)) == 0).count()
    }

    fn answer(&self, &(session, place): &(usize, usize)) -> u32 {
        self.sessions.items(session)[place]
    }

    /// The items before the answer, and those that are no answer.
    fn asked(&self, &(session, place): &(usize, usize)) -> (&[u32], &[u32]) {
        let items = &self.sessions.items(session)[..place];
        (items, if self.options.exclude_seen { items } else { &items[place - 1..] })
    }

    /// The lists of a model.
    ///
    /// # Errors
    /// As [`Recommender::new`]; [`Error::Refused`] when the model knows no item.
    pub fn rank(&self, name: String, model: &Embeddings) -> Result<Ranking> {
        let by = Recommender::new(model, self.options.scoring)?;
        let to_model: Vec<Option<u32>> = (0..self.sessions.different() as u32)
            .map(|item| model.vocab.id(self.sessions.name(item)))
            .collect();
        let mut from_model: Vec<Option<u32>> = vec![None; model.vocab.len()];
        for (item, id) in (0..).zip(&to_model) {
            if let Some(id) = id.filter(|_| self.transitions.count(item) > 0) {
                from_model[id as usize] = Some(item);
            }
        }
        let allowed: Vec<u32> =
            (0..).zip(&from_model).filter_map(|(id, item)| item.map(|_| id)).collect();
        if allowed.is_empty() {
            return Err(Error::Refused(format!("{name} knows no item of these sessions")));
        }
        let unknown = self.items() - allowed.len();
        let by = by.among(&allowed);
        let known = |items: &[u32]| -> Vec<u32> {
            items.iter().filter_map(|&item| to_model[item as usize]).collect()
        };
        let mut found = Vec::with_capacity(self.cases.len());
        let batch = (SCORES / model.vocab.len().max(1)).max(1);
        for cases in self.cases.chunks(batch) {
            let asked: Vec<_> = cases.iter().map(|case| self.asked(case)).collect();
            let ids: Vec<[Vec<u32>; 2]> =
                asked.iter().map(|(items, seen)| [known(items), known(seen)]).collect();
            let questions: Vec<Asked> =
                ids.iter().map(|[items, exclude]| Asked { items, user: None, exclude }).collect();
            let scores = by.scores(&questions);
            let ranked = cases.par_iter().zip(&asked).zip(&ids).zip(scores).map(
                |(((case, (_, seen)), [items, _]), scores)| {
                    let answer = self.answer(case);
                    if items.is_empty() {
                        // Where nothing is known of the session, what is popular is as good.
                        return self.transitions.list(&[], answer, seen, self.options.k);
                    }
                    let rank = to_model[answer as usize]
                        .map_or(f64::INFINITY, |id| rank(&scores, scores[id as usize]));
                    let best = crate::query::best(&scores, self.options.k);
                    let list = best.iter().filter_map(|near| from_model[near.id as usize]);
                    Ranked { rank, list: list.collect() }
                },
            );
            found.par_extend(ranked);
        }
        Ok(self.ranking(name, found, unknown))
    }

    /// The lists of the methods that count: how often items are taken, directly after the last item,
    /// beside it (either way), or within five of it, and how alike the sessions of both are.
    pub fn baselines(&self) -> Vec<Ranking> {
        let t = &self.transitions;
        let methods = [
            ("popularity", None),
            ("next item counts", Some(t.counts(1, false))),
            ("co-occurrence", Some(t.counts(1, true))),
            ("co-occurrence within 5", Some(t.counts(5, true))),
            ("item kNN", Some(t.alike())),
        ];
        let ranked = |rows: Option<&Rows>, case| {
            let (items, seen) = self.asked(case);
            let last = items.iter().rev().find(|item| t.count(**item) > 0);
            let scored = rows.zip(last).map_or(&[][..], |(rows, &last)| rows.of(last));
            t.list(scored, self.answer(case), seen, self.options.k)
        };
        let ranking = |(name, rows): (&str, Option<Rows>)| {
            let found = self.cases.par_iter().map(|case| ranked(rows.as_ref(), case));
            self.ranking(name.into(), found.collect(), 0)
        };
        methods.into_iter().map(ranking).collect()
    }

    fn ranking(&self, name: String, ranked: Vec<Ranked>, unknown: usize) -> Ranking {
        let mut listed = vec![false; self.sessions.different()];
        let (mut learnt, mut length) = (0u64, 0u64);
        for &item in ranked.iter().flat_map(|ranked| &ranked.list) {
            listed[item as usize] = true;
            learnt += self.transitions.count(item);
            length += 1;
        }
        let answers = self.cases.iter().map(|case| self.transitions.count(self.answer(case)));
        let mean = answers.sum::<u64>() as f64 / self.cases.len() as f64;
        let covered = listed.iter().filter(|listed| **listed).count();
        Ranking {
            name,
            ranks: ranked.into_iter().map(|ranked| ranked.rank).collect(),
            coverage: covered as f64 / self.items() as f64,
            popularity: learnt as f64 / length.max(1) as f64 / mean,
            unknown,
        }
    }

    /// The scores of rankings with their intervals, and how much higher the hit rate of each of the
    /// first `models` is than that of each of the others, by `draws` bootstrap draws of sessions, which follow from `seed`.
    /// The sessions of a user are drawn together.
    pub fn scores(
        &self,
        rankings: &[Ranking],
        models: usize,
        (draws, seed): (usize, u64),
    ) -> (Vec<NextScores>, Vec<Vec<Difference>>) {
        let k = self.options.k as f64;
        let hit = |rank: f64| f64::from(u8::from(rank <= k));
        let measures: [&(dyn Fn(f64) -> f64 + Sync); 3] =
            [&hit, &|rank| if rank <= k { 1.0 / (1.0 + rank).log2() } else { 0.0 }, &|rank| {
                1.0 / rank
            }];
        let values: Vec<Vec<f64>> = rankings
            .iter()
            .flat_map(|ranking| measures.map(|of| ranking.ranks.iter().map(|&r| of(r)).collect()))
            .collect();
        let mean = |values: &[f64], draw: &Draw| {
            let (mut sum, mut all) = (0.0, 0.0);
            for (value, &weight) in values.iter().zip(&draw.items) {
                sum += value * f64::from(weight);
                all += f64::from(weight);
            }
            sum / all
        };
        let statistic = |values| -> Statistic { Box::new(move |draw| mean(values, draw)) };
        let statistics: Vec<Statistic> = values.iter().map(|values| statistic(values)).collect();
        let drawn = bootstrap(&self.clusters, draws, seed, &statistics);
        let whole = self.clusters.whole();
        let score =
            |at: usize| Score { score: mean(&values[at], &whole), interval: interval(&drawn[at]) };
        let scores = |at| NextScores {
            hit_rate: score(3 * at),
            ndcg: score(3 * at + 1),
            mrr: score(3 * at + 2),
        };
        let scores: Vec<NextScores> = (0..rankings.len()).map(scores).collect();
        let hits = |at: usize| (scores[at].hit_rate.score, &drawn[3 * at][..]);
        let of = |model| differences(hits(model), (models..rankings.len()).map(hits));
        let better = (0..models).map(of).collect();
        (scores, better)
    }
}

impl Ranking {
    /// The mean gain of the answers in lists of `k`, which is less certain than
    /// [`NextItems::scores`] says, but quick.
    pub fn ndcg(&self, k: usize) -> f64 {
        let gain = |&rank: &f64| if rank <= k as f64 { 1.0 / (1.0 + rank).log2() } else { 0.0 };
        self.ranks.iter().map(gain).sum::<f64>() / self.ranks.len() as f64
    }

    /// The share of the answers that are in lists of `k`.
    pub fn hit_rate(&self, k: usize) -> f64 {
        let hits = self.ranks.iter().filter(|&&rank| rank <= k as f64).count();
        hits as f64 / self.ranks.len() as f64
    }
}

/// The rank of a score among others, of which it is one; of equal scores the mean. What has no score
/// has no rank.
fn rank(scores: &[f32], score: f32) -> f64 {
    if score == f32::NEG_INFINITY {
        return f64::INFINITY;
    }
    let above = scores.iter().filter(|&&other| other > score).count();
    let equal = scores.iter().filter(|&&other| other.total_cmp(&score).is_eq()).count();
    1.0 + above as f64 + (equal as f64 - 1.0) / 2.0
}
