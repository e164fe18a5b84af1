#!/usr/bin/env python3
"""Draws speed.svg: how much faster wordloom is than other programs.

Every figure comes from a record of measurements; none is typed here. Each ratio is computed again
from the two times or speeds of its round and compared with the ratio that the record states.

    python3 docs/images/speed.py          writes docs/images/speed.svg
    python3 docs/images/speed.py --check  fails where the picture is not what the record gives
"""

import math
import re
import sys
from pathlib import Path
from statistics import mean, median

HERE = Path(__file__).resolve().parent
RECORD = HERE.parent.parent / "benches" / "record" / "2026-11-24-peers.txt"
PICTURE = HERE / "speed.svg"

NUMBER = r"\d[\d,]*(?:\.\d+)?"


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(NUMBER, text)]


class Row:
    """A task: what each program took, and the ratio of every round."""

    def __init__(self, task, other, ratios, ours, theirs, unit):
        self.task, self.other, self.ratios = task, other, ratios
        self.ours, self.theirs, self.unit = ours, theirs, unit

    def figures(self):
        return f"{short(self.ours)} against {short(self.theirs)} {self.unit}"


def short(number):
    """Three digits, and fewer where a number is below 1."""
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:.0f}"


def agrees(computed, stated):
    for one, other in zip(computed, stated, strict=True):
        # The record has one decimal, and none from 25 on.
        if abs(one - other) > (0.06 if other < 25 else 0.51):
            raise SystemExit(f"{RECORD.name}: a ratio is {other}, but its times give {one:.2f}")


def speeds(record, name, task, other):
    """A table of a line for gensim, a line for wordloom and a line of ratios."""
    table = rf"^{name} +gensim (.*)\n +wordloom (.*)\n +ratio (.*?) +median"
    lines = re.search(table, record, re.M)
    theirs, ours, stated = (numbers(line) for line in lines.groups())
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    agrees(ratios, stated)
    return Row(task, other, ratios, median(ours) / 1000, median(theirs) / 1000, "M words/s")


def read(record):
    """The rows of the picture, in its order."""
    gensim = "gensim " + re.search(r"gensim ([\d.]+\d)", record)[1]
    fasttext = "fastText " + re.search(r"fasttext ([\d.]+\d)", record)[1]
    # round | fastText, memory | wordloom, memory | ratio
    #       | cooccur + shuffle | wordloom counts, twice | ratio | glove | wordloom, twice | ratio
    seconds = rf"({NUMBER}) s"
    pair = rf"({NUMBER}), ({NUMBER})"
    line = re.compile(
        rf"^\d +{seconds}, {NUMBER} MB +{seconds}, {NUMBER} MB +({NUMBER}) "
        rf"+({NUMBER}) \+ {seconds} +{pair} s +({NUMBER}) +{seconds} +{pair} +({NUMBER})$",
        re.M,
    )
    subwords, counts, epochs = [], [], []
    for found in line.finditer(record):
        figures = [float(figure.replace(",", "")) for figure in found.groups()]
        its, mine, ratio = figures[:3]
        subwords.append((its, [mine], ratio))
        cooccur, shuffle, *mine, ratio = figures[3:8]
        counts.append((cooccur + shuffle, mine, ratio))
        its, *mine, ratio = figures[8:]
        epochs.append((its, mine, ratio))

    def timed(task, other, found):
        ratios = [its / mean(mine) for its, mine, _ in found]
        agrees(ratios, [stated for _, _, stated in found])
        ours = median(time for _, mine, _ in found for time in mine)
        return Row(task, other, ratios, ours, median(its for its, _, _ in found), "s")

    return [
        speeds(record, "skip-gram", "Skip-gram, an epoch", gensim),
        speeds(record, "CBOW", "CBOW, an epoch", gensim),
        timed("Skip-gram with n-grams, an epoch", fasttext, subwords),
        timed("GloVe, an epoch", "Stanford’s glove", epochs),
        timed("Counting co-occurrences", "Stanford’s cooccur and shuffle", counts),
    ]


WIDTH = 900
LEFT, RIGHT = 262, 662  # of the plot
TOP, STEP = 96, 52
LARGEST = 50
TICKS = [1, 2, 5, 10, 20, 50]


def x(ratio):
    return LEFT + (RIGHT - LEFT) * math.log(ratio) / math.log(LARGEST)


