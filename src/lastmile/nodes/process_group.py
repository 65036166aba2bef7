"""A group of programs that is started, watched, restarted and ended together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from lastmile.nodes.child_process import describe_exit, signal_group, spawn
from lastmile.nodes.running import BAD_USAGE, READY_PIPE

WATCH_S = 0.05
RESTART_DELAY_S = 0.3
# So many restarts within so long, then the program is given up.
RESTARTS_MAX, RESTARTS_WITHIN_S = 3, 30.0
# Ending takes at most 3 phases x PHASE_S + TERM_S, 3.1 s, so that nothing is left after 5 s.
PHASES, PHASE_S, TERM_S = 3, 0.8, 0.7


@dataclass(frozen=True, slots=True)
class Program:
    """
    One program of a group.

    `phase` 0 to 2 orders the end. What happens when it cannot be kept running: with `essential`
    the whole group ends, otherwise it goes on without.
    """

    name: str
    arguments: tuple[str, ...]
    """Of the Python interpreter."""
    phase: int = 0
    respawn: bool = False
    essential: bool = True
    death_signal: int = signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a program."""

    time: str
    kind: str
    """started, ready, died, restarted, given up, stopping or ended."""
    program: str
    pid: int
    text: str

    def sentence(self) -> str:
        """Say it to a person."""
        if self.text:
            return f"{self.kind}: {self.text}"
        return f"{self.kind}: {self.program} (process {self.pid})"

    def line(self) -> str:
        """Write it as one line of JSON."""
        fields = ("time", "kind", "program", "pid", "text")
        return json.dumps({name: getattr(self, name) for name in fields})


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen | None = None
    pipe: int | None = None
    ready: bool = False
    log_start: int = 0
    restart_at: float | None = None
    restarts: list[float] = field(default_factory=list)


