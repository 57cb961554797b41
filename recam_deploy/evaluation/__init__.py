"""Measure how good a cvimodel and its float model are on the user's labelled pictures."""
