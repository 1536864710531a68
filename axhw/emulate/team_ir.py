"""Compiled code that shares out calls of kernels among threads that wait for them, without the interpreter.

A *program* is an array of 64-bit words: where each task begins, and where the last one ends, counted in words from the
program's start, then the calls of all tasks as `axhw.emulate.calls.Call` words them. The *bases* are an array of the
addresses that its arguments may be relative to; each thread has its own, in which the first is its work space. Threads
meet at a *board*:

- The leader posts a program by a number never used before. Threads that see it draw tasks, the leader among them,
  until none is left. It then takes the number down and waits for those that are still at a task.
- A helper first counts itself as busy, then looks whether the number it saw is still there. The leader takes the
  number down, then looks whether somebody is busy. In the one order of these four steps on which all threads agree
  either the helper finds the number gone or the leader waits for it.
- A helper that has found nothing new for about a tenth of a millisecond says that it is asleep and waits for its lock.

A leader therefore never waits for a helper that has not come. Without any it does all tasks itself.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from axhw.emulate import vector_ir as v
from axhw.emulate.llvm import binding, ir

# Words of the board, each on cache lines of its own.
WORDS_APART = 16
POSTED, LAST_NUMBER, PROGRAM, TASKS, NEXT_TASK, BUSY, BASES, BASES_BYTES, HELPERS, STOP, FIRST_HELPER = (
    WORDS_APART * i for i in range(11)
)
# Words of a helper, counted from its own place on the board.
ASLEEP, LOCK = 0, 1

_LOOKS = 16
# Each of so many turns ends by offering the processor to others, which takes about half a microsecond.
_TURNS = 200


def place_of_helper(index: int) -> int:
    """Where on the board the words of a helper are."""
    return FIRST_HELPER + WORDS_APART * index


class TeamCode:
    """The compiled functions.

    Attributes
    ----------
    alone : function of (program, number of tasks, bases)
        Runs all tasks.
    lead : function of (board)
        Runs what the board says, with those who come.
    help : function of (board, index of the helper)
        Does so for others until the board says stop.
    """

    def __init__(self) -> None:
        module = ir.Module(name="team")
        module.triple = binding.get_default_triple()
        run = _run_task(module)
        draw = _draw_tasks(module, run)
        functions = (_alone(module, run), _lead(module, draw), _help(module, draw))
        self._engine = v.compiled_engine(module)
        self.alone, self.lead, self.help = (
            ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(function.args))(
                self._engine.get_function_address(function.name)
            )
            for function in functions
        )


@lru_cache(maxsize=1)
def team_code() -> TeamCode:
    """Compile it."""
    return TeamCode()


class _Function:
    """A function under construction whose arguments are integers, the first one an address of words."""

    def __init__(self, module: Any, name: str, arguments: int) -> None:
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), [v.integer()] * arguments), name)
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.arguments = self.function.args
        self.words = self.b.inttoptr(self.arguments[0], v.pointer(64))

    def block(self) -> Any:
        return self.function.append_basic_block()

    def at(self, word: Any) -> Any:
        return self.b.gep(self.words, [word if isinstance(word, ir.Value) else v.constant(word)])

    def plain(self, word: Any) -> Any:
        """A word that nobody changes meanwhile."""
        return self.b.load(self.at(word))

    def shared(self, word: Any) -> Any:
        """A word that others change."""
        return self.b.load_atomic(self.at(word), "seq_cst", 8)

    def share(self, word: Any, value: Any) -> None:
        self.b.store_atomic(value, self.at(word), "seq_cst", 8)

    def swap(self, operation: str, word: Any, value: int) -> Any:
        return self.b.atomic_rmw(operation, self.at(word), v.constant(value), "seq_cst")

    def equal(self, x: Any, y: Any) -> Any:
        return self.b.icmp_signed("==", x, y)

    def leave_if(self, condition: Any, target: Any) -> None:
        """Go to a block, or on."""
        rest = self.block()
        self.b.cbranch(condition, target, rest)
        self.b.position_at_end(rest)

    @contextmanager
    def forever(self) -> Iterator[None]:
        """A loop that only `leave_if` ends."""
        head = self.block()
        self.b.branch(head)
        self.b.position_at_end(head)
        yield
        self.b.branch(head)

    @contextmanager
    def count(self, stop: Any) -> Iterator[Any]:
        """A loop over a range."""
        before, head, body, end = self.b.block, self.block(), self.block(), self.block()
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(v.integer())
        index.add_incoming(v.constant(0), before)
        self.b.cbranch(self.b.icmp_signed("<", index, stop), body, end)
        self.b.position_at_end(body)
        yield index
        index.add_incoming(self.b.add(index, v.constant(1)), self.b.block)
        self.b.branch(head)
        self.b.position_at_end(end)

    def call_address(self, address: Any, result: Any, arguments: list[Any]) -> Any:
        """Call what lies at an address."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        return self.b.call(self.b.inttoptr(address, kind.as_pointer()), arguments)

    def pause(self) -> None:
        """Tell the processor that this thread only waits, where there is a way to."""
        triple = self.function.module.triple
        name, arguments = "", []
        if triple.startswith(("x86_64", "i686")):
            name = "llvm.x86.sse2.pause"
        elif triple.startswith(("aarch64", "arm64")):
            name, arguments = "llvm.aarch64.hint", [v.constant(1, 32)]
        if name:
            kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
            known = self.function.module.globals.get(name)
            self.b.call(known or ir.Function(self.function.module, kind, name), arguments)

    def give_way(self) -> None:
        """Offer the processor to others."""
        address = _yield_address()
        if address:
            self.call_address(v.constant(address), v.integer(32), [])

    def done(self) -> Any:
        self.b.ret_void()
        return self.function


