//! The methods by their names, with what each learns from, and the settings by which its defaults
//! differ from those of its recipe.

use serde_json::{Map, Value, json};

use super::{Recipe, WindowConfig};
use crate::error::{Error, Result};
use crate::graph::WalkOptions;

/// What a method learns from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// The words of a text.
    Text,
    /// Documents with tags.
    Documents,
    /// Walks over a graph.
    Graph,
    /// Sessions of items.
    Sessions,
}

/// A method.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// What it learns from.
    pub learns: Learns,
    /// The name of its recipe.
    recipe: &'static str,
    /// Settings, with the values that they have unless others are given.
    pub defaults: &'static [(&'static str, &'static str)],
    /// The same of its walks.
    pub walks: &'static [(&'static str, &'static str)],
}

/// The defaults for documents.
const OF_DOCUMENTS: &[(&str, &str)] = &[("epochs", "10")];
/// The defaults for nodes of graphs (`docs/design/0019-graphs.md`).
const OF_NODES: &[(&str, &str)] =
    &[("epochs", "1"), ("dim", "128"), ("window", "10"), ("subsample", "0")];

/// All methods.
pub const METHODS: [Method; 9] = [
    plain("skip-gram"),
    plain("cbow"),
    // Those of fastText.
    Method {
        name: "fasttext",
        recipe: "skip-gram",
        defaults: &[("lr", "0.05"), ("noise_exponent", "0.5"), ("subwords", "3..6")],
        ..plain("skip-gram")
    },
    plain("glove"),
    Method { learns: Learns::Documents, defaults: OF_DOCUMENTS, ..plain("pv-dbow") },
    Method { learns: Learns::Documents, defaults: OF_DOCUMENTS, ..plain("pv-dm") },
    Method {
        name: "deepwalk",
        learns: Learns::Graph,
        defaults: OF_NODES,
        walks: &[("walks", "80")],
        ..plain("skip-gram")
    },
    Method {
        name: "node2vec",
        learns: Learns::Graph,
        defaults: OF_NODES,
        walks: &[("walks", "80"), ("p", "0.25"), ("q", "0.25")],
        ..plain("skip-gram")
    },
    // Chosen on items that were held out of two sets (`docs/design/0020-sessions.md`).
    Method {
        name: "item2vec",
        learns: Learns::Sessions,
        defaults: &[
            ("dim", "200"),
            ("window", "3"),
            ("negative", "20"),
            ("noise_exponent", "0"),
            ("subsample", "0"),
            ("epochs", "20"),
        ],
        ..plain("skip-gram")
    },
];

/// A method of text that is called as its recipe is.
const fn plain(name: &'static str) -> Method {
    Method { name, learns: Learns::Text, recipe: name, defaults: &[], walks: &[] }
}

impl Method {
    /// The method of a name.
    ///
    /// # Errors
    /// A name that no method has.
    pub fn named(name: &str) -> Result<&'static Self> {
        METHODS.iter().find(|method| method.name == name).ok_or_else(|| {
            let names: Vec<&str> = METHODS.iter().map(|method| method.name).collect();
            Error::Refused(format!("no method '{name}': there are {}", names.join(", ")))
        })
    }

    /// The recipe with these settings, and the method's own defaults where they are silent.
    ///
    /// # Errors
    /// A setting that the method does not have, or of another type.
    pub fn recipe(&self, settings: &Map<String, Value>) -> Result<Recipe> {
        let mut all = of(self.defaults);
        all.extend(settings.clone());
        Recipe::from_json(&json!({ "method": self.recipe, "settings": all }))
    }

    /// The options of its walks, with the method's own defaults where they are silent.
    pub fn walks(&self, options: &Map<String, Value>) -> Map<String, Value> {
        let mut all = of(self.walks);
        all.extend(options.clone());
        all
    }
}

/// Settings as JSON.
fn of(defaults: &[(&str, &str)]) -> Map<String, Value> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| text.into());
    defaults.iter().map(|(name, text)| ((*name).into(), value(text))).collect()
}

/// Settles how walks are learnt. Unless a learning rate is given, it follows from how often they pass
/// over the nodes: the more passes, the lower (`docs/design/0019-graphs.md`). With `rewalk`, walks are
/// made anew for each epoch: new walks for each of some epochs are as many walks for one.
///
/// # Errors
/// More epochs than walks can be made for.
pub fn settle_walks(
    config: &mut WindowConfig,
    walks: &mut WalkOptions,
    rewalk: bool,
) -> Result<()> {
    let passes = f64::from(walks.walks) * config.epochs as f64;
    let rate = 0.025 * (20.0 / passes.max(20.0)).powf(2.0 / 3.0);
    config.lr = config.lr.or(Some(rate as f32));
    if rewalk {
        let epochs = u32::try_from(config.epochs)
            .map_err(|_| Error::setting("epochs", "are more than walks can be made for"))?;
        walks.walks = walks.walks.saturating_mul(epochs);
        config.epochs = 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_defaults() {
        for method in &METHODS {
            let recipe = method.recipe(&Map::new()).unwrap();
            recipe.check().unwrap();
            assert_eq!(Method::named(method.name).unwrap().learns, method.learns);
        }
        let recipe = |name: &str, settings: Value| {
            Method::named(name).unwrap().recipe(settings.as_object().unwrap())
        };
        let config = recipe("fasttext", json!({ "dim": 7 })).unwrap();
        let config = config.window_config().unwrap();
        assert_eq!((config.dim, config.lr, config.subwords().is_some()), (7, Some(0.05), true));
        assert_eq!(recipe("item2vec", json!({ "window": 9 })).unwrap().dim(), 200);
        assert!(recipe("skip-gram", json!({ "windows": 9 })).is_err());
        assert!(Method::named("word2vec").unwrap_err().to_string().contains("skip-gram, cbow"));
        let walks = Method::named("node2vec").unwrap().walks(&Map::new());
        assert_eq!((&walks["walks"], &walks["p"]), (&json!(80), &json!(0.25)));
    }
}
