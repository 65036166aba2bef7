"""The broker of the demo and the tests: a mosquitto of our own."""

import socket
import subprocess

import paho.mqtt.client as mqtt
import pytest
from tests.processes import LIMIT_S, wait_until

from lastmile.errors import UserError
from lastmile.handoff.broker import Broker, find_mosquitto, free_port


def connect(broker, received=None):
    """Connect a client with MQTT 5 and wait until the broker has answered."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    if received is not None:
        client.on_message = lambda _client, _data, message: received.append(message.payload)
    client.connect(broker.host, broker.port)
    client.loop_start()
    wait_until(client.is_connected)
    return client


def test_program_is_found_and_speaks_mqtt_5():
    program = find_mosquitto()
    done = subprocess.run(
        [program.path, "-h"], env=program.env, capture_output=True, text=True, check=False
    )
    assert "mosquitto version 2" in done.stdout
    assert "LD_LIBRARY_PATH" not in program.env or "opt/mosquitto" in program.env["LD_LIBRARY_PATH"]


def test_message_passes_between_two_clients(tmp_path):
    received = []
    with Broker(free_port(), tmp_path) as broker:
        locker, robot = connect(broker, received), connect(broker)
        locker.subscribe("parcels", qos=1)

        def arrived():
            robot.publish("parcels", b"handed over", qos=1).wait_for_publish(LIMIT_S)
            return received

        wait_until(arrived)
        locker.loop_stop()
        robot.loop_stop()
    assert received[0] == b"handed over"


def test_broker_listens_on_loopback_alone(tmp_path):
    with Broker(free_port(), tmp_path) as broker:
        listening = (tmp_path / "mosquitto.conf").read_text().splitlines()[0]
        assert listening == f"listener {broker.port} 127.0.0.1"


def test_broker_is_gone_after_the_context(tmp_path):
    with Broker(free_port(), tmp_path) as broker:
        port = broker.port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert broker.pid is None


def test_broker_starts_again_on_its_port(tmp_path):
    port = free_port()
    for _ in range(2):
        with Broker(port, tmp_path) as broker:
            client = connect(broker)
            client.disconnect()
            client.loop_stop()


def test_port_in_use_is_refused_by_number(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(UserError, match=rf"broker port {port} .* is in use"):
            Broker(port, tmp_path).start()


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_port_out_of_range_is_refused(tmp_path, port):
    with pytest.raises(UserError, match=rf"broker port {port} is out of range: 1 to 65535"):
        Broker(port, tmp_path)


def test_broker_that_does_not_start_tells_why(tmp_path, monkeypatch):
    monkeypatch.setattr("lastmile.handoff.broker.CONFIG", "listener {port} {host}\nnonsense on\n")
    with pytest.raises(UserError, match=r"did not start on port \d+: .*(nonsense|mosquitto.conf)"):
        Broker(free_port(), tmp_path).start()
