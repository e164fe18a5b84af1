//! `wordloom eval --next`: how well models of items foretell what comes next in sessions.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wordloom::eval::{Difference, NextItems, NextOptions, NextScores, Ranking};
use wordloom::query::Scoring;
use wordloom::sessions::{Moment, SessionLayout, SessionOptions};
use wordloom::{Embeddings, Error, Progress};

use super::{Drawing, better_json, number, open_all, standing, value};
use crate::cli::progress::{self, say};
use crate::cli::show::{self, range, score};
use crate::cli::{note, sessions_of};

/// Which next items are asked for.
#[derive(clap::Args)]
pub(super) struct NextItem {
    /// Hide the last item of each of these sessions, and rank all items by what came before it,
    /// beside methods that count. The columns are those of `train item2vec`
    #[arg(long, value_name = "SESSIONS")]
    pub(super) next: Option<PathBuf>,
    #[command(flatten)]
    layout: SessionLayout,
    /// The items at the end of each session that were not learnt [default: as the model says, or
    /// else 1]
    #[arg(long, value_name = "N", requires = "next")]
    hold_out: Option<usize>,
    /// Ask only for sessions that begin at TIME or later, of which nothing was learnt [default: what
    /// the model was trained before]
    #[arg(long, value_name = "TIME", requires = "next")]
    after: Option<Moment>,
    /// The length of the lists
    #[arg(short, value_name = "N", default_value_t = 10, requires = "next")]
    k: usize,
    /// By which vectors items are scored
    #[arg(long, value_enum, value_name = "HOW", default_value_t, requires = "next")]
    score: Scoring,
    /// Let no item of the session be an answer; otherwise its last item is none
    #[arg(long, requires = "next")]
    exclude_seen: bool,
}

impl NextItem {
    /// Scores models, and prints a table or JSON.
    pub(super) fn run(
        &self,
        sessions: &Path,
        models: &[PathBuf],
        drawing: Drawing,
        json: bool,
    ) -> anyhow::Result<()> {
        if self.k == 0 {
            return Err(Error::Setting { name: "k", problem: "must be at least 1".into() }.into());
        }
        let models = open_all(models)?;
        let options = self.options(&models)?;
        let reading = Progress::default();
        let inputs = [sessions.to_path_buf()];
        let layout = self.layout_of(&models);
        let read = || layout.read(&inputs, &reading);
        let sessions = progress::counting(json, &reading, read)?;
        note(&sessions.notes);
        let asked = NextItems::new(&sessions, options)?;
        let mut rankings = models
            .iter()
            .map(|(path, model)| asked.rank(show::path(path), model))
            .collect::<wordloom::Result<Vec<_>>>()?;
        rankings.extend(asked.baselines());
        let drawing = (drawing.draws as usize, drawing.draw_seed);
        let (scores, differences) = asked.scores(&rankings, models.len(), drawing);
        let report = Report { asked, options, rankings, scores, differences, draws: drawing.0 };
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", report.json())?;
        } else {
            report.print(&mut out)?;
        }
        Ok(())
    }

    /// Where columns are not named, the model may say which they were.
    fn layout_of(&self, models: &[(&Path, Embeddings)]) -> SessionLayout {
        let said = models.iter().find_map(|(_, model)| sessions_of(model));
        match said {
            Some(said) if self.layout == SessionLayout::default() => said.layout,
            _ => self.layout.clone(),
        }
    }

    /// What the models did not learn, and is asked for.
    fn options(&self, models: &[(&Path, Embeddings)]) -> anyhow::Result<NextOptions> {
        let said: Vec<Option<SessionOptions>> =
            models.iter().map(|(_, model)| sessions_of(model)).collect();
        let held = |said: &SessionOptions| (said.hold_out, said.before);
        let first = said.iter().flatten().next().map(held);
        if said.iter().flatten().any(|said| Some(held(said)) != first) {
            let problem = "the models held out different items, so that no one set is new to all";
            anyhow::bail!("{problem}: train them with the same --hold-out and --before");
        }
        let after = self.after.or(first.and_then(|(_, before)| before));
        let hold_out = self.hold_out.or(first.map(|(held, _)| held));
        let default = usize::from(after.is_none());
        for ((path, _), said) in models.iter().zip(&said) {
            let known = said.as_ref().map(held);
            let new = known.is_some_and(|(held, before)| {
                held >= hold_out.unwrap_or(default).max(1) && after.is_none()
                    || before.is_some_and(|before| after.is_some_and(|after| before <= after))
            });
            if !new {
                say(&format!(
                    "wordloom: {} may have learnt the answers: train it with --hold-out 1, or with \
                     --before TIME",
                    path.display()
                ));
            }
        }
        let hold_out = hold_out.unwrap_or(default).max(default);
        let Self { k, exclude_seen, score: scoring, .. } = *self;
        Ok(NextOptions { hold_out, skip: 0, after, k, exclude_seen, scoring })
    }
}

