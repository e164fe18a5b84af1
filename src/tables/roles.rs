//! Which tensor is which table, by the names that programs give them.

use serde_json::Value;

use super::{Weight, Weights};

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A row for each token.
    Token,
    /// A row for each position.
    Position,
    /// A row for each segment.
    Segment,
}

/// The ends of the names of tensors, by which tables are known, for each role. Those that name more
/// come first. BERT, `RoBERTa`, `DistilBERT`; GPT-2, minGPT, nanoGPT; Llama, Qwen, Gemma; T5; OPT; BLOOM;
/// GPT-NeoX; CLIP; model2vec and sentence-transformers' `StaticEmbedding`;
/// llama.cpp.
const TOKEN: [&str; 11] = [
    "embeddings.word_embeddings.weight",
    "word_embeddings.weight",
    "wte.weight",
    "token_embd.weight",
    "embed_tokens.weight",
    "tok_embeddings.weight",
    "shared.weight",
    "embed_in.weight",
    "token_embedding.weight",
    "embedding.weight",
    "embeddings",
];
const POSITION: [&str; 7] = [
    "embeddings.position_embeddings.weight",
    "position_embeddings.weight",
    "wpe.weight",
    "position_embd.weight",
    "embed_positions.weight",
    "position_embedding.weight",
    "positional_embedding",
];
const SEGMENT: [&str; 2] = ["token_type_embeddings.weight", "token_types.weight"];
/// The ends of the names of matrices that turn vectors into tokens again.
const HEAD: [&str; 4] =
    ["lm_head.weight", "embed_out.weight", "cls.predictions.decoder.weight", "output.weight"];

impl Role {
    /// All roles.
    pub const ALL: [Self; 3] = [Self::Token, Self::Position, Self::Segment];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Position => "position",
            Self::Segment => "segment",
        }
    }

    /// The role of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Token => &TOKEN,
            Self::Position => &POSITION,
            Self::Segment => &SEGMENT,
        }
    }
}

/// Which tensors of a model are its tables.
pub struct Roles<'a> {
    tables: [Option<&'a Weight>; 3],
    /// The matrix that turns vectors into tokens again, if it is the token matrix over again.
    pub tied: Option<&'a Weight>,
    /// Whether positions are rotated into attention, and have no matrix.
    pub rotary: bool,
    /// The rows of the position matrix that stand for no position.
    pub offset: usize,
}

impl<'a> Roles<'a> {
    /// Looks for the tables of a model.
    pub fn of(weights: &'a Weights) -> Self {
        let config = &weights.config;
        let tables = Role::ALL.map(|role| find(&weights.tensors, role.endings()));
        let head = find(&weights.tensors, &HEAD);
        let tied = head.zip(tables[0]).filter(|(head, token)| weights.same(head, token));
        let kind = config["model_type"].as_str().unwrap_or_default();
        // These begin to count behind the number of the padding token.
        let padded = ["roberta", "xlm-roberta", "camembert", "mpnet", "longformer"].contains(&kind);
        let offset = if padded {
            config["pad_token_id"].as_u64().map_or(2, |pad| (pad as usize).saturating_add(1))
        } else if kind == "opt" {
            2
        } else {
            0
        };
        let rotary = !config["rope_theta"].is_null()
            || !config["rope_parameters"].is_null()
            || config["rotary_pct"].is_number()
            || (tables[1].is_none()
                && weights.tensors.iter().any(|tensor| tensor.name.contains("rotary")));
        Self { tables, tied: tied.map(|(head, _)| head), rotary, offset }
    }

    /// The table of a role.
    pub fn get(&self, role: Role) -> Option<&'a Weight> {
        self.tables[role as usize]
    }

    /// The role of a tensor.
    pub fn role_of(&self, weight: &Weight) -> Option<Role> {
        let is = |role: &Role| self.get(*role).is_some_and(|table| table.name == weight.name);
        Role::ALL.into_iter().find(is)
    }
}

/// The matrix whose name ends in one of these, at a dot or whole. A tensor of what sees images is
/// none of words.
fn find<'a>(tensors: &'a [Weight], endings: &[&str]) -> Option<&'a Weight> {
    let ends = |name: &str, ending: &str| {
        name.strip_suffix(ending).is_some_and(|front| front.is_empty() || front.ends_with('.'))
    };
    let seen = |name: &str| ["vision", "visual"].iter().any(|part| name.contains(part));
    let of = |ending: &&str| {
        tensors.iter().find(|tensor| {
            tensor.shape.len() == 2 && ends(&tensor.name, ending) && !seen(&tensor.name)
        })
    };
    endings.iter().find_map(of)
}

/// The number of all weights that `config.json` describes, for models of BERT's kind with their
/// pooler; `None` for others.
pub fn described(config: &Value) -> Option<u64> {
    if config["model_type"] != "bert" {
        return None;
    }
    let of = |name: &str| config[name].as_u64().filter(|&n| n < 1 << 32);
    let (dim, inner) = (of("hidden_size")?, of("intermediate_size")?);
    let rows = of("vocab_size")? + of("max_position_embeddings")? + of("type_vocab_size")?;
    let square = dim.checked_mul(dim)?.checked_add(dim)?;
    let wide = dim.checked_mul(inner)?;
    let layer = square.checked_mul(4)?.checked_add(wide.checked_mul(2)?)?;
    let layer = layer.checked_add(inner + dim + 4 * dim)?;
    let layers = of("num_hidden_layers")?.checked_mul(layer)?;
    rows.checked_mul(dim)?.checked_add(2 * dim)?.checked_add(layers)?.checked_add(square)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_weights_of_a_small_bert_are_counted() {
        let config = json!({
            "model_type": "bert", "hidden_size": 384, "intermediate_size": 1536, "vocab_size": 30522,
            "max_position_embeddings": 512, "type_vocab_size": 2, "num_hidden_layers": 6,
        });
        assert_eq!(described(&config), Some(22_713_216));
        assert_eq!(described(&json!({ "model_type": "gpt2" })), None);
    }
}
