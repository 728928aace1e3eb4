"""Numbers as bits, for loops that LLVM turns into vector instructions.

bf16 is the upper half of fp32: arrays of it travel as uint16. Numba would widen a shift of small integers to 64 bits
and so halve the vectors; hence the few instructions below, spelled out.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils as untyped_cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

cgutils: Any = untyped_cgutils
LINE = 64  # bytes
I8, I32, F32 = ir.IntType(8), ir.IntType(32), ir.FloatType()


def _widen(typing: Any, x: Any) -> Any:
    """fp32 of a bf16 (uint16) or of an fp32."""
    if x == types.float32:
        return types.float32(x), lambda context, builder, signature, args: args[0]
    if x != types.uint16:
        raise TypingError(f"bf16 travels as uint16; {x} is neither that nor fp32")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.shl(builder.zext(args[0], I32), I32(16)), F32)

    return types.float32(x), generate


def _narrow(typing: Any, x: Any, like: Any) -> Any:
    """fp32 `x` in the type of `like`: bf16 (uint16), rounded to nearest even, or fp32. A NaN may become infinite."""
    if like == types.float32:
        return types.float32(types.float32, like), lambda context, builder, signature, args: args[0]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], I32)
        odd = builder.and_(builder.lshr(bits, I32(16)), I32(1))
        rounded = builder.add(bits, builder.add(odd, I32(0x7FFF)))
        return builder.trunc(builder.lshr(rounded, I32(16)), ir.IntType(16))

    return types.uint16(types.float32, like), generate


def _scaled(typing: Any, x: Any, power: Any) -> Any:
    """x * 2**power for fp32 x near 1 and a whole fp32 power in -126 .. 127."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        power = builder.shl(builder.fptosi(args[1], I32), I32(23))
        return builder.bitcast(builder.add(builder.bitcast(args[0], I32), power), F32)

    return types.float32(types.float32, types.float32), generate


def _fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c in fp32, rounded once."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), generate


def _greater(typing: Any, a: Any, b: Any) -> Any:
    """The greater of two fp32; `b` where one is no number. One instruction, as `max` is not."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return types.float32(types.float32, types.float32), generate


def _per_line(typing: Any, array: Any) -> Any:
    """Elements of the array in a cache line, known to the compiler."""
    count = ir.Constant(ir.IntType(64), LINE // (array.dtype.bitwidth // 8))
    return types.int64(array), lambda context, builder, signature, args: count


def _prefetch(typing: Any, array: Any, row: Any, column: Any) -> Any:
    """Ask for the cache line that holds array[row, column]; it must lie inside the array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, args[0])
        item = cgutils.get_item_pointer(context, builder, signature.args[0], view, list(args[1:]), wraparound=False)
        kind = ir.FunctionType(ir.VoidType(), [I8.as_pointer(), I32, I32, I32])
        call = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        to_read, keep_near, data = I32(0), I32(3), I32(1)
        builder.call(call, [builder.bitcast(item, I8.as_pointer()), to_read, keep_near, data])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


widen: Any = intrinsic(_widen)
narrow: Any = intrinsic(_narrow)
scaled: Any = intrinsic(_scaled)
fma: Any = intrinsic(_fma)
greater: Any = intrinsic(_greater)
per_line: Any = intrinsic(_per_line)
prefetch: Any = intrinsic(_prefetch)
