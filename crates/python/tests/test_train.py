"""Training: what a source may be, how it is watched, and how it is stopped."""

import json
import os
import signal
import threading
import time

import numpy as np
import pytest

import wordloom

QUICK = dict(dim=16, epochs=2, threads=1, progress=False)


def test_methods_learn_the_topics(sentences, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(sentence) for sentence in sentences))
    for method, learns in wordloom.METHODS.items():
        if learns != "text":
            continue
        settings = dict(dim=16, progress=False, cache=False, epochs=8 if method == "glove" else 3)
        model = wordloom.train(method, text, **settings)
        assert model.provenance["text"]["inputs"] == [str(text)]
        if method == "glove":
            # Words that never occur together are pairs that it does not learn.
            assert len(model) == 60
            continue
        near = [word for word, _ in model.most_similar("dish3", topn=5)]
        assert all(word.startswith("dish") for word in near), (method, near)
    model = wordloom.train("fasttext", text, buckets=2000, **QUICK)
    assert model.found("dish999") == "n-grams" and model["dish999"].shape == (16,)


def test_any_source_gives_the_same_model(sentences, tmp_path):
    text = tmp_path / "text.txt"
    lines = [" ".join(sentence) for sentence in sentences]
    text.write_text("\n".join(lines) + "\n")
    settings = dict(QUICK, reproducible=True, lowercase=True)
    file = wordloom.train("skip-gram", text, **settings)
    sources = [
        str(text),
        [text],
        (sentence for sentence in sentences),
        sentences,
        iter(lines),
        lines,
        tuple(tuple(sentence) for sentence in sentences),
    ]
    try:
        import pandas
    except ImportError:
        pass
    else:
        sources.append(pandas.Series(lines))
    try:
        import pyarrow
    except ImportError:
        pass
    else:
        sources += [pyarrow.array(lines), pyarrow.chunked_array([lines[:9], lines[9:]])]
    for source in sources:
        model = wordloom.train("skip-gram", source, **settings)
        assert list(model) == list(file)
        assert (model.vectors == file.vectors).all(), type(source)
    assert not list((tmp_path / "tmp").iterdir()), "nothing is left"


def test_what_is_no_source_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        wordloom.train("skip-gram", tmp_path / "missing.txt", **QUICK)
    with pytest.raises(TypeError, match="a word that is no string: 3"):
        wordloom.train("skip-gram", [["a", 3]], **QUICK)
    with pytest.raises(TypeError, match="decode it first"):
        wordloom.train("skip-gram", [b"a b"], **QUICK)
    with pytest.raises(TypeError):
        wordloom.train("skip-gram", 3, **QUICK)
    with pytest.raises(ValueError, match="no word was given"):
        wordloom.train("skip-gram", [], **QUICK)
    for method, source, wrong in [
        ("node2vec", [["a", "b", "c"]], "the weight 'c', which is no number"),
        ("node2vec", ["ab"], "edge 0 is 'ab'"),
        ("node2vec", 3, "graph of int"),
        ("item2vec", ["a b"], "session 0 is 'a b'"),
        ("item2vec", [["a", 1.5]], "session 0 has 1.5, which is no name"),
        ("pv-dbow", ["a text"], "document 0 is a str"),
    ]:
        with pytest.raises(TypeError, match=wrong):
            wordloom.train(method, source, **QUICK)
    with pytest.raises(ValueError, match="has the word 'new york', which has a space"):
        wordloom.train("pv-dbow", [("d", ["new york"])], **QUICK)
    with pytest.raises(ValueError, match="the node '#x', which a list of edges can't hold"):
        wordloom.train("deepwalk", [("#x", "y")], **QUICK)

    def broken():
        yield ["a", "b"]
        raise OSError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        wordloom.train("skip-gram", broken(), **QUICK)
    assert not list((tmp_path / "tmp").iterdir())


def test_settings_are_checked(sentences):
    with pytest.raises(ValueError, match="no method 'word2vec': there are skip-gram, cbow"):
        wordloom.train("word2vec", sentences, **QUICK)
    with pytest.raises(ValueError, match="unknown field 'size'"):
        wordloom.train("skip-gram", sentences, size=3, progress=False)
    with pytest.raises(ValueError, match="`window`"):
        wordloom.train("skip-gram", sentences, window=0, progress=False)
    with pytest.raises(ValueError, match="min_count"):
        wordloom.train("skip-gram", sentences, min_count=10**9, progress=False)
    few = wordloom.train("skip-gram", sentences, max_vocab=7, window=np.int64(2), **QUICK)
    assert len(few) == 7 and few.provenance["settings"]["window"] == 2


def test_progress_is_told(sentences):
    told = []
    wordloom.train("skip-gram", sentences, dim=8, epochs=3, progress=lambda *now: told.append(now))
    stage, done, total = told[-1]
    assert stage == "training" and done == total == 3 * 12 * len(sentences)


def test_the_callback_and_a_signal_stop_it(sentences, tmp_path):
    class Enough(Exception):
        pass

    def stop(stage, done, total):
        if stage == "training":
            raise Enough

    long = dict(dim=200, epochs=100_000, threads=2)
    begun = time.monotonic()
    with pytest.raises(Enough):
        wordloom.train("skip-gram", sentences, progress=stop, **long)
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        wordloom.train("skip-gram", sentences, progress=False, **long)
    assert time.monotonic() - begun < 60
    assert not list((tmp_path / "tmp").iterdir())


