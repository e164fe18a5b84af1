//! A method with its settings, in one form: what training takes, what models store, and what
//! comparisons start.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::CbowGradient;
use super::config::WindowConfig;
use super::glove::GloveSettings;
use crate::embeddings::Provenance;
use crate::error::{Error, Result};
use crate::span::Span;

/// A training method and its settings. fastText's method is skip-gram with `subwords`.
///
/// As JSON a recipe is an object with `method` and `settings`; settings that are left out have
/// their defaults. The history of a model has the same two entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "settings", rename_all = "kebab-case")]
pub enum Recipe {
    /// Each word of a window predicts its centre (Mikolov et al. 2013).
    SkipGram(WindowConfig),
    /// The mean of a window predicts its centre (Mikolov et al. 2013).
    Cbow(WindowConfig),
    /// The tags of a document predict each of its words; with `words`, the words around it do too
    /// (PV-DBOW, Le & Mikolov 2014).
    PvDbow(WindowConfig),
    /// The mean of a window and of the tags of its document predicts its centre (PV-DM, Le & Mikolov
    /// 2014).
    PvDm(WindowConfig),
    /// Products of vectors approach the logarithms of co-occurrence counts (Pennington et al.
    /// 2014).
    Glove(GloveSettings),
}

/// What all window methods have.
pub(super) struct Windowed<'a> {
    /// What the method is called.
    pub(super) name: &'static str,
    /// The settings.
    pub(super) config: &'a WindowConfig,
    /// The learning rate where the settings have none.
    lr: f32,
}

impl Windowed<'_> {
    /// The learning rate that training begins with.
    pub(super) fn rate(&self) -> f32 {
        self.config.lr.unwrap_or(self.lr)
    }
}

impl Recipe {
    /// What all window methods have, if this is one: the one place that knows them all.
    fn parts(&self) -> std::result::Result<Windowed<'_>, &GloveSettings> {
        match self {
            Self::SkipGram(config) => Ok(Windowed { name: "skip-gram", config, lr: 0.025 }),
            Self::Cbow(config) => Ok(Windowed { name: "cbow", config, lr: 0.05 }),
            Self::PvDbow(config) => Ok(Windowed { name: "pv-dbow", config, lr: 0.0275 }),
            Self::PvDm(config) => Ok(Windowed { name: "pv-dm", config, lr: 0.075 }),
            Self::Glove(settings) => Err(settings),
        }
    }

    /// Whether vectors of documents are learnt: of the tags of the corpus.
    pub fn learns_tags(&self) -> bool {
        matches!(self, Self::PvDbow(_) | Self::PvDm(_))
    }

    /// Whether tags predict alone, without words around them.
    pub(super) fn tags_alone(&self) -> bool {
        matches!(self, Self::PvDbow(config) if !config.words)
    }

    /// What all window methods have, if this is one.
    pub(super) fn window(&self) -> Option<Windowed<'_>> {
        self.parts().ok()
    }

    /// The name of the method.
    pub fn method(&self) -> &'static str {
        self.parts().map_or("glove", |window| window.name)
    }

    /// The settings of a window method; `None` for GloVe.
    pub fn window_config(&self) -> Option<&WindowConfig> {
        self.window().map(|window| window.config)
    }

    /// The dimension of the vectors.
    pub fn dim(&self) -> usize {
        self.parts().map_or_else(|glove| glove.config.dim, |window| window.config.dim)
    }

    /// Passes over the corpus, or over the counts.
    pub fn epochs(&self) -> usize {
        self.parts().map_or_else(|glove| glove.config.epochs, |window| window.config.epochs)
    }

    /// The limit of time, where training has one in place of a number of epochs.
    pub fn time(&self) -> Option<Span> {
        self.parts().map_or_else(|glove| glove.config.time, |window| window.config.time)
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        let threads = |glove: &GloveSettings| glove.config.threads;
        super::threads(self.parts().map_or_else(threads, |window| window.config.threads))
    }

    /// The recipe in a JSON object with `method` and `settings`; other entries are passed over.
    ///
    /// # Errors
    /// An unknown method, or a setting that the method does not have.
    pub fn from_json(json: &Value) -> Result<Self> {
        let mut settings = json.get("settings").cloned().unwrap_or_else(|| json!({}));
        let unset = |name: &&str| settings.get(*name).is_none_or(Value::is_null);
        if ["subwords", "min_n", "max_n"].iter().all(unset)
            && let Some(settings) = settings.as_object_mut()
        {
            // Version 0.1.0 noted a default number of buckets also where there were no n-grams.
            settings.shift_remove("buckets");
        }
        let recipe = json!({ "method": json.get("method"), "settings": settings });
        serde_json::from_value(recipe).map_err(|e| {
            // These are names in JSON, which the command must not write as options.
            let problem = e.to_string().replace('`', "'");
            Error::Refused(format!("not a recipe of a method and its settings: {problem}"))
        })
    }

    /// The recipe by which a model was trained.
    ///
    /// # Errors
    /// [`Error::Refused`] when the history does not tell it, as that of another program's file.
    pub fn of(history: &Provenance) -> Result<Self> {
        let Provenance { method, settings, .. } = history;
        let refused = |why: &str| Err(Error::Refused(format!("its history is no recipe: {why}")));
        if method.is_empty() || !history.program.starts_with("wordloom") {
            return refused("another program made it");
        }
        if method == "glove" && settings.get("window").is_none() {
            return refused("it was trained on counts of windows that are not known");
        }
        Self::from_json(&json!({ "method": method, "settings": settings }))
    }

    /// The same with some settings changed that all methods have.
    #[must_use]
    pub fn with(&self, change: &RecipeChange) -> Self {
        let mut json = json!(self);
        let settings = [
            ("dim", json!(change.dim)),
            ("epochs", json!(change.epochs)),
            ("time", json!(change.time)),
            ("lr", json!(change.lr.map(f64::from))),
            ("threads", json!(change.threads)),
            ("seed", json!(change.seed)),
        ];
        for (name, value) in settings.into_iter().filter(|(_, value)| !value.is_null()) {
            json["settings"][name] = value;
        }
        if let (Some(_), Some(settings)) = (change.epochs, json["settings"].as_object_mut()) {
            settings.shift_remove("time");
        }
        serde_json::from_value(json).expect("a recipe stays one when its settings change")
    }

    /// A window method with these settings in place of its own.
    pub(super) fn resolved(&self, config: &WindowConfig) -> Self {
        let json = json!({ "method": self.method(), "settings": config });
        serde_json::from_value(json).expect("a window method has these settings")
    }

    /// Whether training with these settings is possible.
    ///
    /// # Errors
    /// [`Error::Setting`], with the name of the setting.
    pub fn check(&self) -> Result<()> {
        let config = match self.parts() {
            Ok(window) => window.config,
            Err(glove) => return glove.windows.check().and_then(|()| glove.config.check()),
        };
        config.check()?;
        if config.words && !matches!(self, Self::PvDbow(_)) {
            return Err(Error::setting("words", "is for PV-DBOW, which learns none otherwise"));
        }
        if self.learns_tags() {
            if config.subwords().is_some() {
                return Err(Error::setting("subwords", "is for skip-gram and CBOW"));
            }
            if config.position_weights {
                return Err(Error::setting("position_weights", "is for CBOW"));
            }
        }
        match self {
            Self::Cbow(_) | Self::PvDm(_) => Ok(()),
            _ if config.cbow_gradient != CbowGradient::default() => {
                Err(Error::setting("cbow_gradient", "is for CBOW"))
            }
            _ if config.position_weights => Err(Error::setting("position_weights", "is for CBOW")),
            _ => Ok(()),
        }
    }
}

