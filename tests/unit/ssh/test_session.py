"""What is sent to sudo and to programs, and when."""

from __future__ import annotations

import shlex

import pytest
from planted import secret
from pydantic import SecretStr

from recam_deploy.errors import CameraError, SudoError
from recam_deploy.ssh.auth import PasswordOnce
from recam_deploy.ssh.command import RemoteCommand
from recam_deploy.ssh.session import CommandSession, ProbeSession, Result, TransferMonitor
from recam_deploy.ssh.sudo import SudoMarks, SudoSession

MARKS = SudoMarks(prompt="PROMPT:", passed="PASSED;")
COMMAND = RemoteCommand.of("tool", "argument")


def started(session: CommandSession) -> CommandSession:
    """`session` after the program has told its process id."""
    session.feed(stderr=f"{tag_of(session)}4711;".encode())
    return session


def tag_of(session: CommandSession) -> str:
    """Return the word that goes before the process id, from the line for the camera's shell."""
    return shlex.split(session.line().decode())[4]


PASSWORD = secret("a password for sudo")
SECRET = SecretStr(PASSWORD)


def sudo(word: SecretStr | None = SECRET, data: bytes = b"") -> SudoSession:
    session = SudoSession(COMMAND, "me", PasswordOnce(word), data, seconds=60, marks=MARKS)
    started(session)
    return session


def test_the_process_id_is_taken_out_of_what_was_printed() -> None:
    session = CommandSession(COMMAND, seconds=9)
    tag = tag_of(session)
    for byte in f"motd\n{tag}4711;after":
        session.feed(stderr=byte.encode())
    assert session.pid == 4711
    assert session.result(0).stderr == "motd\nafter"


def test_what_is_said_before_the_program_starts_is_not_lost() -> None:
    session = CommandSession(COMMAND, seconds=9)
    session.feed(stderr=b"sh: not allowed\n")
    assert session.result(1).stderr == "sh: not allowed\n"


def test_stdin_is_sent_and_closed() -> None:
    session = CommandSession(COMMAND, b"data", seconds=9)
    session.mark_sent(3)
    assert (session.pending, session.stdin_finished) == (b"a", False)
    session.mark_sent(1)
    assert session.stdin_finished


def test_input_that_is_made_as_it_goes_out_is_sent_to_its_end() -> None:
    session = CommandSession(COMMAND, iter([b"one", b"two"]), seconds=9)
    session.mark_sent(len(session.pending))
    assert (session.pending, session.stdin_finished) == (b"two", False)
    session.mark_sent(3)
    assert session.stdin_finished


def test_where_a_watch_has_enough_the_input_ends() -> None:
    received: list[tuple[int, float]] = []

    def enough(count: int, seconds: float) -> bool:
        received.append((count, seconds))
        return len(received) == 2

    session = CommandSession(
        COMMAND, b"abcdef", seconds=9, monitor=TransferMonitor(should_stop=enough)
    )
    session.mark_sent(2, 0.5)
    assert session.pending == b"cdef"
    session.mark_sent(2, 0.25)
    assert (session.stdin_finished, received) == (True, [(2, 0.5), (2, 0.25)])


def introduced(first: ProbeSession, stdout: bytes) -> Result:
    """What comes of `stdout`, in which TOKEN stands for the word that the line begins with."""
    token = first.limited().words[4]
    first.feed(stdout=stdout.replace(b"TOKEN", token.encode()))
    return first.result(0)


def test_the_first_command_tells_of_the_camera_before_its_own_output() -> None:
    first = ProbeSession(COMMAND, seconds=9)
    result = introduced(first, b"TOKEN 1000 plain\nits own\n\xff")
    assert (result.data, result.stdout) == (b"its own\n\xff", "its own\n\\xff")
    assert first.abilities == (1000, ("timeout",))


@pytest.mark.parametrize("said", [b"", b"Welcome!\nTOKEN 1000 kill\n", b"TOKEN 1000\n"])
def test_a_camera_that_says_something_else_first_is_refused(said: bytes) -> None:
    with pytest.raises(CameraError, match="answered a plain command with"):
        introduced(ProbeSession(COMMAND, seconds=9), said)


