"""Models as other programs have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._model import Model


def to_gensim(model: Model) -> Any:
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(model.vector_size)
    vectors.index_to_key = list(model.index_to_key)
    vectors.key_to_index = dict(model.key_to_index)
    vectors.vectors = model.vectors
    counts = model._model.counts()
    if counts is not None:
        import numpy as np

        vectors.expandos["count"] = np.array(counts)
    return vectors


def to_spacy(model: Model, nlp: Any) -> Any:
    from spacy.vectors import Vectors

    words = model.index_to_key
    for word in words:
        nlp.vocab.strings.add(word)
    nlp.vocab.vectors = Vectors(
        strings=nlp.vocab.strings, data=model.vectors.copy(), keys=list(words), name="wordloom"
    )
    return nlp


def to_sentence_transformers(model: Model) -> Any:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    unknown = "[UNK]"
    words = dict(model.key_to_index)
    # A copy, since training writes to it.
    rows = model.vectors.copy()
    if unknown not in words:
        import numpy as np

        words[unknown] = len(words)
        rows = np.concatenate([rows, np.zeros((1, model.dim), np.float32)])
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=rows)])
