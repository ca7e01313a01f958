"""SystemDS as an oracle: a JVM that runs one DML program after the other, a few milliseconds each.

    with Oracle("/path/to/systemds") as oracle:
        answer = oracle.run('print(1 + 1)')          answer.output == "2\\n", answer.error == ""

The folder is that of the Python package `systemds` 3.4.0 or of an unpacked release: it holds SystemDS.jar and lib/.  A JDK
17 is needed, since Oracle.java is compiled when it starts.  record.py and generate.py use this module; tests do not.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cases import written_files

HERE = Path(__file__).parent
LIBRARY = HERE / "library"  # files for source() and read(), in the working folder of the JVM

_STATISTICS = re.compile(r"SystemDS Statistics:\nTotal execution time:.*\n\n?\Z", re.S)

# Errors that are raised before anything runs.
_COMPILE_TIME = ("ParseException", "LanguageException", "HopsException", "DMLScriptSyntax")


@dataclass(frozen=True)
class Answer:
    """What a program did: its output, and the exceptions that ended it (one a line; empty after success)."""

    output: str
    error: str = ""

    @property
    def before_run(self) -> bool:
        """Whether the program was refused before it ran."""
        return self.error.startswith(_COMPILE_TIME)


class Oracle:
    """A running SystemDS.  timeout: seconds for one program; a program that takes longer gets the error "timeout"."""

    def __init__(self, systemds: str | os.PathLike[str], timeout: float = 60):
        self.folder = Path(systemds)
        jars = sorted(self.folder.rglob("SystemDS.jar")) or sorted(self.folder.rglob("systemds-*.jar"))
        if not jars:
            raise FileNotFoundError(f"there is no SystemDS.jar in {self.folder}")
        libraries = next((str(p) for p in sorted(self.folder.rglob("lib")) if any(p.glob("*.jar"))), "")
        self.classpath = os.pathsep.join([str(jars[0]), os.path.join(libraries, "*")])
        self.timeout = timeout
        self.process: subprocess.Popen[bytes] | None = None
        self.work: str | None = None

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """End the JVM and remove its working folder."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        if self.work is not None:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work = None

    def start(self) -> subprocess.Popen[bytes]:
        self.close()
        self.work = tempfile.mkdtemp(prefix="pydml-oracle-")
        if LIBRARY.is_dir():
            shutil.copytree(LIBRARY, self.work, dirs_exist_ok=True)
        command = ["java", "-Xmx1g", "-Xss4m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["--add-modules=jdk.incubator.vector", "-cp", self.classpath, str(HERE / "Oracle.java")]
        self.process = subprocess.Popen(
            command, cwd=self.work, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        return self.process

    def run(self, program: str, parameters: dict[str, Any] | None = None) -> Answer:
        """Run a program; parameters are its `$name` values.  `$tmp` is always a fresh folder."""
        process = self.process if self.process is not None and self.process.poll() is None else self.start()
        with tempfile.TemporaryDirectory(prefix="pydml-oracle-files-") as folder:
            path = Path(folder, "program.dml")
            path.write_text(program, encoding="utf-8")
            arguments = ["-exec", "singlenode", "-f", str(path), "-nvargs", f"tmp={folder}"]
            arguments += [f"{name}={value}" for name, value in (parameters or {}).items()]
            assert process.stdin is not None
            process.stdin.write(struct.pack(">i", len(arguments)))
            for text in arguments:
                encoded = text.encode()
                process.stdin.write(struct.pack(">i", len(encoded)) + encoded)
            process.stdin.flush()
            try:
                output, error = self._receive(process), self._receive(process)
            except TimeoutError:
                self.close()
                return Answer("", "timeout")
            except EOFError:
                self.close()
                return Answer("", "the JVM ended")
            path.unlink()
            return Answer(_STATISTICS.sub("", output) + written_files(Path(folder)), error)

    def _receive(self, process: subprocess.Popen[bytes]) -> str:
        (length,) = struct.unpack(">i", self._read(process, 4))
        return self._read(process, length).decode()

    def _read(self, process: subprocess.Popen[bytes], count: int) -> bytes:
        assert process.stdout is not None
        stream = process.stdout.fileno()
        data = b""
        while len(data) < count:
            ready, _, _ = select.select([stream], [], [], self.timeout)
            if not ready:
                raise TimeoutError
            piece = os.read(stream, count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
