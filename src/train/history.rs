//! The history that a window method's training leaves in its model.

use std::time::Duration;

use super::config::WindowConfig;
use super::training::Training;
use crate::embeddings::Provenance;
use crate::math;
use crate::progress::EpochLoss;

/// The history of a window method's training, with every setting that was left to a default. A
/// reproducible model is the same for any number of threads, so its history does not tell this
/// number.
pub(super) fn of_windows(training: &Training, losses: &[EpochLoss], time: Duration) -> Provenance {
    let Training { recipe, config, .. } = *training;
    let facts = &training.task.corpus.facts;
    let resolved = WindowConfig {
        lr: Some(training.schedule.first_rate()),
        subsample: Some(config.subsample_for(facts.tokens)),
        threads: (!config.reproducible).then(|| super::threads(config.threads)),
        buckets: config.subwords().map(|subwords| subwords.buckets),
        ..config.clone()
    };
    Provenance {
        settings: serde_json::to_value(resolved).unwrap_or_default(),
        corpus: facts.clone(),
        tokens_seen: facts.tokens * config.epochs as u64,
        losses: losses.iter().map(EpochLoss::mean).collect(),
        seconds: time.as_secs_f64(),
        simd: math::level_name(training.level),
        ..Provenance::by(recipe.method())
    }
}
