"""The compiler's demands on a machine."""

from __future__ import annotations

import pytest

from recam_deploy.errors import ToolchainError
from recam_deploy.toolchain.host import HostFacts, check_host, host_facts, obstacle

UBUNTU_22_04 = HostFacts("Linux", "x86_64", (2, 35))


@pytest.mark.parametrize("glibc", [(2, 34), (2, 35), (2, 36), (2, 41), (3, 0)])
def test_linux_on_x86_64_with_a_new_enough_glibc_is_fine(glibc: tuple[int, ...]) -> None:
    check_host(HostFacts("Linux", "x86_64", glibc))


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        (HostFacts("Darwin", "arm64", None), "macOS"),
        (HostFacts("Darwin", "x86_64", None), "macOS"),
        (HostFacts("Windows", "AMD64", None), "Windows"),
        (HostFacts("FreeBSD", "amd64", None), "FreeBSD"),
        (HostFacts("Linux", "aarch64", (2, 36)), "aarch64"),
        (HostFacts("Linux", "riscv64", (2, 39)), "riscv64"),
        (HostFacts("Linux", "i686", (2, 36)), "i686"),
        (HostFacts("Linux", "x86_64", None), "musl"),
        (HostFacts("Linux", "x86_64", (2, 31)), "glibc 2.34 or later, and this machine has 2.31"),
    ],
)
def test_any_other_machine_is_refused_with_what_it_is_and_the_way_out(
    facts: HostFacts, word: str
) -> None:
    with pytest.raises(ToolchainError) as caught:
        check_host(facts)
    assert word in caught.value.message
    assert "--toolchain docker" in caught.value.hint
    assert "Linux x86-64" in caught.value.hint


def test_windows_is_told_of_wsl() -> None:
    with pytest.raises(ToolchainError) as caught:
        check_host(HostFacts("Windows", "AMD64", None))
    assert "WSL" in caught.value.hint


def test_no_obstacle_is_none() -> None:
    assert obstacle(UBUNTU_22_04) is None


def test_facts_of_this_machine_are_complete() -> None:
    facts = host_facts()
    assert facts.system
    assert facts.machine
    assert facts.glibc is None or len(facts.glibc) >= 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("glibc 2.36", (2, 36)), ("musl 1.2", None), ("", None), (None, None), ("glibc x", None)],
)
def test_only_glibc_counts_as_glibc(
    monkeypatch: pytest.MonkeyPatch, text: str | None, expected: tuple[int, ...] | None
) -> None:
    monkeypatch.setattr("os.confstr", lambda name: text, raising=False)
    assert host_facts().glibc == expected
