"""Signals that ask a program to end are kept until it looks."""

import os
import signal

import pytest

from lastmile.cli.interruption import ENDING, Interruption


@pytest.mark.parametrize("number", ENDING)
def test_signal_is_raised_where_it_is_asked_for_and_nowhere_else(number):
    with Interruption() as interruption:
        interruption.check()
        os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()


def test_handlers_are_given_back_whatever_happens_within():
    before = [signal.getsignal(number) for number in ENDING]
    with pytest.raises(ValueError), Interruption():
        assert [signal.getsignal(number) for number in ENDING] != before
        raise ValueError
    assert [signal.getsignal(number) for number in ENDING] == before
