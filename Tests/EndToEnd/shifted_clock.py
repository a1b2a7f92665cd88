"""A wall clock that a test can move, for one program and while it runs."""

import os
import pathlib
import shutil
import struct
import subprocess
import tempfile

import pytest

SOURCE = pathlib.Path(__file__).with_suffix(".c")


class ShiftedClock:
    """What `environment` starts runs with a clock that is off by some seconds; monotonic clocks are left alone."""

    _library = None

    def __init__(self, folder):
        self.file = pathlib.Path(folder) / "offset"
        self.file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": self._built(), "CLOCK_OFFSET_FILE": str(self.file)}

    def set(self, seconds):
        # One write in place: a running program has the file mapped.
        with open(self.file, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", int(seconds * 1_000_000)))

    @classmethod
    def _built(cls):
        if cls._library is None:
            compiler = shutil.which("clang") or shutil.which("cc")
            if compiler is None:
                pytest.skip("no C compiler for the clock that tests can move")
            folder = tempfile.mkdtemp(prefix="ward-clock-")
            library = os.path.join(folder, "shifted_clock.so")
            subprocess.run(
                [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, str(SOURCE)], check=True)
            cls._library = library
        return cls._library