def test_a_first_command_that_takes_too_long_is_told_as_that() -> None:
    with pytest.raises(CameraError, match="did not finish within 5 s"):
        ProbeSession(COMMAND, seconds=5).conclude(None, check=True)


def test_output_without_end_is_refused() -> None:
    session = started(CommandSession(COMMAND, seconds=9, monitor=TransferMonitor(output_limit=10)))
    session.feed(stdout=b"12345", stderr=b"12345")
    with pytest.raises(CameraError, match="more than"):
        session.feed(stdout=b"6")


def test_sudo_gets_the_password_only_after_it_asked() -> None:
    session = sudo()
    assert (session.pending, session.stdin_finished) == (b"", False)
    session.feed(stderr=b"We trust you have received the usual lecture\nPROM")
    assert session.pending == b""
    session.feed(stderr=b"PT:")
    assert session.pending == f"{PASSWORD}\n".encode()


def test_the_programs_input_follows_only_after_sudo_let_us_through() -> None:
    session = sudo(data=b"input")
    session.feed(stderr=b"PROMPT:")
    session.mark_sent(len(f"{PASSWORD}\n".encode()))
    assert (session.pending, session.stdin_finished) == (b"", False)
    session.feed(stdout=b"out", stderr=b"PASSED;err")
    assert session.pending == b"input"
    session.mark_sent(5)
    assert session.stdin_finished
    result = session.result(0)
    assert (result.stdout, result.stderr) == ("out", "err")
    assert session.conclude(0, check=True).ok


def test_a_sudo_that_asks_for_nothing_never_gets_the_password() -> None:
    def ask() -> SecretStr:
        raise AssertionError("asked")

    session = SudoSession(COMMAND, "me", PasswordOnce(ask), b"input", seconds=60, marks=MARKS)
    started(session)
    session.feed(stderr=b"PASSED;")
    assert session.pending == b"input"


def test_a_second_question_is_answered_with_the_end_of_input() -> None:
    session = sudo()
    session.feed(stderr=b"PROMPT:")
    session.mark_sent(len(session.pending))
    session.feed(stderr=b"Sorry, try again.\nPROMPT:")
    assert (session.pending, session.stdin_finished) == (b"", True)
    refusal = session.refusal()
    assert "refused the password of me" in refusal.message


def test_a_program_cannot_ask_for_the_password() -> None:
    session = sudo()
    session.feed(stderr=b"PASSED;PROMPT:")
    assert (session.pending, session.stdin_finished) == (b"", True)


def test_without_a_password_sudo_gets_the_end_of_input() -> None:
    session = sudo(None)
    session.feed(stderr=b"PROMPT:")
    assert (session.pending, session.stdin_finished) == (b"", True)
    refusal = session.refusal()
    assert "none was given" in refusal.message


@pytest.mark.parametrize(
    ("said", "status", "message"),
    [
        (b"me is not in the sudoers file.\n", 1, "not in the sudoers file"),
        (b"sh: sudo: not found\n", 127, "has no sudo"),
        (b"sh: sudo: nicht gefunden\n", 127, "has no sudo: sh: sudo: nicht gefunden"),
        (b"timeout: failed to run command 'sudo': No such file or directory\n", 127, "has no sudo"),
        (b"sudo: /etc/sudo.conf is writable by others\n", 1, "is writable by others"),
        (b"sudo: /etc/sudoers: No such file or directory\n", 1, "did not run the command"),
        ("sudo: 권한이 없습니다\n".encode(), 1, "sudo: 권한이 없습니다"),
        (b"", 1, "printed nothing"),
    ],
)
def test_other_refusals_are_told_in_sudos_words_case_60(
    said: bytes, status: int, message: str
) -> None:
    session = sudo()
    session.feed(stderr=said)
    assert session.pending == b""
    with pytest.raises(SudoError) as caught:
        session.conclude(status, check=True)
    assert message in caught.value.message


def test_sudos_words_are_said_once_case_60() -> None:
    session = sudo()
    session.feed(stderr=b"PROMPT:\nEntschuldigung.\nEntschuldigung.\n")
    assert session.refusal(1).message.count("Entschuldigung") == 1


