"""What a model holds, what it is asked, and where it goes."""

import copy
import pickle

import numpy as np
import pytest

import wordloom
from wordloom import _wordloom


def test_a_model_is_a_mapping_of_words_to_rows(royals):
    assert len(royals) == 8 and list(royals)[:2] == ["man", "woman"]
    assert "king" in royals and "pope" not in royals and 3 not in royals
    assert royals.key_to_index["queen"] == 3 and royals.index_to_key[3] == "queen"
    assert royals["king"].tolist() == [1, 0, 1, 0, 0] == royals[2].tolist()
    assert royals[["king", 0]].shape == (2, 5)
    assert royals.get_index("boy") == 4 and royals.get_index("pope", default=-1) == -1
    assert repr(royals) == "<wordloom.Model: vectors, 8 words x 5>"


def test_vectors_are_the_memory_of_the_model(royals, tmp_path):
    royals.save(tmp_path / "m.safetensors")
    model = wordloom.open(tmp_path / "m.safetensors")
    assert np.shares_memory(model.vectors, model["king"])
    assert np.shares_memory(np.asarray(model), model.vectors)
    with pytest.raises(ValueError):
        model.vectors[0, 0] = 1
    rows = model.vectors
    del model
    assert rows.sum() == royals.vectors.sum(), "the memory is kept for its views"


def test_unknown_words_are_named_with_near_spellings(royals):
    with pytest.raises(KeyError, match="unknown word 'quen'.*queen"):
        royals["quen"]
    with pytest.raises(KeyError, match="no row 8: there are 8"):
        royals[8]
    with pytest.raises(KeyError):
        royals.most_similar("pope")
    assert royals.found("king") == "vocabulary" and royals.found("pope") is None


def test_other_errors_have_the_line_of_the_library(royals, tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        wordloom.open(tmp_path / "missing.vec")
    (tmp_path / "bad.vec").write_text("2 2\na 1 2\nb 1\n")
    with pytest.raises(ValueError, match="bad.vec"):
        wordloom.open(tmp_path / "bad.vec")
    with pytest.raises(ValueError, match="no format 'xml': there are"):
        royals.save(tmp_path / "m.xml", format="xml")
    with pytest.raises(ValueError, match="vectors of 3 numbers: the model's have 5"):
        royals.nearest(np.zeros((2, 3)))
    with pytest.raises(ValueError):
        wordloom.Model(["a"], [[1, 2], [3, 4]])
    with pytest.raises(ValueError):
        wordloom.Model(["a"], [1, 2])


def test_no_panic_reaches_python():
    with pytest.raises(RuntimeError, match="a fault of wordloom, please report it: on purpose"):
        _wordloom.panic_on_purpose()


def test_many_vectors_are_asked_at_once(royals):
    rows, cosines = royals.nearest(royals.vectors, k=3)
    assert rows.shape == cosines.shape == (8, 3)
    assert (rows[:, 0] == np.arange(8)).all() and np.allclose(cosines[:, 0], 1)
    units = royals.get_normed_vectors()
    expected = np.sort(units @ units.T, axis=1)[:, ::-1][:, :3]
    assert np.allclose(cosines, expected, atol=1e-6)
    rows, cosines = royals.nearest(royals["king"], k=2, exclude=[range(7)])
    assert rows.tolist() == [[7, -1]] and np.isnan(cosines[0, 1])
    rows, _ = royals.nearest(royals["cheese"], k=99, restrict=6)
    assert rows.shape == (1, 6)
    assert np.allclose(royals.cosines(royals["king"]), units @ units[2], atol=1e-6)
    assert royals.nearest(np.zeros((0, 5)))[0].shape[0] == 0


def test_models_are_saved_pickled_and_copied(trained, tmp_path):
    for name in ("m.safetensors", "m.vec", "m.bin", "m.vec.gz"):
        lost = trained.save(tmp_path / name)
        assert ("m.safetensors" in name) == (lost == []), lost
        again = wordloom.open(tmp_path / name)
        assert list(again) == list(trained)
        assert np.allclose(again.vectors, trained.vectors, atol=1e-5)
    again = pickle.loads(pickle.dumps(trained))
    assert (again.vectors == trained.vectors).all()
    assert again.provenance == trained.provenance
    assert again.get_vecattr("dish1", "count") == trained.get_vecattr("dish1", "count") > 0
    assert copy.copy(trained) is trained is copy.deepcopy(trained)
    assert np.asarray(trained, dtype=np.float64).dtype == np.float64


def test_pandas_and_arrow(royals):
    pandas = pytest.importorskip("pandas")
    frame = royals.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and frame.loc["king"].tolist() == [1, 0, 1, 0, 0]
    pytest.importorskip("pyarrow")
    table = royals.to_arrow()
    assert table.column("vector")[2].as_py() == [1, 0, 1, 0, 0]


def test_spacy(royals):
    spacy = pytest.importorskip("spacy")
    nlp = royals.to_spacy(spacy.blank("en"))
    assert nlp("king")[0].vector.tolist() == [1, 0, 1, 0, 0]


def test_sentence_transformers(royals):
    pytest.importorskip("sentence_transformers")
    encoder = royals.to_sentence_transformers()
    assert np.allclose(encoder.encode("man king"), [1, 0, 0.5, 0, 0])


def _ask(word):
    return _FORKED.most_similar(word, topn=1)[0][0]


def test_a_forked_process_answers_too(royals):
    multiprocessing = pytest.importorskip("multiprocessing")
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    global _FORKED
    _FORKED = royals
    assert royals.most_similar("king", topn=1)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        answers = pool.map_async(_ask, ["king", "bread"]).get(timeout=60)
    assert answers == [_ask("king"), "cheese"]


def test_another_normal_form_is_the_same_word() -> None:
    model = wordloom.Model(["café", "tea"], [[1.0, 0.0], [0.6, 0.8]])
    apart = "cafe\u0301"
    assert apart not in model and model.found(apart) == "spelling"
    assert model.get_index(apart) == 0 and (model[apart] == model["café"]).all()
    assert [word for word, _ in model.most_similar(apart)] == ["tea"]
    with pytest.raises(KeyError):
        model["Café"]
