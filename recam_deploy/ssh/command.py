"""Build commands for the camera's shell, with every argument quoted; load the scripts they run.

Every word of a remote command line goes through `quote`, the only function here that quotes. It
does not keep a program from reading a word with a leading `-` as an option: callers give absolute
paths, or `--` where the program knows it.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import shlex
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import InputError
from ..redaction import command_text
from ..resources import resource

Word = str | PurePosixPath
SCRIPT = "a script of recam"
_SHARED = ". ./lib.sh\n"
# The text is sent with each command, so comments would cost time.
_COMMENT = re.compile(r"^[ \t]*#.*\n", re.MULTILINE)


class Script(str):
    """The text of a shell script, with the name of its file for logs.

    Paths and names are given to a script as arguments, never as part of its text.
    """

    __slots__ = ("file_name",)

    def __new__(cls, text: str, file_name: str) -> Script:
        made = super().__new__(cls, text)
        made.file_name = file_name
        return made

    file_name: str


@functools.cache
def load(name: str) -> Script:
    """Read the script `name` of `device/on_camera/`, which runs in busybox and in coreutils alike.

    The shared functions are inserted and the comments removed. Raises FileNotFoundError when the
    installation is incomplete.
    """
    text = _read(name)
    if _SHARED in text:
        text = text.replace(_SHARED, _read("lib"))
    return Script(text.strip(), f"{name}.sh")


def _read(name: str) -> str:
    path = resource(f"device/on_camera/{name}.sh")
    return _COMMENT.sub("", path.read_text(encoding="utf-8"))


def quote(word: Word) -> str:
    """Quote `word` so that a POSIX shell reads it back byte for byte, newlines included.

    Bytes that are not UTF-8 are surrogates in `word`, as `os.fsdecode` makes them.
    Raises InputError for a NUL and for any other lone surrogate: no command line can hold these.
    """
    text = str(word)
    try:
        valid = b"\0" not in to_wire(text)
    except UnicodeEncodeError:
        valid = False
    if not valid:
        raise InputError(
            f"a name for the camera holds a character that no name can: {text!r}",
            "Choose another name.",
        )
    return shlex.quote(text)


def to_wire(text: str) -> bytes:
    """Encode text as the bytes that are sent."""
    return text.encode("utf-8", errors="surrogateescape")


def quote_bytes(word: bytes) -> bytes:
    """Quote a name that is bytes already."""
    return to_wire(quote(word.decode("utf-8", errors="surrogateescape")))


@dataclass(frozen=True)
class RemoteCommand:
    """A program on the camera and its arguments, one word each.

    `called` is its name in messages, where that is not the program's. `logged` are the words for
    the log: a script's file name replaces its text.
    """

    words: tuple[str, ...]
    called: str = ""
    logged: tuple[str, ...] = ()

    @classmethod
    def of(cls, *words: Word) -> RemoteCommand:
        """Make a command: the program `words[0]`, the rest its arguments."""
        texts = tuple(str(word) for word in words)
        return cls(texts, logged=texts)

    @classmethod
    def script(cls, name: str, *arguments: Word) -> RemoteCommand:
        """Make a command that runs the script `name`, as `load` reads it; see `shell`."""
        return cls.shell(load(name), *arguments)

    @classmethod
    def shell(cls, text: str, *arguments: Word) -> RemoteCommand:
        """Make a command that runs a shell script's text; its arguments are `$1`, `$2` ...

        They are never part of its text, so the shell does not parse them.
        """
        command = cls.of("sh", "-c", text, "sh", *arguments)
        file_name = text.file_name if isinstance(text, Script) else "script"
        return dataclasses.replace(
            command, called=SCRIPT, logged=(file_name, *(str(word) for word in arguments))
        )

    def named(self, name: str) -> RemoteCommand:
        """Return the same command, called `name` in messages."""
        return dataclasses.replace(self, called=name)

    def under(self, *words: Word) -> RemoteCommand:
        """Return this command with `words` before it: `sudo --`, `timeout 5`, ..."""
        texts = tuple(str(word) for word in words)
        return dataclasses.replace(self, words=(*texts, *self.words), logged=(*texts, *self.logged))

    @property
    def name(self) -> str:
        """Its name in messages; by default the program without its folder."""
        return self.called or PurePosixPath(self.words[0]).name

    def described(self) -> str:
        """Return one line for a log."""
        called = f" ({self.called})" if self.called not in ("", SCRIPT) else ""
        return command_text(self.logged) + called

    def render(self) -> str:
        """Build the line for the camera's shell. Raises InputError as `quote` does."""
        return " ".join(quote(word) for word in self.words)
