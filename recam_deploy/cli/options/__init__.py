"""The flags that commands share, by what they are about."""
