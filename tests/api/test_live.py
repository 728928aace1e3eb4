"""The service's thread: it loads the model that it runs, and passes on what goes wrong with that."""

import threading

import pytest

import ramify
from ramify.api import Service
from ramify.core.errors import CheckpointError

ASKED = {"n": 1, "max_tokens": 4, "temperature": 0.0}


def test_the_thread_that_runs_a_model_loads_it() -> None:
    seen = list[threading.Thread]()

    def loading() -> ramify.LM:
        seen.append(threading.current_thread())
        return ramify.load("builtin", kv_gib=0.02)

    with Service(loading) as service:
        assert seen == [service._thread] != [threading.current_thread()]
        assert service.call(lambda lm: lm is service.lm).result()
        text = service.submit("Compute 7 * 8.", "sample", **ASKED).future.result().text
    with Service(service.lm) as other:  # one that was loaded elsewhere serves, too
        assert other.submit("Compute 7 * 8.", "sample", **ASKED).future.result().text == text
    assert not service.alive and not other.alive


def test_what_is_wrong_with_the_model_is_raised_where_the_service_is_made() -> None:
    before = threading.active_count()
    with pytest.raises(CheckpointError, match="no such folder"):
        Service(lambda: ramify.load("nowhere/to/be/found"))
    assert threading.active_count() == before