def test_other_threads_of_python_go_on(sentences):
    turns, done = [], threading.Event()

    def turn():
        while not done.is_set():
            turns.append(time.monotonic())
            time.sleep(0.005)

    thread = threading.Thread(target=turn)
    thread.start()
    begun = time.monotonic()
    wordloom.train("skip-gram", sentences, dim=100, epochs=30, threads=1, progress=False)
    took = time.monotonic() - begun
    done.set()
    thread.join()
    assert sum(turned > begun for turned in turns) > took / 0.2


def test_documents_graphs_and_sessions(tmp_path):
    documents = tmp_path / "d.tsv"
    documents.write_text("".join(f"d{n}\t{'red green blue' if n % 2 else 'one two three'} x\n" for n in range(60)))
    model = wordloom.train("pv-dbow", documents, tag_column=["1"], text_column=["2"], words=True, **QUICK)
    assert len(model.tags) == 60 and "d7" in model.tags
    graph = tmp_path / "g.tsv"
    graph.write_text("".join(f"{a}\t{(a + 1) % 20}\n" for a in range(20)))
    model = wordloom.train("node2vec", graph, p=0.5, q=2, walks=5, dim=8, progress=False)
    assert len(model) == 20 and model.provenance["text"]["walks"]["q"] == 2
    again = wordloom.train("deepwalk", graph, walks=5, epochs=3, rewalk=True, dim=8, progress=False)
    assert again.provenance["settings"]["epochs"] == 1
    assert again.provenance["text"]["walks"]["walks"] == 15
    with pytest.raises(ValueError, match="a graph is one file"):
        wordloom.train("deepwalk", [graph, graph], progress=False)
    sessions = tmp_path / "s.txt"
    sessions.write_text("a b c\nb c d\nc d a\n" * 20)
    model = wordloom.train("item2vec", sessions, dim=8, progress=False)
    assert sorted(model) == ["a", "b", "c", "d"] and model.provenance["settings"]["negative"] == 20


def test_documents_graphs_and_sessions_are_given(tmp_path):
    texts = [("red green\nblue" if n % 2 else 'one "two" three') + " x" for n in range(60)]
    documents = tmp_path / "d.tsv"
    documents.write_text("".join(f"d{n}\t{' '.join(text.split())}\n" for n, text in enumerate(texts)))
    settings = dict(QUICK, words=True, reproducible=True, cache=False)
    file = wordloom.train("pv-dbow", documents, tag_column=["1"], text_column=["2"], **settings)

    class Tagged(tuple):
        """As gensim has it: a tuple of words and tags, with names."""

        words = property(lambda self: self[0])
        tags = property(lambda self: self[1])

    for source in (
        ((f"d{n}", text) for n, text in enumerate(texts)),
        [([f"d{n}"], text.split()) for n, text in enumerate(texts)],
        [Tagged((text.split(), [f"d{n}"])) for n, text in enumerate(texts)],
    ):
        model = wordloom.train("pv-dbow", source, **settings)
        assert list(model) == list(file) and list(model.tags) == list(file.tags)
        assert (model.tags.vectors == file.tags.vectors).all()
    edges = [(f"node {n}", f"node {(n + 1) % 20}", 1 + n % 2) for n in range(20)]
    model = wordloom.train("deepwalk", edges, walks=5, dim=8, progress=False)
    assert set(model) == {f"node {n}" for n in range(20)}
    assert len(wordloom.train("node2vec", [(a, (a + 1) % 9) for a in range(9)], dim=8, progress=False)) == 9
    sessions = [["a b", "c,d", 7], ["c,d", 7, "#e"]] * 20
    model = wordloom.train("item2vec", sessions, dim=8, progress=False)
    assert set(model) == {"a b", "c,d", "7", "#e"}
    with_users = [(f"u{n % 4}", session) for n, session in enumerate(sessions)]
    model = wordloom.train("item2vec", with_users, users=True, dim=8, progress=False)
    assert set(model.tags) == {"u0", "u1", "u2", "u3"}
    assert "tmp" not in json.dumps(model.provenance), model.provenance
    assert not list((tmp_path / "tmp").iterdir()) and not list((tmp_path / "cache").iterdir())


def test_models_are_judged(trained, tmp_path):
    lines = [f"dish{n}\tdish{n + 1}\t9\nanimal{n}\tdish{n}\t1\n" for n in range(20)]
    (tmp_path / "pairs.tsv").write_text("".join(lines))
    found = wordloom.evaluate(trained, tmp_path / "pairs.tsv", draws=200)
    score = found["sets"][0]["scores"][0]
    assert score["measure"] == "Spearman" and score["score"] > 0.8
    assert score["interval"][0] <= score["score"] <= score["interval"][1]
    other = wordloom.Model(list(trained), np.random.default_rng(1).standard_normal((60, 24)))
    compared = wordloom.compare({"trained": trained, "random": other}, [tmp_path / "pairs.tsv"], draws=200)
    assert [method["name"] for method in compared["methods"]] == ["trained", "random"]
    with pytest.raises(ValueError, match="compose, skip, zero"):
        wordloom.evaluate(trained, tmp_path / "pairs.tsv", unknown="guess")
    with pytest.raises(FileNotFoundError):
        wordloom.evaluate(trained, tmp_path / "missing.tsv")
    pytest.importorskip("pandas")
    assert wordloom.scores(found).loc[0, "set"] == "pairs"
