"""How kernels are compiled: at the first call, once per machine.

Numba keeps compiled code in `__pycache__` beside the source, in NUMBA_CACHE_DIR if that is set, or in the user's cache
folder if the package is read-only. Where none of them can be written, kernels still work and compile in every process.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Array = NDArray[Any]

# `nnan` and `ninf` are left out: a row that sees nothing has a log mass of -inf
FAST = frozenset({"contract", "reassoc", "nsz", "arcp", "afn"})


def kernel(*, parallel: bool = False) -> Callable[[F], F]:
    """Compile a function lazily, without the interpreter lock; sums may be reassociated, but alike for every row."""
    options: dict[str, Any] = {"parallel": parallel, "fastmath": set(FAST), "nogil": True, "error_model": "numpy"}

    def decorate(function: F) -> F:
        try:
            return cast(F, numba.njit(cache=True, **options)(function))
        except RuntimeError:  # nowhere to keep it: "no locator available"
            return cast(F, numba.njit(**options)(function))

    return decorate
