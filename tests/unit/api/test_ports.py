"""Ports that several farms claim at the same time."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

from pilotfarm.api import ports
from pilotfarm.api.ports import BLOCK, END, FIRST, claimed
from pilotfarm.emulators.errors import ConfigError


def test_what_is_claimed_is_never_claimed_again_until_it_is_given_back() -> None:
    counts = [1, BLOCK, BLOCK + 1, 3 * BLOCK - 1] * 8
    with ExitStack() as stack:
        taken = [range(first, first + n) for n in counts for first in [stack.enter_context(claimed(n))]]
        assert all(each.start >= FIRST and each.stop <= END for each in taken)
        assert len({port for each in taken for port in each}) == sum(counts)


@pytest.fixture
def three_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Few ports, and none that others claim meanwhile: the first of them."""
    first = 10_000 + 3 * BLOCK * (os.getpid() % 40)
    monkeypatch.setattr(ports, "FIRST", first)
    monkeypatch.setattr(ports, "END", first + 3 * BLOCK)
    return first


def test_all_ports_there_are_can_be_claimed_again_and_again(three_blocks: int) -> None:
    for _ in range(3):
        with claimed(3 * BLOCK) as first:
            assert first == three_blocks


def test_a_port_on_which_somebody_listens_is_passed_over(three_blocks: int) -> None:
    first = three_blocks
    with socket.create_server(("127.0.0.1", first + BLOCK - 1)):
        for _ in range(10):  # which block comes first is drawn
            with claimed(BLOCK) as found:
                assert found in (first + BLOCK, first + 2 * BLOCK)
        with pytest.raises(ConfigError, match="no 192 free ports in a row"), claimed(3 * BLOCK):
            pass


def test_more_than_there_are_is_refused_with_what_to_do() -> None:
    with (
        pytest.raises(ConfigError, match=r"there are no 12,769 free ports .*; say addresses"),
        claimed(END - FIRST + 1),
    ):
        pass
