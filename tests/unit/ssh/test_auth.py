"""Which ways in are tried, and what is said when none leads in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from planted import WRONG, secret
from pydantic import SecretStr

from recam_deploy.errors import AuthenticationError, SettingsError
from recam_deploy.settings import CameraSettings, SshOptions
from recam_deploy.ssh.auth import (
    MOST_CONNECTIONS,
    OnePrompt,
    OtherQuestionError,
    PasswordOnce,
    SourcedPassword,
    SshLogin,
)
from recam_deploy.ssh.keys import Keys, LockedKeyError, UnusableKeyError

RIGHT = secret("the right password")


class Door:
    """A server that accepts `methods`, one key, and one password."""

    def __init__(
        self, *methods: str, key: str = "", password: str = "", patience: int = 99, more: str = ""
    ) -> None:
        self._methods = methods
        self._key = key
        self._password = password
        self._patience = patience
        self._more = (more,) if more else ()
        self.tried: list[str] = []

    @property
    def closed_by_server(self) -> bool:
        return len(self.tried) >= self._patience

    def methods(self) -> tuple[str, ...]:
        return self._methods

    def try_key(self, key: str) -> tuple[str, ...] | None:
        self.tried.append(key)
        return self._more if key == self._key else None

    def try_password(self, way: str, password: SecretStr) -> tuple[str, ...] | None:
        self.tried.append(way)
        return () if password.get_secret_value() == self._password else None


def login(password: str | None = None) -> SshLogin[str]:
    return SshLogin("cam", "me", PasswordOnce(SecretStr(password) if password else None))


def test_keys_are_tried_until_one_leads_in() -> None:
    door = Door("publickey", "password", key="two")
    assert login().with_keys(door, ["one", "two", "three"])
    assert door.tried == ["one", "two"]


def test_a_server_that_wants_nothing_lets_us_in() -> None:
    door = Door()
    assert login().with_keys(door, ["one"])
    assert door.tried == []


def test_keys_are_not_offered_where_none_are_taken() -> None:
    door = Door("password", password=RIGHT)
    entry = login(RIGHT)
    assert not entry.with_keys(door, ["one"])
    entry.with_password(door)
    assert door.tried == ["password"]


def test_no_more_keys_are_tried_after_the_server_hung_up() -> None:
    door = Door("publickey", "password", patience=2)
    assert not login().with_keys(door, ["one", "two", "three"])
    assert door.tried == ["one", "two"]


def test_a_wrong_password_is_tried_once_by_one_way_only() -> None:
    door = Door("password", "keyboard-interactive", password=RIGHT)
    entry = login(WRONG)
    entry.with_keys(door, [])
    with pytest.raises(AuthenticationError, match="one attempt") as caught:
        entry.with_password(door)
    assert door.tried == ["password"]
    assert WRONG not in caught.value.message + caught.value.hint


def test_a_wrong_password_is_told_by_its_variable_and_with_the_way_to_a_key() -> None:
    door = Door("password", password=RIGHT)
    once = PasswordOnce(SourcedPassword(WRONG, "RECAM_PASSWORD_PORCH"))
    entry: SshLogin[str] = SshLogin("cam", "me", once, 2222)
    entry.with_keys(door, [])
    with pytest.raises(AuthenticationError) as caught:
        entry.with_password(door)
    assert "comes from RECAM_PASSWORD_PORCH: correct it" in caught.value.hint
    assert "ssh-copy-id -p 2222 me@cam" in caught.value.hint
    assert "--key" in caught.value.hint


def test_a_key_that_is_only_half_the_way_goes_on_with_the_password() -> None:
    door = Door("publickey", key="one", more="password", password=RIGHT)
    entry = login(RIGHT)
    assert not entry.with_keys(door, ["one"])
    entry.with_password(door)
    assert door.tried == ["one", "password"]


def test_a_server_for_keys_only_is_named_as_such_and_no_password_asked_for() -> None:
    def ask() -> SecretStr:
        raise AssertionError("asked")

    entry: SshLogin[str] = SshLogin("cam", "me", PasswordOnce(ask))
    door = Door("publickey", "hostbased")
    entry.with_keys(door, ["one"])
    with pytest.raises(AuthenticationError, match="only publickey, hostbased: 1 key") as caught:
        entry.with_password(door, ["id_x has a passphrase."])
    assert "id_x has a passphrase." in caught.value.hint


def test_without_a_password_the_message_says_how_to_give_one() -> None:
    entry = login()
    door = Door("publickey", "password")
    entry.with_keys(door, [])
    with pytest.raises(AuthenticationError, match="no password was given") as caught:
        entry.with_password(door)
    assert "RECAM_PASSWORD" in caught.value.hint


def test_one_hidden_question_is_answered_once() -> None:
    answer = OnePrompt(SecretStr(RIGHT))
    assert answer("", "", []) == []
    assert answer("", "", [("Password: ", False)]) == [RIGHT]
    with pytest.raises(ValueError, match="again"):
        answer("", "", [("Password: ", False)])


@pytest.mark.parametrize("prompts", [[("Name: ", True)], [("a", False), ("b", False)]])
def test_other_questions_get_no_password(prompts: list[tuple[str, bool]]) -> None:
    with pytest.raises(OtherQuestionError):
        OnePrompt(SecretStr(RIGHT))("", "", prompts)


@pytest.mark.parametrize(
    "prompts",
    [
        [("Verification code: ", False)],
        [("Password: ", False), ("Verification code: ", False)],
        [("Enter PIN for token: ", False)],
        [("One-time password (OATH): ", False)],
    ],
)
def test_a_code_is_named_and_gets_no_password_case_61(prompts: list[tuple[str, bool]]) -> None:
    with pytest.raises(OtherQuestionError) as caught:
        OnePrompt(SecretStr(RIGHT))("", "", prompts)
    assert str(caught.value) == prompts[-1][0].strip()


def test_a_question_after_the_password_is_named_case_61() -> None:
    answer = OnePrompt(SecretStr(RIGHT))
    answer("", "", [("Password: ", False)])
    with pytest.raises(OtherQuestionError, match="Duo push"):
        answer("", "", [("Duo push or 1-digit \x1b[31m\nchoice: ", False)])


@pytest.mark.parametrize("prompt", ["Current password: ", "(current) UNIX password: "])
def test_a_demand_for_a_new_password_is_told_apart_case_61(prompt: str) -> None:
    answer = OnePrompt(SecretStr(RIGHT))
    answer("", "", [("Password: ", False)])
    with pytest.raises(OtherQuestionError) as caught:
        answer("", "You are required to change your password immediately.", [(prompt, False)])
    assert caught.value.changes_password


def test_keys_go_on_over_another_connection_and_none_is_offered_twice_case_16() -> None:
    keys = iter(str(number) for number in range(9))
    entry = login()
    doors = [Door("publickey", patience=3) for _ in range(2)]
    for door in doors:
        assert not entry.with_keys(door, keys)
        assert entry.may_go_on(door)
    assert [door.tried for door in doors] == [["0", "1", "2"], ["3", "4", "5"]]


def test_what_was_left_untried_is_told_case_16() -> None:
    entry = login()
    for _ in range(MOST_CONNECTIONS):
        door = Door("publickey", patience=1)
        entry.with_keys(door, ["one"])
    assert not entry.may_go_on(door)
    entry.left_untried(4)
    with pytest.raises(AuthenticationError, match="4 left untried") as caught:
        entry.with_password(door)
    assert "--key" in caught.value.hint


def with_keys(*paths: Path, only: bool = False) -> CameraSettings:
    return CameraSettings().with_ssh(SshOptions(keys=paths, identities_only=only))


def test_a_key_of_sshs_config_comes_before_the_agents_case_16(home: Path) -> None:
    (home / "mine").write_text("x")
    chosen = with_keys(home / "mine", home / "none")
    assert list(Keys(chosen, loading(), agent)) == ["mine", "agent's"]
    only = with_keys(home / "mine", only=True)
    assert list(Keys(only, loading(), agent)) == ["mine"]


def test_a_locked_key_that_the_agent_holds_is_offered_in_its_place(home: Path) -> None:
    (home / "mine").write_text("x")
    (home / "mine.pub").write_text("ssh-ed25519 YWdlbnQncw== me\n")
    chosen = with_keys(home / "mine", only=True)
    keys = Keys(chosen, loading(mine=LockedKeyError()), agent, str.encode)
    assert list(keys) == ["agent's"]
    assert keys.notes == []


def loading(**outcomes: Exception) -> Callable[[Path], list[str]]:
    def load(path: Path) -> list[str]:
        if path.name in outcomes:
            raise outcomes[path.name]
        return [path.name]

    return load


def agent() -> Iterator[str]:
    yield "agent's"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    for name in ("id_rsa", "id_ed25519", "id_other", "id_rsa.pub"):
        (tmp_path / ".ssh" / name).write_text("x")
    return tmp_path


def test_the_named_key_comes_first_then_the_agents_then_the_usual_files(home: Path) -> None:
    keys = Keys(CameraSettings(key=home / "named"), loading(), agent)
    assert list(keys) == ["named", "agent's", "id_ed25519", "id_rsa"]


def test_a_locked_key_is_passed_over_and_noted(home: Path) -> None:
    keys = Keys(CameraSettings(), loading(id_rsa=LockedKeyError()), agent)
    assert list(keys) == ["agent's", "id_ed25519"]
    assert "id_rsa has a passphrase" in keys.notes[0]


def test_only_a_named_file_must_be_a_key(home: Path) -> None:
    load = loading(id_rsa=UnusableKeyError("no key"), named=UnusableKeyError("no key"))
    assert list(Keys(CameraSettings(), load, agent)) == ["agent's", "id_ed25519"]
    with pytest.raises(SettingsError, match="cannot be used: no key"):
        list(Keys(CameraSettings(key=home / "named"), load, agent))
