"""What the tests import from a module that the distribution does not carry; written after what they ask of it."""

import importlib.util

import pytest


def _needs(module: str):
    """A mark, which pytest.param() takes too."""
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs {module}")


require_pil = _needs("PIL")
require_torchcodec = _needs("torchcodec")
require_zstandard = _needs("zstandard")
require_lz4 = _needs("lz4")
slow = pytest.mark.skip(reason="slow, switched off in the client's own quick runs too")


def for_all_test_methods(*decorators):
    def decorate(cls):
        for name in [name for name in dir(cls) if name.startswith("test")]:
            method = getattr(cls, name)
            for decorator in decorators:
                method = decorator(method)
            setattr(cls, name, method)
        return cls
    return decorate


def xfail_if_500_502_http_error(test):
    """The client's own run forgives the hosted hub these errors; here each is one of ours."""
    return test


# Named by test_load.py's imports; the tests that use them ask no hub and are not chosen.
class OfflineSimulationMode:
    CONNECTION_FAILS = CONNECTION_TIMES_OUT = HF_HUB_OFFLINE_SET_TO_1 = None


def _not_here(*_args, **_options):
    raise NotImplementedError("the tests that need this are not chosen")


offline = assert_arrow_memory_doesnt_increase = assert_arrow_memory_increases = _not_here
set_current_working_directory_to_temp_dir = _not_here
