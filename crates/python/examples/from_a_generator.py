"""Trains on sentences that Python makes, and asks for many words at once."""

import random

import wordloom


def sentences():
    """Walks on a ring of places, once."""
    draw = random.Random(1)
    for _ in range(5000):
        place = draw.randrange(60)
        yield [f"place{(place + step) % 60}" for step in range(20)]


model = wordloom.train("skip-gram", sentences(), dim=16, window=2, subsample=0, epochs=10, progress=False)
rows, cosines = model.nearest(model[["place3", "place30"]], k=4)
for own, near in zip(("place3", "place30"), rows):
    print(own, "is near", ", ".join(model.index_to_key[row] for row in near[1:]))
