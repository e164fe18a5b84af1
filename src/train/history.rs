//! The history that a window method's training leaves in its model.

use super::beginning::Beginning;
use super::config::WindowConfig;
use super::log::Log;
use super::training::Training;
use crate::embeddings::Provenance;
use crate::math;

/// The history of a window method's training, with every setting that was left to a default. A
/// reproducible model is the same for any number of threads, so its history does not tell this
/// number.
pub(super) fn of_windows(training: &Training, from: Option<&Beginning>, log: Log) -> Provenance {
    let Training { recipe, config, .. } = *training;
    let corpus = training.corpus();
    let facts = &corpus.facts;
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
        tokens_seen: log.done(),
        losses: log.mean_losses(),
        seconds: log.seconds,
        simd: math::level_name(training.level),
        begun_from: from.map(|from| from.describe(&corpus.vocab)).unwrap_or_default(),
        curve: log.curve,
        ..Provenance::by(recipe.method())
    }
}
