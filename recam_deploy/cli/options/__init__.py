"""Define the flags that several commands share, one module a subject."""
