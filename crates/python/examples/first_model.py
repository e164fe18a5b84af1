"""A first model in ten lines: `python first_model.py text.txt king`."""

import sys

import wordloom

text, word = sys.argv[1:3]
model = wordloom.train("skip-gram", text, dim=100, epochs=5)
for near, cosine in model.most_similar(word, topn=5):
    print(f"{near}  {cosine:.3f}")
model.save("my.safetensors")
print(wordloom.open("my.safetensors"))
