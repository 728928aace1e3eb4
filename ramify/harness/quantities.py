"""Numbers for people: 1.2M tokens, 3.40 GFLOP, 12.3 MiB, 4.1 s."""


def count(value: float) -> str:
    """987, 12.3k, 4.56M."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return _short(value / (1e3 if suffix == "k" else size)) + suffix
    return f"{value:.0f}" if value == round(value) else _short(value)


def flops(value: float) -> str:
    """Floating-point operations with their prefix."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{_short(value / size)} {prefix}FLOP"
    return f"{_short(value)} FLOP"


def size(value: float) -> str:
    """Bytes in binary units."""
    for unit, prefix in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= unit:
            return f"{_short(value / unit)} {prefix}"
    return f"{value:.0f} B"


def seconds(value: float) -> str:
    """Wall time."""
    if value < 0.1:
        return f"{_short(value * 1e3)} ms"
    return f"{value:.1f} s" if value < 120 else f"{value / 60:.1f} min"


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
