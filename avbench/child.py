"""A worker process under supervision: started when needed, killed when it hangs, dies or is no longer wanted.

Works on POSIX systems; the reply is awaited with `select` on a pipe.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time

from avbench.options import Options
from avbench.worker import Job, Reply, decode_reply


class ChildLost(Exception):
    """The child hung or died; `code` is `timeout`, `memory` or `crash`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Stopped(Exception):
    """The run ends; nothing is said of the clip."""


class Child:
    """A worker process, started when it is first needed and again after it was lost."""

    def __init__(self, options: Options, stop: threading.Event) -> None:
        self.options, self.stop = options, stop
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, job: Job) -> Reply:
        """One job's reply.

        Raises:
            ChildLost: if it hangs, dies, or goes over its memory.
        """
        process = self._started()
        try:
            self._write(pickle.dumps(job, protocol=5))
            length = 0
            while length == 0:  # the child's pulse
                (length,) = struct.unpack("<Q", self._read(8))
            return decode_reply(self._read(length))
        except (BrokenPipeError, EOFError, ValueError) as error:
            code = process.wait(timeout=5) if process.poll() is None and self._ended(process) else process.poll()
            self.kill()
            how = f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
            raise ChildLost("crash", how) from error

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self.process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            environment = {
                **os.environ,
                "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
                "PYTHONSAFEPATH": "1",  # else a random.py in the current folder takes the place of Python's
                "OMP_NUM_THREADS": "1",
                "OPENCV_FOR_THREADS_NUM": "1",
                "OPENCV_IPP": "disabled",  # its last bits depend on where an array lies in memory, and on the processor
                "OPENCV_FFMPEG_LOGLEVEL": "-8",
            }
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "avbench.worker", str(self.options.worker_memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
            )
        return self.process

    def _ended(self, process: subprocess.Popen[bytes]) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        return process.poll() is not None

    def _write(self, data: bytes) -> None:
        """Length, then the bytes; a child that stops reading half way is lost, not waited for."""
        deadline = time.monotonic() + self.options.clip_seconds
        pipe = self.process.stdin if self.process is not None else None
        if pipe is None:
            raise EOFError
        os.set_blocking(pipe.fileno(), False)
        left = memoryview(struct.pack("<Q", len(data)) + data)
        while left:
            _, ready, _ = select.select([], [pipe], [], self._patience(deadline))
            if ready:
                left = left[os.write(pipe.fileno(), left) :]

    def _read(self, size: int) -> bytes:
        deadline = time.monotonic() + self.options.clip_seconds
        pipe = self.process.stdout if self.process is not None else None
        if pipe is None:
            raise EOFError
        parts = bytearray()
        while len(parts) < size:
            ready, _, _ = select.select([pipe], [], [], self._patience(deadline))
            if ready:
                part = os.read(pipe.fileno(), min(size - len(parts), 2**20))
                if not part:
                    raise EOFError
                parts += part
        return bytes(parts)

    def _patience(self, deadline: float) -> float:
        """Seconds to wait before looking again; the child is killed once the time is up or the run is to stop."""
        left = deadline - time.monotonic()
        if left <= 0:
            self.kill()
            raise ChildLost("timeout", f"no answer within {self.options.clip_seconds:.0f} s")
        if self.stop.is_set():
            self.kill()
            raise Stopped
        return min(left, 0.2)
