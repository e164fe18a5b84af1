//! The recipes by which methods are compared.

use crate::cooccur::{Weight, Windows};
use crate::train::{GloveConfig, GloveSettings, NgramLengths, Recipe, WindowConfig};

/// The settings that methods are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PresetSettings {
    /// The same window, noise, subsampling and dimension for all methods that have them, so that
    /// only the method differs
    #[default]
    Aligned,
    /// The published defaults of the program that each method is known by
    Native,
}

/// A method that can be compared, with its recipes.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it gives vectors of.
    pub of: PresetOf,
    recipe: fn(PresetSettings) -> Recipe,
}

/// What a method gives vectors of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresetOf {
    /// Words.
    Words,
    /// Documents, which it learns.
    Documents,
    /// Documents, as means of the vectors of their words ([`super::sif`]).
    Means,
}

/// All methods that can be compared. All of them have the dimension 100 in the native settings, as
/// word2vec.c and fastText do.
pub const PRESETS: [Preset; 7] = [
    Preset { name: "skip-gram", of: PresetOf::Words, recipe: skip_gram },
    Preset { name: "cbow", of: PresetOf::Words, recipe: |s| Recipe::Cbow(word2vec(s, 0.05)) },
    Preset { name: "glove", of: PresetOf::Words, recipe: |s| Recipe::Glove(glove(s)) },
    Preset { name: "fasttext", of: PresetOf::Words, recipe: |s| Recipe::SkipGram(fasttext(s)) },
    Preset { name: "pv-dbow", of: PresetOf::Documents, recipe: |s| Recipe::PvDbow(documents(s)) },
    Preset { name: "pv-dm", of: PresetOf::Documents, recipe: |s| Recipe::PvDm(documents(s)) },
    Preset { name: "sif", of: PresetOf::Means, recipe: skip_gram },
];

impl Preset {
    /// The recipe of a method with these settings.
    pub fn recipe(&self, settings: PresetSettings) -> Recipe {
        (self.recipe)(settings)
    }
}

fn skip_gram(settings: PresetSettings) -> Recipe {
    Recipe::SkipGram(word2vec(settings, 0.025))
}

/// The settings of methods for documents, which have a learning rate of their own. gensim subsamples
/// less.
fn documents(settings: PresetSettings) -> WindowConfig {
    WindowConfig { lr: None, ..word2vec(settings, 0.025) }
}

/// The settings of skip-gram and CBOW. The aligned ones are wordloom's defaults; word2vec.c
/// subsamples less.
fn word2vec(settings: PresetSettings, lr: f32) -> WindowConfig {
    let subsample = match settings {
        PresetSettings::Aligned => None,
        PresetSettings::Native => Some(1e-3),
    };
    WindowConfig { subsample, lr: Some(lr), ..WindowConfig::default() }
}

/// The settings of GloVe. A pass over counts is not a pass over text, so GloVe has epochs of its
/// own.
fn glove(settings: PresetSettings) -> GloveSettings {
    match settings {
        PresetSettings::Aligned => GloveSettings {
            windows: Windows { window: 5, context_weight: Weight::Linear, ..Windows::default() },
            config: GloveConfig { x_max: 10.0, ..GloveConfig::default() },
        },
        PresetSettings::Native => GloveSettings::default(),
    }
}

fn fasttext(settings: PresetSettings) -> WindowConfig {
    let (noise_exponent, lr) = match settings {
        PresetSettings::Aligned => (0.75, 0.025),
        PresetSettings::Native => (0.5, 0.05),
    };
    let subwords = Some(NgramLengths { min_n: 3, max_n: 6 });
    WindowConfig { noise_exponent, lr: Some(lr), subwords, ..WindowConfig::default() }
}
