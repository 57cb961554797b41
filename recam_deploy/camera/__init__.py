"""Reaching a reCamera over SSH: putting a model in place there, and trying it."""
