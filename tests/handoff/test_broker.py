"""The broker ends with the program that started it, however that ends."""

import os
import signal
import socket
import subprocess
import sys

from tests.processes import is_running, wait_until

from lastmile.handoff import broker
from lastmile.handoff.broker import Broker, free_port

PROGRAM = """
import sys, time
from pathlib import Path
from lastmile.handoff.broker import Broker
with Broker(int(sys.argv[1]), Path(sys.argv[2])) as broker:
    print(broker.pid, flush=True)
    time.sleep(60)
"""


def answers(port):
    """Tell whether somebody listens on a port."""
    with socket.socket() as caller:
        return caller.connect_ex((broker.HOST, port)) == 0


def test_broker_of_a_killed_program_ends_too(tmp_path):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(free_port()), str(tmp_path)], stdout=subprocess.PIPE
    )
    pid = int(program.stdout.readline())
    os.kill(pid, 0)
    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()
    wait_until(lambda: not is_running(pid))


def test_broker_that_does_not_end_is_killed_within_a_second(tmp_path):
    assert broker.STOP_TIMEOUT_S < 1.0
    with Broker(free_port(), tmp_path) as running:
        pid = running.pid
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: not is_running(pid))


def test_program_ends_with_whoever_started_it(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "lastmile.nodes.broker_program", "--port", str(port)]
    command += ["--folder", str(tmp_path)]
    start = f"import subprocess, time; print(subprocess.Popen({command}).pid, flush=True); "
    starter = subprocess.Popen(
        [sys.executable, "-c", start + "time.sleep(60)"], stdout=subprocess.PIPE, text=True
    )
    pid = int(starter.stdout.readline())
    wait_until(lambda: answers(port))
    starter.kill()
    starter.communicate()
    wait_until(lambda: not is_running(pid))


def test_port_in_use_ends_the_program_with_1_and_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind((broker.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "lastmile.nodes.broker_program", "--port", str(port)]
        done = subprocess.run(
            [*command, "--folder", str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert f"broker port {port} on {broker.HOST} is in use" in done.stderr
    assert "Traceback" not in done.stderr
