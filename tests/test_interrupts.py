"""Signals as exceptions: where they fall into finalizers, what stays as it was."""

import os
import signal
import sys
import threading

import pytest

from axhw.interrupts import Interrupts


class Signalled:
    """One whose finalizer a signal falls into."""

    def __init__(self, number: signal.Signals) -> None:
        self.number = number

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["SIGINT", "SIGTERM"]
)
def test_a_signal_in_a_finalizer_comes_again(
    number: signal.Signals, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    hook, handler = sys.unraisablehook, signal.getsignal(number)
    interrupts = Interrupts(number, error=error)

    def finalizes() -> None:
        with interrupts:
            Signalled(number)
            # Ends at once where the signal comes.
            threading.Event().wait(60)

    with pytest.raises(error) as raised:
        finalizes()
    assert raised.value.args == (128 + number,)
    assert interrupts.seen
    assert "Exception ignored" not in capsys.readouterr().err
    assert sys.unraisablehook is hook
    assert signal.getsignal(number) is handler


def test_what_else_finalizers_cannot_raise_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("not one of ours")

    found = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: found.append(str(told.exc_value)))
    with Interrupts():
        Broken()
    assert found == ["not one of ours"]


def test_handlers_of_others_stay() -> None:
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        with Interrupts(signal.SIGTERM) as interrupts:
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
    assert not interrupts.seen


def test_other_threads_take_no_signals() -> None:
    usual = signal.getsignal(signal.SIGINT)

    def enter() -> None:
        with Interrupts():
            assert signal.getsignal(signal.SIGINT) is usual

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
