"""The server's and the requester's processes, with scripts in place of Gazebo's programs."""

import io
import json
import os
import struct
import sys
import time

import pytest

from lastmile.errors import UserError
from lastmile.simulation.gazebo import requester
from lastmile.simulation.gazebo.link import Link
from lastmile.simulation.gazebo.requester import Requester, serve
from lastmile.simulation.gazebo.server import Server, gazebo_environment, own_partition

ECHO = """
import sys
from lastmile.simulation.gazebo.requester import serve
def ask(service, payload, request, answer, timeout_ms):
    return service != "/no", f"{service} {request} {answer} {timeout_ms} ".encode() + payload
serve(sys.stdin.buffer, sys.stdout.buffer, ask)
"""


@pytest.fixture
def asking():
    made = Requester(os.environ, [sys.executable, "-c", ECHO])
    yield made
    made.close()


def test_requests_and_answers_come_through_whole(asking):
    payload = bytes(range(256)) * 1000
    answer = asking.request("/control", payload, ("gz.msgs.A", "gz.msgs.B"), 1.5)
    assert answer == b"/control gz.msgs.A gz.msgs.B 1500 " + payload
    assert asking.request("/again", b"", ("A", "B"), 0.1) == b"/again A B 100 "


def test_service_that_fails_gives_no_answer(asking):
    assert asking.request("/no", b"", ("A", "B"), 1.0) is None


def test_requester_that_ended_is_told():
    asking = Requester(os.environ, [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(UserError, match="/control: the process that asks Gazebo ended with exit"):
        for _ in range(2):
            asking.request("/control", b"x", ("A", "B"), 1.0)
    asking.close()


def test_serving_ends_with_its_stream():
    head = {"service": "/s", "kinds": ["A", "B"], "timeout_ms": 5, "size": 2}
    answers = io.BytesIO()
    serve(io.BytesIO(json.dumps(head).encode() + b"\nhi"), answers, lambda *given: (True, given[1]))
    assert answers.getvalue() == struct.pack("<?I", True, 2) + b"hi"


def test_request_cut_short_is_an_error():
    head = json.dumps({"service": "/s", "kinds": ["A", "B"], "timeout_ms": 5, "size": 9}).encode()
    with pytest.raises(EOFError, match="2 of 9 bytes"):
        serve(io.BytesIO(head + b"\nhi"), io.BytesIO(), lambda *given: (True, b""))


def test_requester_program_needs_the_bindings(monkeypatch):
    monkeypatch.setattr("lastmile.simulation.gazebo.bindings.TRANSPORT", "gz_not_there")
    with pytest.raises(UserError, match="gz_not_there"):
        requester.main()


def program(tmp_path, text):
    path = tmp_path / "gz"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(0o755)
    return str(path)


def test_server_is_started_headless_with_its_seed_and_partition(tmp_path):
    text = "import os, sys\nprint(*sys.argv[1:], os.environ['GZ_PARTITION'], os.environ['GZ_IP'])"
    world = tmp_path / "world.sdf"
    server = Server(world, 7, gazebo_environment("mine"), program(tmp_path, text))
    server._process.wait()
    said = server.last_words()
    assert said == f"sim -s --headless-rendering -v 2 --seed 8 {world} mine 127.0.0.1"
    server.stop()


def test_each_server_has_a_partition_of_its_own_unless_one_is_named(monkeypatch):
    monkeypatch.delenv("GZ_PARTITION", raising=False)
    assert own_partition() != own_partition()
    monkeypatch.setenv("GZ_PARTITION", "mine")
    assert own_partition() == "mine"


def test_server_that_ended_is_told_with_its_last_words(tmp_path):
    text = "print('[Err] no such mesh'); raise SystemExit(4)"
    server = Server(tmp_path / "world.sdf", 0, os.environ, program(tmp_path, text))
    server._process.wait()
    with pytest.raises(UserError, match=r"exit code 4 .*\n\[Err\] no such mesh"):
        server.check()
    server.stop()


def test_server_that_does_not_end_by_itself_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("lastmile.simulation.gazebo.server.STOP_S", 0.3)
    text = "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('up', flush=True)\n"
    text += "time.sleep(60)"
    server = Server(tmp_path / "world.sdf", 0, os.environ, program(tmp_path, text))
    while "up" not in server.last_words():
        time.sleep(0.02)
    server.check()
    server.stop()
    assert server._process.returncode == -9


def test_program_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="nowhere/gz: cannot be started: No such file"):
        Server(tmp_path / "world.sdf", 0, os.environ, "/nowhere/gz")


class NoTopics:
    def topic_list(self):
        return ["/imu"]


def test_topics_that_are_never_published_are_named():
    link = Link(NoTopics(), None, None, lambda: None)
    link.wait_for_topics({"/imu"}, 0.1)
    with pytest.raises(UserError, match=r"did not publish /camera, /lidar within 0\.1 s"):
        link.wait_for_topics({"/imu", "/lidar", "/camera"}, 0.1)