def _run_task(module: Any) -> Any:
    """Run the calls of a task: (program, task, bases)."""
    f = _Function(module, "run_task", 3)
    _, task, bases = f.arguments
    bases = f.b.inttoptr(bases, v.pointer(64))
    end = f.plain(f.b.add(task, v.constant(1)))
    place = f.b.alloca(v.integer())
    f.b.store(f.plain(task), place)
    out = f.block()
    with f.forever():
        call = f.b.load(place)
        f.leave_if(f.b.icmp_signed(">=", call, end), out)
        first = f.b.add(call, v.constant(2))
        entry = f.b.inttoptr(f.plain(call), v.packed_type().as_pointer())
        f.b.call(entry, [f.at(first), bases])
        f.b.store(f.b.add(first, f.plain(f.b.add(call, v.constant(1)))), place)
    f.b.position_at_end(out)
    return f.done()


def _draw_tasks(module: Any, run: Any) -> Any:
    """Run tasks that nobody has drawn, until there is none: (board, bases)."""
    f = _Function(module, "draw_tasks", 2)
    out = f.block()
    with f.forever():
        task = f.swap("add", NEXT_TASK, 1)
        f.leave_if(f.b.icmp_signed(">=", task, f.plain(TASKS)), out)
        f.b.call(run, [f.plain(PROGRAM), task, f.arguments[1]])
    f.b.position_at_end(out)
    return f.done()


def _alone(module: Any, run: Any) -> Any:
    f = _Function(module, "alone", 3)
    with f.count(f.arguments[1]) as task:
        f.b.call(run, [f.arguments[0], task, f.arguments[2]])
    return f.done()


def _lead(module: Any, draw: Any) -> Any:
    f = _Function(module, "lead", 1)
    number = f.b.add(f.plain(LAST_NUMBER), v.constant(1))
    f.b.store(number, f.at(LAST_NUMBER))
    f.share(NEXT_TASK, v.constant(0))
    f.share(POSTED, number)
    with f.count(f.plain(HELPERS)) as index:
        helper = f.b.add(f.b.mul(index, v.constant(WORDS_APART)), v.constant(FIRST_HELPER))
        with f.b.if_then(f.equal(f.shared(helper), v.constant(1))):
            f.share(helper, v.constant(0))
            lock = f.plain(f.b.add(helper, v.constant(LOCK)))
            f.call_address(v.constant(lock_function("release")), ir.VoidType(), [lock])
    f.b.call(draw, [f.arguments[0], f.plain(BASES)])
    f.share(POSTED, v.constant(0))
    out = f.block()
    with f.forever():
        with f.count(v.constant(_LOOKS)):
            f.leave_if(f.equal(f.shared(BUSY), v.constant(0)), out)
            f.pause()
        f.give_way()
    f.b.position_at_end(out)
    return f.done()


def _help(module: Any, draw: Any) -> Any:
    f = _Function(module, "help", 2)
    index = f.arguments[1]
    helper = f.b.add(f.b.mul(index, v.constant(WORDS_APART)), v.constant(FIRST_HELPER))
    seen = f.b.alloca(v.integer())
    f.b.store(v.constant(0), seen)
    out = f.block()
    with f.forever():
        found, again = f.block(), f.block()
        with f.count(v.constant(_TURNS)):
            with f.count(v.constant(_LOOKS)):
                posted = f.shared(POSTED)
                new = f.b.icmp_signed("!=", posted, f.b.load(seen))
                f.leave_if(f.b.and_(new, f.b.icmp_signed("!=", posted, v.constant(0))), found)
                f.pause()
            f.give_way()
        f.share(f.b.add(helper, v.constant(ASLEEP)), v.constant(1))
        lock = f.plain(f.b.add(helper, v.constant(LOCK)))
        f.call_address(v.constant(lock_function("acquire")), v.integer(32), [lock, v.constant(1, 32)])
        f.leave_if(f.equal(f.shared(STOP), v.constant(1)), out)
        f.b.branch(again)
        f.b.position_at_end(found)
        f.b.store(posted, seen)
        f.swap("add", BUSY, 1)
        with f.b.if_then(f.equal(f.shared(POSTED), posted)):
            own = f.b.mul(f.b.add(index, v.constant(1)), f.plain(BASES_BYTES))
            f.b.call(draw, [f.arguments[0], f.b.add(f.plain(BASES), own)])
        f.swap("sub", BUSY, 1)
        f.b.branch(again)
        f.b.position_at_end(again)
    f.b.position_at_end(out)
    return f.done()


@lru_cache(maxsize=3)
def lock_function(action: str) -> int:
    """Address of a function of the interpreter's own locks, which work without the interpreter; 0 if it has none."""
    return _address(getattr(ctypes, "pythonapi", None), f"PyThread_{action}_lock")


def _yield_address() -> int:
    """Address of what gives other threads the processor; 0 if it is not known."""
    if hasattr(ctypes, "WinDLL"):
        return _address(ctypes.WinDLL("kernel32"), "SwitchToThread")
    return _address(ctypes.CDLL(None), "sched_yield")


def _address(library: object, name: str) -> int:
    function = getattr(library, name, None)
    return ctypes.cast(function, ctypes.c_void_p).value or 0 if function is not None else 0