def draw(rows, encoding):
    bottom = TOP + STEP * len(rows)
    height = bottom + 138
    out = []

    def text(left, line, kind, words, anchor="start"):
        place = "" if anchor == "start" else f' text-anchor="{anchor}"'
        out.append(f'<text x="{left:.1f}" y="{line:.1f}" class="{kind}"{place}>{words}</text>')

    size = f'width="{WIDTH - 1}" height="{height - 1}"'
    out.append(f'<rect x="0.5" y="0.5" {size} rx="8" class="card"/>')
    text(24, 36, "title", "Speed of wordloom as a multiple of the other program’s")
    text(24, 58, "soft", "Bars: median of the rounds. Dots: single rounds. Logarithmic axis.")
    for tick in TICKS:
        kind = "base" if tick == 1 else "line"
        out.append(f'<path d="M{x(tick):.1f} {TOP - 8}V{bottom}" class="{kind}"/>')
        text(x(tick), bottom + 18, "soft", f"{tick} ×", "middle")
    text(x(1), bottom + 36, "soft", "the other program’s speed", "middle")
    for place, row in enumerate(rows):
        middle = TOP + STEP * place + STEP / 2 - 6
        ratio = median(row.ratios)
        text(LEFT - 16, middle - 2, "name", row.task, "end")
        text(LEFT - 16, middle + 14, "soft", f"beside {row.other}", "end")
        corner = f'x="{x(1):.1f}" y="{middle - 11:.1f}"'
        out.append(f'<rect {corner} width="{x(ratio) - x(1):.1f}" height="22" class="bar"/>')
        for one in sorted(row.ratios):
            out.append(f'<circle cx="{x(one):.1f}" cy="{middle:.1f}" r="3.5" class="dot"/>')
        text(RIGHT + 16, middle - 2, "name", f"{ratio:.{1 if ratio < 10 else 0}f} ×")
        text(RIGHT + 16, middle + 14, "soft", row.figures())
    caption = [
        "100 MB of English Wikipedia, dimension 100, two cores of an AMD EPYC (Zen 5), 2 threads."
        " The programs of a round ran in turn.",
        "wordloom: training or counting alone; reading and encoding the text takes"
        f" {encoding} s before that.",
        "gensim: train() alone. fastText: 10 threads, and the time includes reading."
        " Stanford’s: whole processes.",
    ]
    for line, words in enumerate(caption):
        text(24, bottom + 74 + 20 * line, "soft", words)
    title = "; ".join(
        f"{row.task}: {median(row.ratios):.1f} times as fast as {row.other}" for row in rows
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}"'
            f' viewBox="0 0 {WIDTH} {height}" role="img">',
            f"<title>{title}</title>",
            f"<!-- Drawn by docs/images/speed.py from benches/record/{RECORD.name} -->",
            STYLE,
            *out,
            "</svg>",
            "",
        ]
    )


STYLE = """<style>
text { font-family: sans-serif; font-size: 13px; fill: #1c2024; }
.title { font-size: 18px; font-weight: bold; }
.name { font-weight: bold; }
.soft { font-size: 12px; fill: #5a6169; }
.card { fill: #ffffff; stroke: #d5d9dd; }
.line { fill: none; stroke: #e3e6e9; }
.base { fill: none; stroke: #5a6169; }
.bar { fill: #2b7cc0; }
.dot { fill: #ffffff; stroke: #0d3c66; stroke-width: 1.2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e8ea; }
  .soft { fill: #a3abb3; }
  .card { fill: #1b1f23; stroke: #3a4148; }
  .line { stroke: #30363c; }
  .base { stroke: #a3abb3; }
  .bar { fill: #3f8fd2; }
  .dot { fill: #1b1f23; stroke: #d6eaff; }
}
</style>"""


def main():
    record = RECORD.read_text(encoding="utf-8")
    encoding = re.search(rf"^Counting and encoding the 100 MB: ({NUMBER}) s", record, re.M)[1]
    picture = draw(read(record), encoding)
    if sys.argv[1:] == ["--check"]:
        if PICTURE.read_text(encoding="utf-8") != picture:
            raise SystemExit(f"{PICTURE.name} is not what {RECORD.name} gives: run speed.py")
    elif sys.argv[1:]:
        raise SystemExit(__doc__)
    else:
        PICTURE.write_text(picture, encoding="utf-8")


main()
