"""Commands for the camera's shell: words in, one safely quoted line out.

Whatever goes into a remote command line goes through `quote`; nothing else in this package puts
quotes around anything. A word that begins with `-` is a matter of the program called: callers give
absolute paths, or `--` where the program knows it.
"""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import InputError

Word = str | PurePosixPath


def quote(word: Word) -> str:
    """`word` as a POSIX shell reads it back, byte for byte (newlines included).

    Names that are not UTF-8 are carried as surrogates, as `os.fsdecode` makes them.
    Raises InputError for a NUL and for half of a character, which no command line can hold.
    """
    text = str(word)
    try:
        whole = b"\0" not in to_wire(text)
    except UnicodeEncodeError:
        whole = False
    if not whole:
        raise InputError(
            f"a name for the camera holds what no name can: {text!r}", "Choose another name."
        )
    return shlex.quote(text)


def to_wire(text: str) -> bytes:
    """Text as the bytes that go over the connection."""
    return text.encode("utf-8", errors="surrogateescape")


def quote_bytes(word: bytes) -> bytes:
    """`quote` for a name that is bytes already."""
    return to_wire(quote(word.decode("utf-8", errors="surrogateescape")))


@dataclass(frozen=True)
class RemoteCommand:
    """A program on the camera and its arguments; no shell reads between the words.

    `called` is what messages call it, where that is not the name of the program.
    """

    words: tuple[str, ...]
    called: str = ""

    @classmethod
    def of(cls, *words: Word) -> RemoteCommand:
        """The program `words[0]` with the rest as its arguments."""
        return cls(tuple(str(word) for word in words))

    @classmethod
    def script(cls, text: str, *arguments: Word) -> RemoteCommand:
        """A shell script of ours, its arguments in `$1`, `$2` ... and never in its text."""
        return cls.of("sh", "-c", text, "sh", *arguments).named("a script of recam")

    def named(self, name: str) -> RemoteCommand:
        """The same command under another name in messages."""
        return dataclasses.replace(self, called=name)

    def under(self, *words: Word) -> RemoteCommand:
        """This command started by another: `sudo --`, `timeout 5`, ..."""
        return dataclasses.replace(self, words=(*(str(word) for word in words), *self.words))

    @property
    def name(self) -> str:
        """What messages call it: else the program without its folder and its arguments."""
        return self.called or PurePosixPath(self.words[0]).name

    def render(self) -> str:
        """The line for the camera's shell. Raises InputError for a word with a NUL."""
        return " ".join(quote(word) for word in self.words)
