"""Prints the vectors that fastText or gensim gives for words, as a JSON list of lists.

Usage: word_vectors.py fasttext|gensim MODEL < WORDS, one a line
"""

import json
import sys

program, model = sys.argv[1:]
if program == "fasttext":
    import fasttext

    vector = fasttext.load_model(model).get_word_vector
else:
    import numpy
    from gensim.models.fasttext import load_facebook_vectors

    vectors = load_facebook_vectors(model)

    def vector(word):
        try:
            return vectors[word]
        except KeyError:
            # Without n-grams fastText answers with zeros.
            return numpy.zeros(vectors.vector_size)


words = sys.stdin.read().splitlines()
json.dump([vector(word).tolist() for word in words], sys.stdout)