def test_requiretty_is_named_in_the_hint_case_60() -> None:
    session = sudo()
    session.feed(stderr=b"sudo: sorry, you must have a tty to run sudo\n")
    assert "!requiretty" in session.refusal(1).hint


def test_a_password_with_a_line_break_is_refused_and_not_shown() -> None:
    with pytest.raises(SudoError, match="line break") as caught:
        sudo(SecretStr(f"{PASSWORD}\nlines")).feed(stderr=b"PROMPT:")
    assert "two" not in caught.value.message


def test_marks_are_fresh_each_time_and_hold_nothing_that_sudo_expands() -> None:
    assert SudoMarks() != SudoMarks()
    assert "%" not in SudoMarks().prompt


def test_a_password_is_asked_for_once_even_when_there_is_none() -> None:
    calls = []
    once = PasswordOnce(lambda: calls.append(1))
    assert (once(), once(), len(calls)) == (None, None, 1)


@pytest.mark.parametrize("status", [None, 124, 137, 143, -1])
def test_a_program_that_was_ended_for_its_time_is_no_failure_of_its_own(
    status: int | None,
) -> None:
    session = CommandSession(COMMAND, seconds=5)
    session.started -= 5
    with pytest.raises(CameraError, match="did not finish within 5 s"):
        session.conclude(status, check=True)


def test_the_same_status_before_that_is_its_own() -> None:
    assert CommandSession(COMMAND, seconds=5).conclude(143, check=False).exit_status == 143


def test_the_tail_prefers_stderr_and_skips_empty_lines() -> None:
    assert Result(1, "out\n", "a\n\nb\n", 0).tail() == "a | b"
    assert Result(1, "out\n", "\n", 0).tail() == "out"


class LateChannel:
    """Output and the end come between two looks, as they can on a real connection."""

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._data = b"late"
        self.closed = False
        self.eof_received = 0

    def _looked(self) -> None:
        self._looks -= 1
        if self._looks <= 0:
            self.eof_received = 1

    def settimeout(self, timeout: float | None) -> None:
        pass

    def fileno(self) -> int:
        return 0

    def recv_ready(self) -> bool:
        self._looked()
        return bool(self.eof_received and self._data)

    def recv(self, nbytes: int) -> bytes:
        data, self._data = self._data, b""
        return data

    def recv_stderr_ready(self) -> bool:
        self._looked()
        return False

    def recv_stderr(self, nbytes: int) -> bytes:
        return b""

    def send_ready(self) -> bool:
        return True

    def send(self, s: bytes) -> int:
        return len(s)

    def shutdown_write(self) -> None:
        self._looked()

    def exit_status_ready(self) -> bool:
        self._looked()
        return bool(self.eof_received)


class ClosedWindowChannel(LateChannel):
    """Can never take anything when it is looked at; a second wait for it has success."""

    def __init__(self) -> None:
        super().__init__(looks=1000)
        self.waits = 0
        self.got = b""

    def send_ready(self) -> bool:
        return False

    def send(self, s: bytes) -> int:
        self.waits += 1
        if self.waits < 2:
            raise TimeoutError
        self.got += s
        return len(s)

    def shutdown_write(self) -> None:
        self.eof_received = 1


def test_a_closed_window_is_waited_for_in_send_and_is_not_the_links_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channel = ClosedWindowChannel()
    held_up: list[float] = []

    def select(*_: object) -> None:
        assert channel.got, "that would wake too late"

    def enough(_: int, seconds: float) -> bool:
        held_up.append(seconds)
        return False

    monkeypatch.setattr("select.select", select)
    monitor = TransferMonitor(should_stop=enough)
    session = started(CommandSession(COMMAND, b"data", seconds=9, monitor=monitor))
    assert session.pump(channel)
    assert (channel.got, channel.waits, held_up) == (b"data", 2, [0.0])


@pytest.mark.parametrize("looks", range(1, 9))
def test_output_that_comes_with_the_end_is_never_lost(
    looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("select.select", lambda *_: ([], [], []))
    session = started(CommandSession(COMMAND, seconds=9))
    assert session.pump(LateChannel(looks))
    assert session.result(0).stdout == "late"