class ProcessGroup:
    """
    Starts programs and watches over them in a thread of its own.

    Parameters
    ----------
    environment : dict
        Of the programs.
    log_dir : Path
        One log file per program goes there.
    events_path : Path
        Events are appended to it as lines of JSON.
    on_event : callable
        Called with each `Event`, from the watching thread. If it raises, the group ends.

    """

    def __init__(
        self,
        environment: dict[str, str],
        log_dir: Path,
        events_path: Path,
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.reason = ""
        """Why the group ended by itself, empty if it was told to."""
        self._environment = environment
        self._log_dir = log_dir
        self._events_path = events_path
        self._on_event = on_event
        self._children: dict[str, _Child] = {}
        self._to_start: list[Program] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ending = False
        self._ended = threading.Event()
        # All children are spawned from this thread: their death signal hangs on its life.
        self._thread = threading.Thread(target=self._watch, name="process-group", daemon=True)
        self._thread.start()

    def start(self, programs: list[Program]) -> None:
        """Start programs; returns before they are ready."""
        with self._lock:
            self._to_start += programs

    def wait_ready(
        self, timeout_s: float, meanwhile: Callable[[], None] = lambda: None
    ) -> bool:
        """
        Wait until all programs said that they are ready; False when they did not in time.

        `meanwhile` is called while this waits.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and not self._ended.is_set():
            with self._lock:
                waiting = self._to_start or [c for c in self._children.values() if not c.ready]
            if not waiting:
                return True
            meanwhile()
            time.sleep(WATCH_S)
        return False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the group ended; tell whether it did."""
        return self._ended.wait(timeout_s)

    def stop(self) -> None:
        """End all programs in order and wait until none is left."""
        self._stop.set()
        self._ended.wait()

    def pid(self, name: str) -> int | None:
        """Give the process of a program, None while it does not run."""
        process = self._children[name].process
        return None if process is None or process.poll() is not None else process.pid

    def names(self) -> list[str]:
        """Name all programs."""
        with self._lock:
            return list(self._children)

    def send(self, name: str, number: int) -> None:
        """Send a signal to a program."""
        process = self._children[name].process
        if process is not None and process.poll() is None:
            os.kill(process.pid, number)

    def last_words(self, name: str) -> str:
        """Give the last line that a program wrote since it was started the last time."""
        try:
            with self._log_path(name).open(encoding="utf-8", errors="replace") as file:
                file.seek(self._children[name].log_start)
                text = file.read()
        except OSError:
            return ""
        lines = [line for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else ""

    # ----------------------------------------------------------------------- in the thread

    def _watch(self) -> None:
        try:
            self._watch_until_stopped()
        except Exception as error:
            traceback.print_exc()
            self.reason = f"its programs could not be watched: {type(error).__name__}: {error}"
        finally:
            self._ending = True
            self._end_for_sure()

    def _watch_until_stopped(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                programs, self._to_start = self._to_start, []
                for program in programs:
                    self._children[program.name] = _Child(program)
            for program in programs:
                self._spawn(self._children[program.name], "started")
            for child in list(self._children.values()):
                self._look_after(child)
            self._stop.wait(WATCH_S)

    def _look_after(self, child: _Child) -> None:
        if child.restart_at is not None:
            if time.monotonic() >= child.restart_at:
                child.restart_at = None
                self._spawn(child, "restarted")
            return
        self._read_pipe(child)
        if child.process is not None and child.process.poll() is not None:
            self._bury(child)

    def _spawn(self, child: _Child, kind: str) -> None:
        log = self._log_path(child.program.name)
        child.log_start = log.stat().st_size if log.exists() else 0
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        child.pipe, child.ready = reading, False
        try:
            child.process = spawn(
                [sys.executable, *child.program.arguments],
                log,
                self._environment | {READY_PIPE: str(writing)},
                (writing,),
                child.program.death_signal,
            )
        finally:
            os.close(writing)
        self._tell(kind, child)

    def _read_pipe(self, child: _Child) -> None:
        if child.pipe is None:
            return
        try:
            word = os.read(child.pipe, 16)
        except BlockingIOError:
            return
        os.close(child.pipe)
        child.pipe = None
        if word:
            child.ready = True
            self._tell("ready", child)

    def _bury(self, child: _Child) -> None:
        """Restart a program that ended by itself, go on without it, or end the group."""
        code, program = child.process.returncode, child.program
        text = f"{program.name} {describe_exit(code)}"
        if code != 0 and (words := self.last_words(program.name)):
            text += f": {words}"
        self._tell("died", child, text)
        child.process, child.ready = None, False
        now = time.monotonic()
        child.restarts = [t for t in child.restarts if now - t < RESTARTS_WITHIN_S]
        if program.respawn and code != BAD_USAGE and len(child.restarts) < RESTARTS_MAX:
            child.restarts.append(now)
            child.restart_at = now + RESTART_DELAY_S
            return
        self._tell("given up", child, text)
        if program.essential:
            self.reason = text
            self._stop.set()
        else:
            child.ready = True

    def _end_for_sure(self) -> None:
        """End all programs, in order if that can be done; whoever waits for the end goes on."""
        try:
            self._end_all()
        except Exception:
            traceback.print_exc()
        finally:
            for child in self._children.values():
                if child.process is not None:
                    signal_group(child.process, signal.SIGKILL)
            self._ended.set()

    def _end_all(self) -> None:
        self._tell_of("stopping", "", 0, self.reason or "told to stop")
        children = [c for c in self._children.values() if c.process is not None]
        for phase in range(PHASES):
            part = [c for c in children if c.program.phase == phase]
            self._signal_and_wait(part, signal.SIGINT, PHASE_S)
        self._signal_and_wait(children, signal.SIGTERM, TERM_S)
        self._signal_and_wait(children, signal.SIGKILL, TERM_S)
        for child in children:
            if child.pipe is not None:
                os.close(child.pipe)
            code = child.process.returncode
            text = "is still there" if code is None else describe_exit(code)
            self._tell("ended", child, f"{child.program.name} {text}")

    def _signal_and_wait(self, children: list[_Child], number: int, within_s: float) -> None:
        for child in children:
            if number == signal.SIGINT and child.process.poll() is None:
                child.process.send_signal(number)
            else:
                signal_group(child.process, number)
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if all(child.process.poll() is not None for child in children):
                return
            time.sleep(0.01)

    def _log_path(self, name: str) -> Path:
        return self._log_dir / f"{name}.log"

    def _tell(self, kind: str, child: _Child, text: str = "") -> None:
        pid = child.process.pid if child.process is not None else 0
        self._tell_of(kind, child.program.name, pid, text)

    def _tell_of(self, kind: str, program: str, pid: int, text: str) -> None:
        event = Event(datetime.now(UTC).isoformat(), kind, program, pid, text)
        try:
            with self._events_path.open("a", encoding="utf-8") as file:
                file.write(event.line() + "\n")
        except OSError as error:
            # The stack must come down in order even where nothing can be written any more.
            print(f"{self._events_path}: {error.strerror}", file=sys.stderr)
        try:
            self._on_event(event)
        except Exception as error:
            if not self._ending:
                raise
            print(f"nobody was told of {event.sentence()}: {error!r}", file=sys.stderr)