/// All that is told.
struct Report<'a> {
    asked: NextItems<'a>,
    options: NextOptions,
    rankings: Vec<Ranking>,
    scores: Vec<NextScores>,
    differences: Vec<Vec<Difference>>,
    draws: usize,
}

impl Report<'_> {
    /// The names of the methods that count.
    fn others(&self) -> Vec<&str> {
        self.rankings[self.differences.len()..].iter().map(|other| &other.name[..]).collect()
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { asked, options, rankings, scores, .. } = self;
        let count = |n: usize, one, many| show::counted(n as u64, one, many);
        writeln!(
            out,
            "{} asked for their last item among {} items",
            count(asked.len(), "session is", "sessions are"),
            show::number(asked.items() as u64)
        )?;
        let left = [
            (asked.short, "too short to be asked for"),
            (asked.repeats, "left out: the answer is what is not to be answered"),
            (asked.unseen(), "asked for an item that was never learnt, which counts as wrong"),
        ];
        for (n, why) in left.into_iter().filter(|(n, _)| *n > 0) {
            writeln!(out, "  {}: {why}", count(n, "session", "sessions"))?;
        }
        let name = |ranking: &Ranking| show::shown(&ranking.name).into_owned();
        let width = rankings.iter().map(|r| show::width(&name(r))).max().unwrap_or(0);
        let k = options.k;
        let (hit, gain) = (format!("HR@{k}"), format!("NDCG@{k}"));
        writeln!(
            out,
            "{:width$}  {hit:>6}  {:<12}  {gain:>8}  {:<12}  {:>5}  {:>8}  popularity",
            "", "95 %", "95 %", "MRR", "coverage"
        )?;
        for (ranking, NextScores { hit_rate, ndcg, mrr }) in rankings.iter().zip(scores) {
            writeln!(
                out,
                "{}  {:>6}  {:<12}  {:>8}  {:<12}  {:>5}  {:>8}  {:>10.2}",
                show::padded(&name(ranking), width),
                score(hit_rate.score),
                range(hit_rate.interval),
                score(ndcg.score),
                range(ndcg.interval),
                score(mrr.score),
                show::percent(ranking.coverage, 1.0),
                ranking.popularity
            )?;
        }
        for (model, differences) in rankings.iter().zip(&self.differences) {
            let others: Vec<&str> = self.others();
            let told = standing(&others, differences);
            writeln!(out, "{} is {told} (by {hit})", name(model))?;
            if model.unknown > 0 {
                let items = show::counted(model.unknown as u64, "item", "items");
                writeln!(out, "  it lacks {items}")?;
            }
        }
        writeln!(
            out,
            "Scores times 100, with the interval of 95 % of {} bootstrap draws of sessions. Popularity: \
             how often\nthe items in lists were taken, in proportion to the answers.",
            show::number(self.draws as u64)
        )
    }

    fn json(&self) -> Value {
        let Self { asked, options, rankings, scores, differences, draws } = self;
        let row = |(at, (ranking, all)): (usize, (&Ranking, &NextScores))| {
            let mut row = json!({
                "name": ranking.name, "hit_rate": value(&all.hit_rate), "ndcg": value(&all.ndcg),
                "mrr": value(&all.mrr), "coverage": number(ranking.coverage),
                "popularity": number(ranking.popularity), "items_without_vector": ranking.unknown,
            });
            if let Some(differences) = differences.get(at) {
                row["better"] = better_json(&self.others(), differences, "hit_rate");
            }
            row
        };
        json!({
            "sessions": asked.len(), "items": asked.items(), "short": asked.short,
            "repeats": asked.repeats, "unseen_answers": asked.unseen(), "k": options.k,
            "hold_out": options.hold_out, "after": options.after, "scoring": options.scoring,
            "exclude_seen": options.exclude_seen, "draws": draws,
            "methods": rankings.iter().zip(scores).enumerate().map(row).collect::<Vec<_>>(),
        })
    }
}
