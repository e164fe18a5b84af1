"""The examples run as they are."""

import pathlib
import runpy
import sys

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def test_a_first_model(sentences, tmp_path, monkeypatch, capsys):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(sentence) for sentence in sentences))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["first_model.py", str(text), "dish3"])
    runpy.run_path(str(EXAMPLES / "first_model.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and lines[0].startswith("dish")
    assert lines[-1] == "<wordloom.Model: skip-gram, 60 words x 100>"


def test_a_generator(capsys):
    runpy.run_path(str(EXAMPLES / "from_a_generator.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    places = [line.split(" is near ")[1].split(", ") for line in lines]
    for own, near in zip((3, 30), places):
        steps = [(int(place[5:]) - own) % 60 for place in near]
        assert all(min(step, 60 - step) <= 6 for step in steps), lines
