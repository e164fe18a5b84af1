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
    recipe: fn(PresetSettings) -> Recipe,
}

/// All methods that can be compared. All of them have the dimension 100 in the native settings, as
/// word2vec.c and fastText do.
pub const PRESETS: [Preset; 4] = [
    Preset { name: "skip-gram", recipe: |settings| Recipe::SkipGram(word2vec(settings, 0.025)) },
    Preset { name: "cbow", recipe: |settings| Recipe::Cbow(word2vec(settings, 0.05)) },
    Preset { name: "glove", recipe: |settings| Recipe::Glove(glove(settings)) },
    Preset { name: "fasttext", recipe: |settings| Recipe::SkipGram(fasttext(settings)) },
];

impl Preset {
    /// The recipe of a method with these settings.
    pub fn recipe(&self, settings: PresetSettings) -> Recipe {
        (self.recipe)(settings)
    }
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
