"""Word embeddings from your own data.

>>> import wordloom
>>> model = wordloom.train("skip-gram", "text.txt", dim=100)   # doctest: +SKIP
>>> model.most_similar("king", topn=3)                          # doctest: +SKIP
>>> model.save("my.safetensors")                                # doctest: +SKIP

Methods learn from text (``skip-gram``, ``cbow``, ``fasttext``, ``glove``), documents (``pv-dbow``,
``pv-dm``), graphs (``deepwalk``, ``node2vec``) and sessions (``item2vec``). A model answers by the
names of gensim's ``KeyedVectors``.
"""

from ._judge import compare, evaluate, scores
from ._model import Model, UnknownWord, open
from ._train import METHODS, train
from ._wordloom import __version__

__all__ = [
    "METHODS",
    "Model",
    "UnknownWord",
    "__version__",
    "compare",
    "evaluate",
    "open",
    "scores",
    "train",
]
