"""Vector code written as LLVM IR and compiled when first used: fast kernels on any processor without a C compiler.

Kernels are built on fixed-length vectors, which LLVM splits into whatever registers the processor has. A function
takes 20 to 60 ms to compile and is compiled once per process.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from axhw.emulate.calls import BASE_SHIFT, Kernel
from axhw.emulate.llvm import binding, ir
from axhw.errors import AxhwError

NO_COMPILER = "AXHW_NO_COMPILER"
"""Environment variable that keeps kernels from being compiled: everything then runs in numpy."""

_WIDTHS = {"avx512bw": 512, "avx2": 256}


@dataclass(frozen=True, kw_only=True)
class Processor:
    """What kernels are compiled for.

    Attributes
    ----------
    name : str
        LLVM's name of the processor.
    features : frozenset of str
        LLVM's names of the instruction sets it has.
    """

    name: str
    features: frozenset[str]

    @property
    def vector_bits(self) -> int:
        """Width of its registers."""
        return next((bits for feature, bits in _WIDTHS.items() if feature in self.features), 128)

    @property
    def registers(self) -> int:
        """Vector registers there are."""
        return 32 if self.vector_bits == 512 or "neon" in self.features else 16


def available() -> bool:
    """Whether kernels can be compiled here."""
    return ir is not None and not os.environ.get(NO_COMPILER)


@lru_cache(maxsize=1)
def processor() -> Processor:
    """The processor at hand.

    Raises
    ------
    AxhwError
        Without llvmlite.
    """
    if ir is None:
        raise AxhwError("Expected the package llvmlite to compile kernels with, found none: pip install llvmlite.")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    features = frozenset(name for name, present in _host_features().items() if present)
    return Processor(name=binding.get_host_cpu_name(), features=features)


class Builder:
    """An IR function under construction: ``llvmlite.ir.IRBuilder`` with loops and the index arithmetic of arrays.

    Parameters
    ----------
    name : str
    arguments : sequence of (name, type)
        Types as `pointer` and `integer` make them.
    aliased : names of pointers that may point to the same array as another one
    """

    def __init__(self, name: str, arguments: Sequence[tuple[str, Any]], *, aliased: Sequence[str] = ()) -> None:
        self.module = ir.Module(name=name)
        self.module.triple = binding.get_default_triple()
        kinds = [kind for _, kind in arguments]
        self.function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), name)
        self.ir = ir.IRBuilder(self.function.append_basic_block("entry"))
        self._arguments: dict[str, Any] = {}
        for (argument, kind), value in zip(arguments, self.function.args):
            value.name = argument
            self._arguments[argument] = value
            if isinstance(kind, ir.PointerType) and argument not in aliased:
                value.add_attribute("noalias")

    def __getitem__(self, argument: str) -> Any:
        return self._arguments[argument]

    @contextmanager
    def loop(self, start: Any, stop: Any, *, step: int = 1, carried: Sequence[Any] = ()) -> Iterator[Loop]:
        """A loop over ``range(start, stop, step)`` that carries values from turn to turn.

        Within it `Loop.index` and `Loop.values` are those of the turn; the body ends by `Loop.carry`. After it
        `Loop.values` are the last ones.
        """
        before = self.ir.block
        head, body, end = (self.function.append_basic_block(part) for part in ("head", "body", "end"))
        self.ir.branch(head)
        self.ir.position_at_end(head)
        index = self.ir.phi(start.type)
        index.add_incoming(start, before)
        values = [self.ir.phi(value.type) for value in carried]
        for phi, value in zip(values, carried):
            phi.add_incoming(value, before)
        self.ir.cbranch(self.ir.icmp_signed("<", index, stop), body, end)
        self.ir.position_at_end(body)
        turn = Loop(index=index, values=values)
        yield turn
        for phi, value in zip(values, turn.next_values):
            phi.add_incoming(value, self.ir.block)
        index.add_incoming(self.ir.add(index, index.type(step)), self.ir.block)
        self.ir.branch(head)
        self.ir.position_at_end(end)

    def at(self, array: Any, *index: Any) -> Any:
        """Address of an element; indices are added up."""
        total = index[0] if isinstance(index[0], ir.Value) else constant(index[0])
        for term in index[1:]:
            total = self.ir.add(total, term if isinstance(term, ir.Value) else constant(term))
        return self.ir.gep(array, [total])

    def load(self, address: Any, *, vector: Any = None, aligned: bool = False) -> Any:
        """The element at an address, or the vector that starts there, aligned to its element or to its size."""
        if vector is None:
            return self.ir.load(address)
        value = self.ir.load(self.ir.bitcast(address, vector.as_pointer()))
        value.align = _bytes(vector) if aligned else _bytes(vector.element)
        return value

    def store(self, value: Any, address: Any, *, aligned: bool = False) -> None:
        """Write an element or a vector."""
        kind = value.type
        if isinstance(kind, ir.VectorType):
            stored = self.ir.store(value, self.ir.bitcast(address, kind.as_pointer()))
            stored.align = _bytes(kind) if aligned else _bytes(kind.element)
        else:
            self.ir.store(value, address)

    def broadcast(self, value: Any, lanes: int) -> Any:
        """A vector of equal elements."""
        kind = ir.VectorType(value.type, lanes)
        one = self.ir.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0))
        return self.ir.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros(32, lanes))

    def call(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """The result of an LLVM intrinsic."""
        declared = self.module.globals.get(name)
        if declared is None:
            declared = ir.Function(self.module, ir.FunctionType(result, [a.type for a in arguments]), name)
        return self.ir.call(declared, arguments)

    def compiled(self) -> Kernel:
        """The function in machine code; the builder is done with."""
        self.ir.ret_void()
        packed = self._packed()
        engine = compiled_engine(self.module)
        address, packed_address = (engine.get_function_address(each.name) for each in (self.function, packed))
        return Kernel(engine, address, packed_address, [_ctype(a.type) for a in self.function.args])

    def _packed(self) -> Any:
        """The entry for arguments in an array, addresses perhaps relative as `axhw.emulate.calls.within` says."""
        self.function.attributes.add("noinline")
        function = ir.Function(self.module, packed_type(), f"{self.function.name}_packed")
        b = ir.IRBuilder(function.append_basic_block("entry"))
        words, bases = function.args
        arguments = []
        for i, argument in enumerate(self.function.args):
            word = b.load(b.gep(words, [constant(i)]))
            if isinstance(argument.type, ir.PointerType):
                relative = b.icmp_signed("<", word, constant(0))
                place = b.select(relative, b.not_(word), constant(0))
                base = b.load(b.gep(bases, [b.lshr(place, constant(BASE_SHIFT))]))
                address = b.add(base, b.and_(place, constant((1 << BASE_SHIFT) - 1)))
                arguments.append(b.inttoptr(b.select(relative, address, word), argument.type))
            elif isinstance(argument.type, ir.FloatType):
                arguments.append(b.bitcast(b.trunc(word, integer(32)), argument.type))
            else:
                arguments.append(word if argument.type.width == 64 else b.trunc(word, argument.type))
        b.call(self.function, arguments)
        b.ret_void()
        return function


class Loop:
    """A turn of a loop, see `Builder.loop`."""

    def __init__(self, *, index: Any, values: list[Any]) -> None:
        self.index = index
        self.values = values
        self.next_values = values

    def carry(self, values: Sequence[Any]) -> None:
        """The values with which the next turn starts."""
        self.next_values = list(values)


def packed_type() -> Any:
    """Type of the entry of a kernel for packed arguments: their array, and the array of bases."""
    return ir.FunctionType(ir.VoidType(), [pointer(64), pointer(64)])


def pointer(bits: int) -> Any:
    """Type of an array of integers."""
    return ir.IntType(bits).as_pointer()


def real() -> Any:
    """Type of a float32."""
    return ir.FloatType()


def reals(count: int) -> Any:
    """Type of a vector of float32."""
    return ir.VectorType(ir.FloatType(), count)


def integer(bits: int = 64) -> Any:
    """Type of an integer; indices have 64 bits."""
    return ir.IntType(bits)


def constant(value: int, bits: int = 64) -> Any:
    """An integer."""
    return ir.Constant(ir.IntType(bits), value)


def lanes(bits: int, count: int) -> Any:
    """Type of a vector of integers."""
    return ir.VectorType(ir.IntType(bits), count)


def zeros(bits: int, count: int) -> Any:
    """A vector of zeros."""
    return ir.Constant(lanes(bits, count), None)


def vector(values: Sequence[int], bits: int = 32) -> Any:
    """A constant vector."""
    return ir.Constant(lanes(bits, len(values)), list(values))


def _host_features() -> Any:
    """Instruction sets by LLVM's names; none where LLVM can not tell."""
    try:
        return binding.get_host_cpu_features()
    except RuntimeError:
        return binding.FeatureMap()


def _bytes(kind: Any) -> int:
    if isinstance(kind, ir.VectorType):
        return _bytes(kind.element) * int(kind.count)
    return 4 if isinstance(kind, ir.FloatType) else int(kind.width) // 8


def _ctype(kind: Any) -> type:
    if isinstance(kind, ir.PointerType):
        return ctypes.c_void_p
    if isinstance(kind, ir.FloatType):
        return ctypes.c_float
    return {32: ctypes.c_int32, 64: ctypes.c_int64}[kind.width]


def compiled_engine(source: Any) -> Any:
    """Machine code of a module. The IR is unrolled and vectorised already, so LLVM is told not to."""
    found = processor()
    module = binding.parse_assembly(str(source))
    module.verify()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=found.name, features=_host_features().flatten(), opt=3
    )
    tuning = binding.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_unrolling = False
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    passes = binding.create_pass_builder(machine, tuning)
    passes.getModulePassManager().run(module, passes)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    return engine
