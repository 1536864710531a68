"""Signals that end what runs, raised as exceptions wherever they fall."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

_AGAIN_S = 0.02


class Interrupts:
    """A signal raises an exception in the block, and is remembered.

    Remembered, as a callback of compiled code may swallow the exception, and something fails for that later. One that
    falls into a finalizer, which can't raise it, comes again a moment later and is not printed.

    Where the signal is ignored, as Ctrl-C in the background of a shell, or is handled by somebody else, it stays so;
    and only the main thread gets signals.

    Parameters
    ----------
    number : signal.Signals, optional
        Ctrl-C unless told.
    error : type, optional
        What is raised, of the exit code that shells give: 128 and the number of the signal.

    Attributes
    ----------
    seen : bool
        Whether the signal came.
    """

    def __init__(
        self, number: signal.Signals = signal.SIGINT, *, error: type[BaseException] = KeyboardInterrupt
    ) -> None:
        self.seen = False
        self._number = number
        self._error = error
        self._usual_handler = signal.getsignal(number)
        self._usual_hook = sys.unraisablehook
        self._installed = False

    def __enter__(self) -> Interrupts:
        usual = self._usual_handler in (signal.SIG_DFL, signal.default_int_handler)
        if usual and threading.current_thread() is threading.main_thread():
            signal.signal(self._number, self._raise)
            sys.unraisablehook = self._not_raised
            self._installed = True
        return self

    def __exit__(self, *error: object) -> None:
        if self._installed:
            self._installed = False
            sys.unraisablehook = self._usual_hook
            signal.signal(self._number, self._usual_handler)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        raise self._error(128 + self._number)

    def _not_raised(self, found: sys.UnraisableHookArgs) -> None:
        if not issubclass(found.exc_type, self._error):
            self._usual_hook(found)
            return
        # Not here, which is still within the finalizer.
        again = threading.Timer(_AGAIN_S, self._repeat)
        again.daemon = True
        again.start()

    def _repeat(self) -> None:
        if self._installed:
            os.kill(os.getpid(), self._number)
