"""Models leave with their last holder.

Parts that call back to their owner (an engine's guidance and companions, a driver's scoring, the loader of models
beside a target) held it, so that an engine and its weights stayed in memory until the garbage collector came by: a
dozen models loaded one after another took all there was.
"""

import subprocess
import sys

SCRIPT = """
import gc
from weakref import ref
from ramify import load

load(kv_gib=0.01)  # what is compiled for the first time may remember the frame that called for it
gc.disable()
lm = load(kv_gib=0.01, speculate="builtin-draft")
lm.search("Compute 3 + 4.", "best-of-n(n=2)", reward="builtin-prm", max_tokens=4)
lm.search("Compute 3 + 4.", "majority-vote(n=2, each=best-of-n(n=2))", reward="builtin-prm", max_tokens=4)
engine, target = ref(lm.engine), ref(lm.engine.target)
del lm
print(engine() is None, target() is None)
"""


def test_an_engine_is_gone_when_nobody_holds_it() -> None:
    """By itself: tests remember their engines in order to audit them."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.split() == ["True", "True"]
