"""Code that was written for gensim's `KeyedVectors` has the same answers."""

import numpy as np
import pytest

import wordloom

gensim = pytest.importorskip("gensim")


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same vectors here and there: 400 words, some of which differ in their case alone."""
    folder = tmp_path_factory.mktemp("both")
    random = np.random.default_rng(5)
    words = [f"w{n}" for n in range(380)] + [f"W{n}" for n in range(20)]
    rows = random.standard_normal((400, 20)).astype(np.float32)
    rows[1::7] += 2 * rows[0]
    wordloom.Model(words, rows).save(folder / "m.bin", format="binary")
    theirs = gensim.models.KeyedVectors.load_word2vec_format(folder / "m.bin", binary=True)
    return wordloom.open(folder / "m.bin"), theirs


def same(ours, theirs):
    assert [word for word, _ in ours] == [word for word, _ in theirs]
    assert np.allclose([x for _, x in ours], [x for _, x in theirs], atol=1e-5)


def test_what_is_held(both):
    ours, theirs = both
    assert ours.index_to_key == theirs.index_to_key and ours.key_to_index == theirs.key_to_index
    assert ours.vector_size == theirs.vector_size and len(ours) == len(theirs)
    assert (ours.vectors == theirs.vectors).all()
    assert (ours["w3"] == theirs["w3"]).all() and (ours[["w3", "w5"]] == theirs[["w3", "w5"]]).all()
    assert np.allclose(ours.get_vector("w3", norm=True), theirs.get_vector("w3", norm=True))
    assert np.allclose(ours.get_normed_vectors(), theirs.get_normed_vectors(), atol=1e-6)
    assert ours.has_index_for("w3") and not ours.has_index_for("nix")


@pytest.mark.parametrize(
    "asked",
    [
        dict(positive=["w1"]),
        dict(positive="w1", topn=3),
        dict(positive=["w1", "w8"], negative=["w2"], topn=7),
        dict(negative=["w1"]),
        dict(positive=[("w1", 2.0), ("w3", -0.5)], negative=[("w9", 1.5)]),
        dict(positive=["w1", "w2"], restrict_vocab=50),
        dict(positive=["w1"], clip_start=100, clip_end=200),
        dict(positive=["w379"], topn=1000),
        dict(positive=[17], topn=4),
    ],
)
def test_most_similar(both, asked):
    ours, theirs = both
    same(ours.most_similar(**asked), theirs.most_similar(**asked))


def test_vectors_are_asked_too(both):
    ours, theirs = both
    vector = ours["w4"] + ours["w9"]
    same(ours.most_similar(positive=[vector]), theirs.most_similar(positive=[vector]))
    same(ours.most_similar(vector), theirs.most_similar(vector))
    same(ours.similar_by_vector(vector, topn=5), theirs.similar_by_vector(vector, topn=5))
    same(ours.similar_by_word("w4", topn=5), theirs.similar_by_word("w4", topn=5))
    mixed = dict(positive=["w1", vector], negative=[ours["w2"]])
    same(ours.most_similar(**mixed), theirs.most_similar(**mixed))


def test_lengths_of_answers(both):
    ours, theirs = both
    assert ours.most_similar("w1", topn=0) == [] == theirs.most_similar("w1", topn=0)
    assert np.allclose(ours.most_similar("w1", topn=None), theirs.most_similar("w1", topn=None), atol=1e-5)
    with pytest.raises(KeyError):
        ours.most_similar("nix")
    with pytest.raises(ValueError):
        ours.most_similar()


def test_cosmul(both):
    ours, theirs = both
    for asked in (dict(positive=["w1", "w8"], negative=["w2"]), dict(positive=["w1"], topn=3)):
        same(ours.most_similar_cosmul(**asked), theirs.most_similar_cosmul(**asked))


def test_words_with_words(both):
    ours, theirs = both
    assert ours.similarity("w1", "w2") == pytest.approx(theirs.similarity("w1", "w2"), abs=1e-6)
    assert ours.distance("w1", "w2") == pytest.approx(theirs.distance("w1", "w2"), abs=1e-6)
    lists = ["w1", "w2", "w3"], ["w8", "w15"]
    assert ours.n_similarity(*lists) == pytest.approx(theirs.n_similarity(*lists), abs=1e-5)
    words = ["w1", "w8", "w15", "w200"]
    assert ours.doesnt_match(words) == theirs.doesnt_match(words)
    assert ours.rank("w1", "w8") == theirs.rank("w1", "w8")
    assert ours.closer_than("w1", "w8") == theirs.closer_than("w1", "w8")
    assert ours.most_similar_to_given("w1", words[1:]) == theirs.most_similar_to_given("w1", words[1:])
    assert np.allclose(ours.distances("w1", words), theirs.distances("w1", words), atol=1e-5)
    assert np.allclose(ours.distances("w1"), theirs.distances("w1"), atol=1e-5)
    ranked = zip(ours.rank_by_centrality(words), theirs.rank_by_centrality(words))
    assert all(a[1] == b[1] and a[0] == pytest.approx(b[0], abs=1e-5) for a, b in ranked)
    with pytest.raises(ZeroDivisionError):
        ours.n_similarity([], ["w1"])


def test_means(both):
    ours, theirs = both
    for options in (
        {},
        dict(weights=[0.3, -2.0, 1.0]),
        dict(pre_normalize=False),
        dict(post_normalize=True),
        dict(weights=np.array([1.0, 2.0, 0.5]), pre_normalize=False, post_normalize=True),
    ):
        mean = ours.get_mean_vector(["w1", "w2", "w3"], **options)
        assert np.allclose(mean, theirs.get_mean_vector(["w1", "w2", "w3"], **options), atol=1e-5)
    assert np.allclose(ours.get_mean_vector(["w1", "nix"]), theirs.get_mean_vector(["w1", "nix"]))
    with pytest.raises(KeyError):
        ours.get_mean_vector(["w1", "nix"], ignore_missing=False)
    with pytest.raises(ValueError):
        ours.get_mean_vector([])


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("dummy", [True, False])
def test_judging(both, tmp_path, fold, dummy):
    ours, theirs = both
    random = np.random.default_rng(7)
    lines = [": one"]
    for n in range(300):
        lines.append(" ".join(f"{'wW'[n % 2]}{k}" for k in random.integers(0, 400, 4)))
        if n == 150:
            lines.append(": two")
    (tmp_path / "a.txt").write_text("\n".join(lines) + "\n")
    options = dict(case_insensitive=fold, dummy4unknown=dummy, restrict_vocab=390)
    one = ours.evaluate_word_analogies(tmp_path / "a.txt", **options)
    two = theirs.evaluate_word_analogies(str(tmp_path / "a.txt"), **options)
    assert one[0] == pytest.approx(two[0], abs=1e-9)
    assert [s["section"] for s in one[1]] == [s["section"] for s in two[1]]
    for a, b in zip(one[1], two[1]):
        assert sorted(a["correct"]) == sorted(b["correct"])
        assert sorted(a["incorrect"]) == sorted(b["incorrect"])
    pairs = [f"w{a}\tW{b}\t{g:.2f}" for a, b, g in zip(
        random.integers(0, 400, 80), random.integers(0, 30, 80), random.random(80))]
    (tmp_path / "p.tsv").write_text("# a comment\n" + "\n".join(pairs) + "\n")
    one = ours.evaluate_word_pairs(tmp_path / "p.tsv", **options)
    two = theirs.evaluate_word_pairs(str(tmp_path / "p.tsv"), **options)
    for a, b in zip(one[:2], two[:2]):
        assert a[0] == pytest.approx(b[0], abs=1e-5) and a[1] == pytest.approx(b[1], abs=1e-4)
    assert one[2] == pytest.approx(two[2])


def test_analogies_of_words_in_one_case(both, tmp_path):
    """The way that is taken where no two words differ in their case alone."""
    ours, theirs = both
    random = np.random.default_rng(8)
    lines = [" ".join(f"w{k}" for k in random.integers(0, 300, 4)) for _ in range(500)]
    (tmp_path / "a.txt").write_text(": all\n" + "\n".join(lines) + "\n")
    one = ours.evaluate_word_analogies(tmp_path / "a.txt", restrict_vocab=350)
    two = theirs.evaluate_word_analogies(str(tmp_path / "a.txt"), restrict_vocab=350)
    assert one[0] == two[0] and sorted(one[1][0]["correct"]) == sorted(two[1][0]["correct"])


def test_there_without_a_file(trained):
    theirs = trained.to_gensim()
    assert np.shares_memory(theirs.vectors, trained.vectors)
    same(trained.most_similar("dish3"), theirs.most_similar("dish3"))
    assert theirs.get_vecattr("dish3", "count") == trained.get_vecattr("dish3", "count")