/// What to change of a recipe.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct RecipeChange {
    /// Another dimension of the vectors
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub dim: Option<usize>,
    /// Another number of passes
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub epochs: Option<usize>,
    /// A limit of time (30m), in place of a number of passes
    #[cfg_attr(feature = "cli", arg(long, value_name = "TIME", conflicts_with = "epochs"))]
    pub time: Option<Span>,
    /// Another learning rate
    #[cfg_attr(feature = "cli", arg(long, value_name = "X", allow_negative_numbers = true))]
    pub lr: Option<f32>,
    /// Another number of threads
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub threads: Option<usize>,
    /// Another seed
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub seed: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_come_back_from_json_and_from_histories() {
        for recipe in [
            Recipe::SkipGram(WindowConfig { dim: 7, ..WindowConfig::default() }),
            Recipe::Cbow(WindowConfig { position_weights: true, ..WindowConfig::default() }),
            Recipe::Glove(GloveSettings::default()),
        ] {
            let json = serde_json::to_value(&recipe).unwrap();
            assert_eq!(json["method"], recipe.method());
            assert_eq!(Recipe::from_json(&json).unwrap(), recipe);
            let settings = json["settings"].clone();
            let history = Provenance { settings, ..Provenance::by(recipe.method()) };
            assert_eq!(Recipe::of(&history).unwrap(), recipe);
        }
        let cbow = Recipe::Cbow(WindowConfig::default());
        let change = RecipeChange { dim: Some(9), seed: Some(3), ..RecipeChange::default() };
        let changed = Recipe::Cbow(WindowConfig { dim: 9, seed: 3, ..WindowConfig::default() });
        assert_eq!(cbow.with(&change), changed);
        let short =
            Recipe::from_json(&json!({ "method": "cbow", "settings": { "dim": 3 } })).unwrap();
        assert_eq!(short, Recipe::Cbow(WindowConfig { dim: 3, ..WindowConfig::default() }));
    }

    #[test]
    fn what_is_no_recipe_is_named() {
        let fails = |json: Value| Recipe::from_json(&json).unwrap_err().to_string();
        assert!(fails(json!({ "method": "word3vec" })).contains("word3vec"));
        assert!(fails(json!({ "method": "cbow", "settings": { "dims": 3 } })).contains("dims"));
        assert!(Recipe::of(&Provenance::default()).is_err(), "another program's file");
        let counts = Provenance { settings: json!({ "dim": 5 }), ..Provenance::by("glove") };
        assert!(Recipe::of(&counts).unwrap_err().to_string().contains("counts"));
        let old = json!({ "method": "skip-gram", "settings": { "buckets": 2_000_000 } });
        Recipe::from_json(&old).unwrap().check().unwrap();
    }
}
