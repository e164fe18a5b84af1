"""A model that answers by the names of gensim's ``KeyedVectors``.

This file is over 300 lines because a class has all its methods in one place.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from . import _wordloom

Floats = npt.NDArray[np.float32]
Key = str | int
Asked = Key | Floats | tuple[Key | Floats, float]

_NONE = 2**32 - 1


def open(path: str | os.PathLike[str], *, table: str | None = None) -> Model:
    """Opens vectors in any format that wordloom reads: its own, word2vec's text and binary, GloVe's,
    fastText's ``.bin`` and ``.ftz``, each also packed with gzip or zstd, and the tables of
    transformers (a folder, safetensors, GGUF), of which ``table`` names one.

    wordloom's own files are mapped, and nothing of them is read before it is asked for.

    Raises ``FileNotFoundError``, or ``ValueError`` with a line that says what is wrong.
    """
    return Model._of(_wordloom.Model.open(os.fspath(path), table))


def _unit(vectors: Floats) -> Floats:
    """Rows scaled to length 1; zeros stay."""
    if vectors.ndim == 1:
        length = math.sqrt(float(np.dot(vectors, vectors)))
        one: Floats = (vectors / (length or 1)).astype(np.float32)
        return one
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return scaled


class UnknownWord(KeyError):
    """A word that has no vector. Near spellings are looked for when the message is read."""

    def __init__(self, word: str, model: Model) -> None:
        super().__init__(word)
        self.word = word
        self._of = model

    def __str__(self) -> str:
        near = self._of._model.near(self.word, 3)
        suggested = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        return f"unknown word {self.word!r}{suggested}"

    def __reduce__(self) -> tuple[Any, ...]:
        return KeyError, (str(self),)


class Model:
    """Vectors with their vocabulary.

    A word is known by its number or its name. What is not in the vocabulary is composed from
    n-grams or pieces where the model has them. A model never changes.
    """

    __slots__ = ("_counts", "_index", "_model", "_norms", "_vectors", "_words")

    _model: _wordloom.Model
    _words: list[str] | None
    _index: dict[str, int] | None
    _vectors: Floats | None
    _norms: Floats | None
    _counts: npt.NDArray[np.int64] | None

    def __init__(
        self,
        words: Sequence[str],
        vectors: npt.ArrayLike,
        counts: Sequence[int] | None = None,
    ) -> None:
        """A model of words and an array of shape ``[words, dim]``."""
        rows = np.ascontiguousarray(vectors, dtype=np.float32)
        if rows.ndim != 2:
            raise ValueError(f"vectors of shape [words, dim], not {list(rows.shape)}")
        counted = [int(count) for count in counts] if counts is not None else []
        made = _wordloom.Model.of_rows(list(words), rows.tobytes(), rows.shape[1], counted)
        self._set(made)

    @classmethod
    def _of(cls, model: _wordloom.Model) -> Model:
        new = cls.__new__(cls)
        new._set(model)
        return new

    def _set(self, model: _wordloom.Model) -> None:
        self._model = model
        self._words = self._index = self._vectors = self._norms = self._counts = None

    # What it holds

    def __len__(self) -> int:
        """The number of words."""
        return len(self._model)

    @property
    def vector_size(self) -> int:
        """The dimension of the vectors."""
        return self._model.dim

    dim = vector_size

    @property
    def vectors(self) -> Floats:
        """All vectors, an array of shape ``[words, dim]`` that can't be written to. It is the memory
        of the model itself: of an own file, the mapped file."""
        if self._vectors is None:
            self._vectors = np.asarray(self._model.rows("input"))
        return self._vectors

    @property
    def output_vectors(self) -> Floats | None:
        """The output vectors, of shape ``[words, dim]``; ``None`` where they were not kept."""
        rows = self._model.rows("output")
        return None if rows is None else np.asarray(rows)

    @property
    def tags(self) -> Model | None:
        """The vectors of documents, or of other tags, as a model; ``None`` without any."""
        tags = self._model.tags()
        return None if tags is None else Model._of(tags)

    @property
    def index_to_key(self) -> list[str]:
        """The words, in the order of their rows: the most frequent first."""
        if self._words is None:
            self._words = self._model.words(0, len(self))
        return self._words

    @property
    def key_to_index(self) -> dict[str, int]:
        """The rows of the words."""
        if self._index is None:
            self._index = {word: row for row, word in enumerate(self.index_to_key)}
        return self._index

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the vectors come from: method, settings, text, losses..."""
        return dict(json.loads(self._model.provenance()))

    def __iter__(self) -> Iterator[str]:
        """The words, the most frequent first."""
        return iter(self.index_to_key)

    def __contains__(self, key: object) -> bool:
        """Whether the vocabulary has a word."""
        return isinstance(key, str) and self._model.id(key) is not None

    def has_index_for(self, key: str) -> bool:
        """Whether the vocabulary has a word."""
        return key in self

    def get_index(self, key: Key, default: int | None = None) -> int:
        """The row of a word."""
        try:
            row = self._row(key)
        except KeyError:
            if default is None:
                raise
            return default
        if row is None and default is None:
            raise UnknownWord(str(key), self)
        return default if row is None else row  # type: ignore[return-value]

    def _row(self, key: Key) -> int | None:
        if isinstance(key, (int, np.integer)):
            if not 0 <= key < len(self):
                raise KeyError(f"no row {key}: there are {len(self)}")
            return int(key)
        row = self._model.id(key)
        if row is None and (found := self._model.find(key)) is not None:
            row = found[0]
        return row

    def get_vecattr(self, key: Key, attr: str) -> int:
        """The ``count`` of a word: how often it occurred in the text."""
        if attr != "count":
            raise KeyError(f"no attribute '{attr}': there is 'count'")
        if self._counts is None:
            counts = self._model.counts()
            if counts is None:
                raise KeyError("the model has no counts")
            self._counts = np.array(counts, dtype=np.int64)
        return int(self._counts[self.get_index(key)])

    def found(self, word: str) -> str | None:
        """How a word gets its vector: from the ``vocabulary``, by another ``spelling`` (as the text of
        the model was read, or another normal form of Unicode), by ``n-grams`` or ``pieces``; ``None``
        if it has none."""
        found = self._model.find(word)
        return None if found is None else found[2]

    # Vectors

    def get_vector(self, key: Key, norm: bool = False) -> Floats:
        """The vector of a word, of length ``dim``; with ``norm`` scaled to length 1."""
        row = self._row(key)
        if row is None:
            found = self._model.find(str(key))
            if found is None:
                raise UnknownWord(str(key), self)
            vector: Floats = np.frombuffer(found[1], dtype=np.float32)
        else:
            vector = self.vectors[row]
        return _unit(vector) if norm else vector

    @overload
    def __getitem__(self, key: Key) -> Floats: ...
    @overload
    def __getitem__(self, key: Sequence[Key]) -> Floats: ...
    def __getitem__(self, key: Key | Sequence[Key]) -> Floats:
        """The vector of a word; or of several, an array of shape ``[words, dim]``."""
        if isinstance(key, (str, int, np.integer)):
            return self.get_vector(key)
        return np.stack([self.get_vector(one) for one in key])

    def get_normed_vectors(self) -> Floats:
        """All vectors, scaled to length 1: a new array of shape ``[words, dim]``."""
        return _unit(self.vectors)

    def get_mean_vector(
        self,
        keys: Sequence[Key | Floats],
        weights: Sequence[float] | npt.NDArray[np.floating[Any]] | None = None,
        pre_normalize: bool = True,
        post_normalize: bool = False,
        ignore_missing: bool = True,
    ) -> Floats:
        """The weighted mean of the vectors of words, which are scaled to length 1 first with
        ``pre_normalize``, and of vectors as they are."""
        if len(keys) == 0:
            raise ValueError("the mean of no vector")
        if isinstance(weights, np.ndarray):
            weights = [float(weight) for weight in weights]
        if weights is None:
            weights = [1.0] * len(keys)
        if len(weights) != len(keys):
            raise ValueError("as many weights as keys, please")
        mean = np.zeros(self.vector_size, np.float64)
        total = 0.0
        for key, weight in zip(keys, weights):
            if isinstance(key, np.ndarray):
                # A vector that is given is taken as it is, as in gensim.
                mean += weight * key
            else:
                try:
                    mean += weight * self.get_vector(key, norm=pre_normalize)
                except KeyError:
                    if not ignore_missing:
                        raise
                    continue
            total += abs(weight)
        if total > 0:
            mean /= total
        found = mean.astype(np.float32)
        return _unit(found) if post_normalize else found

    # Questions

    def nearest(
        self,
        vectors: npt.ArrayLike,
        k: int = 10,
        *,
        exclude: Sequence[Sequence[int]] = (),
        restrict: int | None = None,
    ) -> tuple[npt.NDArray[np.int64], Floats]:
        """The rows nearest to each vector of an array of shape ``[queries, dim]``, and their cosines:
        two arrays of shape ``[queries, k]``, best first. ``exclude`` lists rows for each query that
        are left out. Where fewer than ``k`` are left, rows are -1 and cosines nan."""
        asked = np.atleast_2d(np.ascontiguousarray(vectors, dtype=np.float32))
        if asked.shape[1] != self.vector_size:
            raise ValueError(f"vectors of {asked.shape[1]} numbers: the model's have {self.dim}")
        excluded = [[int(row) for row in rows] for rows in exclude]
        ids, scores = self._model.nearest(asked.tobytes(), k, excluded, restrict)
        found = np.frombuffer(ids, np.uint32).astype(np.int64)
        found[found == _NONE] = -1
        shape = (len(asked), -1) if len(found) else (len(asked), 0)
        return found.reshape(shape), np.frombuffer(scores, np.float32).reshape(shape)

    def _asked(
        self, positive: Any, negative: Any
    ) -> tuple[list[Key | Floats], list[float], list[int]]:
        """What was asked for: words or vectors, their weights, and the rows that are no answers."""
        keys: list[Key | Floats] = []
        weights: list[float] = []
        for given, sign in ((positive, 1.0), (negative, -1.0)):
            for one in _listed(given):
                key, weight = one if isinstance(one, tuple) else (one, sign)
                keys.append(key)
                weights.append(float(weight))
        if not keys:
            raise ValueError("nothing is asked for")
        rows = [self._row(key) for key in keys if not isinstance(key, np.ndarray)]
        return keys, weights, [row for row in rows if row is not None]

    def most_similar(
        self,
        positive: Asked | Sequence[Asked] | None = None,
        negative: Asked | Sequence[Asked] | None = None,
        topn: int | None = 10,
        clip_start: int = 0,
        clip_end: int | None = None,
        restrict_vocab: int | None = None,
        indexer: object = None,
    ) -> Any:
        """The ``topn`` words nearest to the mean of ``positive`` less ``negative``, with cosines.

        Each is a word, a row, a vector, or such with a weight, or a list of these. With ``topn``
        ``None`` it is the cosines of all words. ``restrict_vocab`` asks for the most frequent words
        alone, ``clip_start`` and ``clip_end`` for a range of rows. The ``indexer`` is not used: the
        search is exact.
        """
        if topn is not None and topn < 1:
            return []
        keys, weights, rows = self._asked(positive, negative)
        mean = self.get_mean_vector(keys, weights, True, True, False)
        if restrict_vocab:
            clip_start, clip_end = 0, restrict_vocab
        end = len(self) if clip_end is None else min(clip_end, len(self))
        if topn is None or clip_start > 0:
            cosines = self.cosines(mean)[clip_start:end]
            if topn is None:
                return cosines
            order = np.argsort(-cosines, kind="stable")[: topn + len(rows)] + clip_start
            best = [int(row) for row in order if row not in rows][:topn]
            return [(self._name(row), float(cosines[row - clip_start])) for row in best]
        return self._model.similar(mean.tobytes(), topn, rows, end)

    def _name(self, row: int) -> str:
        return self._words[row] if self._words is not None else self._model.words(row, row + 1)[0]

    def similar_by_word(
        self, word: Key, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Any:
        """The words nearest to a word."""
        return self.most_similar(positive=[word], topn=topn, restrict_vocab=restrict_vocab)

    similar_by_key = similar_by_word

    def similar_by_vector(
        self, vector: Floats, topn: int | None = 10, restrict_vocab: int | None = None
    ) -> Any:
        """The words nearest to a vector."""
        return self.most_similar(positive=[vector], topn=topn, restrict_vocab=restrict_vocab)

    def cosines(self, vectors: npt.ArrayLike) -> Floats:
        """The cosines of all words with a vector, of shape ``[words]``; or with several, of shape
        ``[vectors, words]``."""
        asked = np.ascontiguousarray(vectors, dtype=np.float32)
        if asked.shape[-1:] != (self.vector_size,):
            raise ValueError(f"vectors of another dimension: the model's have {self.dim} numbers")
        found = np.frombuffer(self._model.cosines(asked.tobytes()), np.float32)
        return found.reshape(asked.shape[:-1] + (len(self),))

    def most_similar_cosmul(
        self,
        positive: Asked | Sequence[Asked] | None = None,
        negative: Asked | Sequence[Asked] | None = None,
        topn: int | None = 10,
        restrict_vocab: int | None = None,
    ) -> Any:
        """The best words by 3CosMul (Levy & Goldberg 2014), with their scores."""
        if topn is not None and topn < 1:
            return []
        sides = [_listed(positive), _listed(negative)]
        keys, _, rows = self._asked(positive, negative)
        vectors = np.stack([self.get_mean_vector([key], ignore_missing=False) for key in keys])
        near = (1 + self.cosines(vectors)) / 2
        plus, minus = near[: len(sides[0])], near[len(sides[0]) :]
        scores = np.prod(plus, axis=0) / (np.prod(minus, axis=0) + 1e-6)
        scores = scores[:restrict_vocab]
        if topn is None:
            return scores
        order = np.argsort(-scores, kind="stable")[: topn + len(rows)]
        best = [int(row) for row in order if row not in rows][:topn]
        return [(self._name(row), float(scores[row])) for row in best]

    def similarity(self, w1: Key, w2: Key) -> float:
        """The cosine of two words."""
        return float(np.dot(self.get_vector(w1, norm=True), self.get_vector(w2, norm=True)))

    def distance(self, w1: Key, w2: Key) -> float:
        """1 less the cosine of two words."""
        return 1 - self.similarity(w1, w2)

    def distances(self, word_or_vector: Key | Floats, other_words: Sequence[Key] = ()) -> Floats:
        """1 less the cosine of a word with each of others, or with all words."""
        if isinstance(word_or_vector, np.ndarray):
            vector = word_or_vector.astype(np.float32)
        else:
            vector = self.get_vector(word_or_vector)
        if not len(other_words):
            away: Floats = 1 - self.cosines(vector)
            return away
        others = np.stack([self.get_vector(word, norm=True) for word in other_words])
        apart: Floats = 1 - others @ _unit(vector)
        return apart

    @staticmethod
    def cosine_similarities(vector_1: Floats, vectors_all: Floats) -> Floats:
        """The cosines of a vector with the rows of an array."""
        return np.asarray(_unit(vectors_all) @ _unit(vector_1))

    def n_similarity(self, ws1: Sequence[Key], ws2: Sequence[Key]) -> float:
        """The cosine of the means of two lists of words."""
        if not len(ws1) or not len(ws2):
            raise ZeroDivisionError("an empty list of words")
        one = self.get_mean_vector(ws1, pre_normalize=False)
        two = self.get_mean_vector(ws2, pre_normalize=False)
        return float(np.dot(_unit(one), _unit(two)))

    def doesnt_match(self, words: Sequence[Key]) -> Key:
        """The word that is farthest from the mean of all. Unknown words are left out."""
        return self.rank_by_centrality(words)[-1][1]

    def rank_by_centrality(
        self, words: Sequence[Key], use_norm: bool = True
    ) -> list[tuple[float, Key]]:
        """Cosines of words with their mean, the nearest first. Unknown words are left out."""
        known = [word for word in words if isinstance(word, int) or self.found(word)]
        if not known:
            raise ValueError("none of these words has a vector")
        vectors = np.stack([self.get_vector(word, norm=use_norm) for word in known])
        mean = self.get_mean_vector(list(vectors), post_normalize=True)
        return sorted(zip((vectors @ mean).tolist(), known), key=lambda one: -one[0])

    def most_similar_to_given(self, key1: Key, keys_list: Sequence[Key]) -> Key:
        """Which of some words is nearest to a word."""
        return keys_list[int(np.argmax([self.similarity(key1, key) for key in keys_list]))]

    def closer_than(self, key1: Key, key2: Key) -> list[str]:
        """The words that are nearer to the first word than the second is."""
        cosines = self.cosines(self.get_vector(key1))
        limit, own = cosines[self.get_index(key2)], self.get_index(key1)
        nearer = np.flatnonzero(cosines > limit)
        return [self._name(int(row)) for row in nearer if row != own]

    def rank(self, key1: Key, key2: Key) -> int:
        """The place of the second word among the neighbours of the first, from 1."""
        return len(self.closer_than(key1, key2)) + 1

    # Judging

    def evaluate_word_analogies(
        self,
        analogies: str | os.PathLike[str],
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
        similarity_function: str = "most_similar",
    ) -> tuple[float, list[dict[str, Any]]]:
        """The share of analogies that are answered, and the sections with all answers, as gensim
        counts them. :func:`wordloom.evaluate` has intervals and coverage."""
        from ._gensim import word_analogies

        return word_analogies(
            self, analogies, restrict_vocab, case_insensitive, dummy4unknown, similarity_function
        )

    def evaluate_word_pairs(
        self,
        pairs: str | os.PathLike[str],
        delimiter: str = "\t",
        encoding: str = "utf8",
        restrict_vocab: int | None = 300_000,
        case_insensitive: bool = True,
        dummy4unknown: bool = False,
    ) -> tuple[Any, Any, float]:
        """Pearson's and Spearman's correlation with people's grades, each with its p-value, and the
        per cent of pairs with an unknown word, as gensim has them. It wants scipy."""
        from ._gensim import word_pairs

        return word_pairs(
            self, pairs, delimiter, encoding, restrict_vocab, case_insensitive, dummy4unknown
        )

    # Into files and other programs

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> list[str]:
        """Writes the model. The format is that of the name's extension: wordloom's own for
        ``.safetensors``, else text, binary, fastText's or GloVe's. Returns what is lost by it."""
        return self._model.save(os.fspath(path), format)

    # Texts, documents and sessions

    def embed(
        self, texts: Iterable[str], *, pooling: str = "mean", remove_common: bool | None = None
    ) -> Floats:
        """The vectors of texts, of shape ``[texts, dim]``; zeros for a text without a known word.

        Words are found as in training, and unseen ones composed where the model can. ``pooling`` is
        ``mean``, ``unit`` (of vectors of length 1) or ``sif`` (rare words weigh more).
        ``remove_common`` takes off the direction that all texts have in common, as ``sif`` does
        unless told otherwise.
        """
        if remove_common is None:
            remove_common = pooling == "sif"
        rows = _wordloom.embed(self._model, _texts(texts), pooling, remove_common)
        return np.frombuffer(rows, np.float32).reshape(-1, self.dim)

    def infer(
        self,
        texts: Iterable[str],
        *,
        epochs: int | None = None,
        lr: float | None = None,
        seed: int = 1,
        progress: Callable[[str, int, int | None], object] | None = None,
    ) -> Floats:
        """Vectors for new documents, of shape ``[texts, dim]``, by a model of documents. They lie
        among those of :attr:`tags`.

        The same text has the same vector, whatever comes with it. A text without a known word has
        nan. ``epochs`` and ``lr`` follow from the model's own unless they are given.
        """
        rows = _wordloom.infer(self._model, _texts(texts), epochs, lr, seed, progress)
        return np.frombuffer(rows, np.float32).reshape(-1, self.dim)

    def recommend(
        self,
        sessions: Sequence[Sequence[Key]],
        k: int = 10,
        *,
        users: Sequence[str] | None = None,
        exclude_seen: bool = False,
        among: Iterable[Key] | None = None,
        score: str = "symmetric",
    ) -> list[list[tuple[str, float]]]:
        """For each session, a list of items from old to new, the ``k`` items that may come next, with
        scores that order them.

        Items that the model does not know are left out; of a session they may not be all. Where the
        model has vectors of users, ``users`` names one for each session, which then may be empty.
        The last item is no answer, and with ``exclude_seen`` none of the session is; ``among`` says
        which items can be answers. ``score`` is ``symmetric``, ``output``, ``input`` or ``both``.
        """
        if isinstance(sessions, str) or any(isinstance(one, (str, int)) for one in sessions):
            raise TypeError("a list of sessions, each a list of items")
        if users is not None and len(users) != len(sessions):
            raise ValueError(f"{len(users)} users for {len(sessions)} sessions")
        tags = self.tags if users is not None else None
        if users is not None and tags is None:
            raise ValueError("the model has no vectors of users: train it with users=True")
        asked = []
        for at, session in enumerate(sessions):
            items = [row for row in map(self._row, session) if row is not None]
            user = None
            if tags is not None and users is not None:
                user = [float(x) for x in tags.get_vector(users[at])]
            elif not items:
                if not session:
                    raise ValueError(f"session {at} is empty")
                self.get_index(session[0])
            asked.append((items, user, items if exclude_seen else items[-1:]))
        allowed = None if among is None else [self.get_index(item) for item in among]
        return _wordloom.recommend(self._model, asked, k, allowed, score)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All vectors, of shape ``[words, dim]``."""
        if dtype is None or np.dtype(dtype) == np.float32:
            return self.vectors.copy() if copy else self.vectors
        return self.vectors.astype(dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self._model.to_bytes(),)

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        return self

    def __repr__(self) -> str:
        method = self.provenance.get("method") or "vectors"
        return f"<wordloom.Model: {method}, {len(self):,} words x {self.dim}>"

    def to_gensim(self) -> Any:
        """gensim's ``KeyedVectors``, which share the vectors with this model."""
        from ._others import to_gensim

        return to_gensim(self)

    def to_spacy(self, nlp: Any) -> Any:
        """Gives the vocabulary of a pipeline of spaCy these vectors, and returns the pipeline."""
        from ._others import to_spacy

        return to_spacy(self, nlp)

    def to_sentence_transformers(self) -> Any:
        """A ``SentenceTransformer`` with a ``StaticEmbedding`` of these vectors."""
        from ._others import to_sentence_transformers

        return to_sentence_transformers(self)

    def to_pandas(self) -> Any:
        """A data frame with a row for each word."""
        import pandas

        return pandas.DataFrame(self.vectors, index=self.index_to_key)

    def to_arrow(self) -> Any:
        """A table of Arrow with the columns ``word`` and ``vector``."""
        import pyarrow

        flat = pyarrow.array(self.vectors.reshape(-1))
        vectors = pyarrow.FixedSizeListArray.from_arrays(flat, self.dim)
        return pyarrow.table({"word": pyarrow.array(self.index_to_key), "vector": vectors})


def _listed(asked: Any) -> list[Any]:
    """What was asked for, as a list."""
    if asked is None:
        return []
    if isinstance(asked, np.ndarray):
        return [asked] if asked.ndim == 1 else list(asked)
    if isinstance(asked, (str, int, np.integer, tuple)):
        return [asked]
    return list(asked)


def _texts(texts: Iterable[str]) -> list[str]:
    """Texts as a list; a text alone is not one."""
    if isinstance(texts, (str, bytes)):
        raise TypeError("a list of texts, not one text")
    return list(texts)


def _unpickled(bytes: bytes) -> Model:
    return Model._of(_wordloom.Model.from_bytes(bytes))
