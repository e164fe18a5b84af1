"""Opens a model as any reader of safetensors would, and prints what it finds as JSON.

Usage: open_model.py MODEL < WORDS
"""

import json
import sys

import numpy
import safetensors

model, wanted = sys.argv[1], sys.stdin.read().split()
with safetensors.safe_open(model, framework="numpy") as file:
    tensors = {name: file.get_tensor(name) for name in file.keys()}
    metadata = file.metadata()

ends = tensors["vocab.ends"].tolist()
text = tensors["vocab.bytes"].tobytes()
words = [text[start:end].decode() for start, end in zip([0, *ends], ends)]
order = tensors["vocab.order"]
rows = {word: tensors["input"][words.index(word)] for word in wanted}

json.dump(
    {
        "tensors": {name: [str(t.dtype), list(t.shape)] for name, t in tensors.items()},
        "words": words,
        "counts": tensors["vocab.counts"].tolist(),
        "order_sorts_words": [words[i] for i in order] == sorted(words, key=str.encode),
        # The shortest digits that give the same 32-bit number.
        "vectors": {word: [str(x) for x in row.astype(numpy.float32)] for word, row in rows.items()},
        "finite": all(bool(numpy.isfinite(tensors[name]).all()) for name in ("input", "output")),
        "history": json.loads(metadata["wordloom"]),
    },
    sys.stdout,
)
