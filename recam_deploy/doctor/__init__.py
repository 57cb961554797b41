"""Examine this machine and a camera for `recam doctor`.

In each module `look` gathers facts and changes nothing; `judge` is a pure function of them.
"""
