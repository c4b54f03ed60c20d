"""The process that computes for the page: under a limit of time and memory, so that no request takes the page down.

Parent and child speak in lines of JSON. A child that takes too long, or dies, is replaced with the next question.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

SECONDS = 10.0
BYTES = 2 * 2**30


class Worker:
    """Asks the child, which is started when it is first wanted."""

    def __init__(self, functions: Mapping[str, tuple[str, str]], seconds: float = SECONDS, memory: int = BYTES) -> None:
        self._settings = json.dumps({"functions": functions, "memory": memory})
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def ask(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, or an error in its place: one question at a time."""
        with self._lock:
            child = self._started()
            timer = threading.Timer(self._seconds, child.kill)
            timer.start()
            line = b""
            try:
                if child.stdin is not None and child.stdout is not None:
                    child.stdin.write(json.dumps(question).encode() + b"\n")
                    child.stdin.flush()
                    line = child.stdout.readline()
            except OSError:
                pass  # it died: what follows says so
            late = not timer.is_alive()
            timer.cancel()
            if line.endswith(b"\n"):
                answer: dict[str, Any] = json.loads(line)
                return answer
            self._end()
        limit = f"{self._seconds:g} seconds" if late else f"{self._memory / 2**30:g} GiB of memory, or it crashed"
        return {"type": "error", "number": question.get("number"), "message": f"stopped: it took more than {limit}"}

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end()
            threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "2")
            self._child = subprocess.Popen(
                [sys.executable, "-m", "gatewise.workbench.worker", self._settings],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**threads, **os.environ},
            )
        return self._child

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):  # it may have died with a question unread
                    pipe.close()
        child.wait()


def serve(settings: Mapping[str, Any]) -> None:
    """The child's side: answer lines until there are no more. What a user's function prints goes to the errors."""
    from gatewise.workbench.answering import Answers

    spoken = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answers = Answers({name: (file, function) for name, (file, function) in settings["functions"].items()})
    confine(settings["memory"])
    for line in sys.stdin.buffer:
        question = json.loads(line)
        try:
            answer = answers(question)
        except Exception as error:  # whatever a user's own code raises is its own
            answer = {"type": "error", "number": question.get("number"), "message": f"{type(error).__name__}: {error}"}
        spoken.write(json.dumps(answer).encode() + b"\n")
        spoken.flush()


def confine(memory: int) -> None:
    """Let this process have so much more memory than it has now, where the system can be told so."""
    try:
        import resource

        with open("/proc/self/statm") as statm:
            now = int(statm.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return  # Windows, macOS: the limit of time alone
    resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
