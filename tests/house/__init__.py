"""The house rules as tests: layers, sizes, docstrings, words, and documentation that is made from the code."""
