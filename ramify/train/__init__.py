"""Recipes: the built-in models from nothing but generated problems."""
