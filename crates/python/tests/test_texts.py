"""Vectors of texts and of new documents, and items that may come next."""

import numpy as np
import pytest

import wordloom

QUICK = dict(dim=16, epochs=5, threads=1, progress=False)


def test_texts_are_means_of_their_words(royals):
    rows = royals.embed(["king queen", "bread", "nothing here"])
    assert rows.shape == (3, 5) and rows.dtype == np.float32
    assert np.allclose(rows[0], (royals["king"] + royals["queen"]) / 2)
    assert np.allclose(rows[1], royals["bread"]) and not rows[2].any()
    unit = royals.embed(["king cheese"], pooling="unit")[0]
    each = [royals[word] / np.linalg.norm(royals[word]) for word in ("king", "cheese")]
    assert np.allclose(unit, np.mean(each, axis=0))
    whole, less = royals.embed(["king queen", "man"]), royals.embed(["king queen", "man"], remove_common=True)
    common = np.linalg.svd(whole)[2][0]
    assert np.allclose(less @ common, 0, atol=1e-6) and not np.allclose(whole @ common, 0)
    with pytest.raises(TypeError, match="a list of texts"):
        royals.embed("king")
    with pytest.raises(ValueError, match="mean"):
        royals.embed(["king"], pooling="max")


def test_new_documents_lie_among_those_that_were_learnt(tmp_path):
    documents = tmp_path / "d.tsv"
    topics = ["red green blue pink", "one two three four"]
    lines = [f"d{n}\t{' '.join([topics[n % 2]] * 5)} x{n % 7}\n" for n in range(80)]
    documents.write_text("".join(lines))
    model = wordloom.train("pv-dbow", documents, tag_column=["1"], text_column=["2"], words=True, min_count=1, **QUICK)
    told = []
    texts = ["blue pink red " * 5, "two four one " * 5, "nowhere"]
    rows = model.infer(texts, progress=lambda *stage: told.append(stage))
    assert rows.shape == (3, 16) and np.isnan(rows[2]).all() and told[-1] == ("learning", 3, 3)
    for row, rest in zip(rows[:2], (0, 1)):
        near = [int(name[1:]) for name, _ in model.tags.similar_by_vector(row, topn=20)]
        assert sum(number % 2 == rest for number in near) >= 18, near
    assert np.array_equal(model.infer(texts[:1])[0], rows[0])
    assert not np.array_equal(model.infer(texts[:1], seed=2)[0], rows[0])
    with pytest.raises(ValueError, match="epochs"):
        model.infer(texts, epochs=0)


def test_words_give_no_documents(royals):
    with pytest.raises(ValueError, match="no vectors for new documents"):
        royals.infer(["king"])


def test_items_come_next(tmp_path):
    sessions = tmp_path / "s.txt"
    kinds = ["abcdef", "uvwxyz"]
    lines = [" ".join(kinds[n % 2][(n + step) % 6] for step in range(4)) + "\n" for n in range(600)]
    sessions.write_text("".join(lines))
    model = wordloom.train("item2vec", sessions, **QUICK)
    first, second = model.recommend([["a", "b"], ["w", "unknown", "x"]], k=4)
    assert len(first) == 4 and {item for item, _ in first} < set("abcdef") - {"b"}
    assert {item for item, _ in second} < set("uvwxyz") - {"x"}
    assert [score for _, score in first] == sorted((score for _, score in first), reverse=True)
    seen = model.recommend([["a", "b", "c"]], k=3, exclude_seen=True)[0]
    assert {item for item, _ in seen} == set("def")
    assert {item for item, _ in model.recommend([["a"]], among=["b", "z"])[0]} == {"b", "z"}
    with pytest.raises(wordloom.UnknownWord, match="unknown"):
        model.recommend([["unknown"]])
    with pytest.raises(TypeError, match="list of sessions"):
        model.recommend(["a", "b"])
    with pytest.raises(ValueError, match="no vectors of users"):
        model.recommend([["a"]], users=["u"])
    with pytest.raises(ValueError, match="symmetric"):
        model.recommend([["a"]], score="best")
    with pytest.raises(ValueError, match="is empty"):
        model.recommend([[]])


def test_users_have_vectors(tmp_path):
    baskets = tmp_path / "b.tsv"
    kinds = ["abcdef", "uvwxyz"]
    lines = [f"u{n % 20}\tb{n}\t{kinds[n % 2][(n + step) % 6]}\t{n}\n" for n in range(800) for step in range(3)]
    baskets.write_text("user\tbasket\titem\ttime\n" + "".join(lines))
    model = wordloom.train(
        "item2vec", baskets, users=True, user="user", session="basket", item="item", **QUICK
    )
    found = model.recommend([[], ["u"]], k=4, users=["u4", "u5"])
    assert {item for item, _ in found[0]} < set("abcdef")
    assert {item for item, _ in found[1]} < set("uvwxyz") - {"u"}
    with pytest.raises(wordloom.UnknownWord):
        model.recommend([[]], users=["nobody"])
    with pytest.raises(ValueError, match="1 users for 2 sessions"):
        model.recommend([["a"], ["b"]], users=["u1"])
