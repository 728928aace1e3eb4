"""How kernels are compiled: at the first call, once per machine.

Numba keeps compiled code in `__pycache__` beside the source, in NUMBA_CACHE_DIR if that is set, or in the user's cache
folder if the package is read-only. Where none of them can be written, kernels still work and compile in every process.
"""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numba
import torch
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Array = NDArray[Any]

# `nnan` and `ninf` are left out: a row that sees nothing has a log mass of -inf
FAST = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})
STAMP = sha256(b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))).digest()


def kernel(*, parallel: bool = False, strict: bool = False) -> Callable[[F], F]:
    """Compile a function lazily, without the interpreter lock.

    Args:
        strict: every operation is rounded as it is written. Else the compiler may reorder them, which sums need to
            become vector instructions. Of a loop that stores, it makes two versions, one for memory that may overlap,
            and which of them runs depends on where arrays happen to lie: where both must agree in the last bit, such
            loops are strict, and only loops that store nothing are not.
    """
    fast = False if strict else set(FAST)
    options: dict[str, Any] = {"parallel": parallel, "fastmath": fast, "nogil": True, "error_model": "numpy"}

    def decorate(function: F) -> F:
        try:
            compiled: Any = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # nowhere to keep it: "no locator available"
            compiled = numba.njit(**options)(function)
        with suppress(AttributeError):
            # kernels call one another, and Numba would notice a change only in the file that a kernel stands in
            compiled._cache._cache_file._source_stamp = STAMP
        return compiled  # type: ignore[no-any-return]

    return decorate


def follow_torch() -> None:
    """Let kernels use as many threads as PyTorch does, on this thread from now on."""
    config: Any = numba.config
    wanted = min(torch.get_num_threads(), config.NUMBA_NUM_THREADS)
    if numba.get_num_threads() != wanted:
        numba.set_num_threads(wanted)
