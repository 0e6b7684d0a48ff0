"""The ways to write of steps.py one after the other on one hub, each tried until it succeeds. What people see must be the
state before or the one after at every moment; an undisturbed pass says what these are."""

import contextlib
import http.client
import json
import re

import steps

# Those last that take the repository away from the others.
ORDER = [name for name in steps.WAYS if name not in ("move a repository", "delete a repository")] + ["move a repository"]


def states(bench: steps.Bench) -> list[dict]:
    """What is seen before the first piece and after each, on a hub that nothing disturbs."""
    bench.reset()
    bench.start()
    seen = [steps.visible_state(bench.hub)]
    for name in ORDER:
        steps.WAYS[name](bench.hub)
        seen.append(steps.visible_state(bench.hub))
    bench.server.stop()
    return seen


def unclean(error: Exception) -> str | None:
    """Why this is not how a hub in trouble answers; None when it is: a status of 5xx and a sentence, of a command a sentence."""
    if command := re.match(r"hearth .*?: (-?\d+) (.*)", str(error), re.DOTALL):
        return None if 0 <= int(command[1]) < 128 and " " in command[2] else f"no sentence: {error}"
    answered = re.match(r"(?:[A-Z]+ \S+|upload|part \d+|completion): (\d+) b'(.*)'$", str(error), re.DOTALL)
    if answered is None:
        is_client = isinstance(error, RuntimeError) and str(error).startswith(("git ", "hf-xet"))
        return None if is_client else f"no answer: {error!r}"
    if not answered[1].startswith("5"):
        return f"not an error of the server: {error}"
    with contextlib.suppress(ValueError):
        if " " in json.loads(answered[2].encode().decode("unicode_escape"))["error"]:
            return None
    return f"no sentence: {error}"


def look(hub: steps.Hub, tries: int = 8) -> dict:
    """What people see, by as many tries as it takes."""
    for left in range(tries - 1, -1, -1):
        try:
            return steps.visible_state(hub)
        except (RuntimeError, OSError, http.client.HTTPException):
            if left == 0:
                raise
    raise AssertionError
