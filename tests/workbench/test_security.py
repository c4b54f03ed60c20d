"""What must not get through to the local page: other sites, too much, files, code; and what a heavy request leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette import testclient
from starlette.websockets import WebSocketDisconnect

from gatewise.errors import InputError
from gatewise.serving.server import application
from gatewise.workbench.application import LARGEST, functions_of, routes
from gatewise.workbench.worker import Worker

PORT = 4321
HOME = f"http://127.0.0.1:{PORT}"
SOCKET = f"ws://127.0.0.1:{PORT}/circuit"
OWN = {"origin": HOME}
OWNERS = """
import os, time
import numpy as np

def loss(w, x=2.0):
    print("a line that is not JSON")
    return (np.tanh(w * x) - 0.5) ** 2

def endless(w):
    while True:
        time.sleep(0.01)

def dying(w):
    os._exit(3)

def greedy(w):
    return np.sum(np.ones(10**9) * w)

def raising(w):
    raise ValueError("of its own")
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    path = tmp_path_factory.mktemp("owner") / "own.py"
    path.write_text(OWNERS)
    names = ("loss", "endless", "dying", "greedy", "raising")
    made = Worker(functions_of({f"own.py:{name}": (path, name) for name in names}), seconds=4.0, memory=2**30)
    yield made
    made.close()


@pytest.fixture
def client(worker):
    with testclient.TestClient(application(routes(worker, {}), PORT, "secret"), base_url=HOME) as made:
        yield made


@pytest.fixture
def page(client):
    assert client.get("/?token=secret").status_code == 200
    return client


def ask(worker, **question):
    return worker.ask({"number": 1, "source": question, "edits": []})


def test_only_the_token_opens_it(client):
    for path in ("/", "/gallery"):
        assert client.get(path).status_code == 403
        assert client.get(f"{path}?token=wrong").status_code == 403
    assert client.post("/circuit", json={}, headers=OWN).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=OWN):
        pass
    answer = client.get("/?token=secret", follow_redirects=False)
    assert answer.status_code == 303
    assert {"httponly", "samesite=strict"} <= {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert "secret" not in answer.headers["location"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "example.org"},
        {"host": f"127.0.0.1.example.org:{PORT}"},
        {"host": f"127.0.0.1:{PORT + 1}"},
        {"origin": "https://example.org"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": "null"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_hosts_and_origins_are_refused_with_the_token_in_hand(page, headers):
    assert page.get("/gallery").status_code == 200
    assert page.get("/gallery", headers=headers).status_code == 403
    sent = {"origin": HOME, **headers}
    assert page.post("/circuit", json={"source": {"expression": "x*x"}}, headers=sent).status_code == 403
    with pytest.raises(WebSocketDisconnect), page.websocket_connect(SOCKET, headers=sent):
        pass


def test_a_question_without_an_origin_is_refused(page):
    assert page.post("/circuit", json={"source": {"expression": "x*x"}}).status_code == 403
    with pytest.raises(WebSocketDisconnect), page.websocket_connect(SOCKET):
        pass


def test_no_other_site_is_let_in_by_a_header(page):
    answer = page.get("/", headers=OWN)
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.text
    assert page.options("/circuit", headers=OWN).status_code == 405
    assert page.put("/circuit", headers=OWN).status_code == 405


def test_questions_are_json_and_small(page):
    right = {"number": 1, "source": {"expression": "x*x", "values": {"x": "3"}}}
    answer = page.post("/circuit", json=right, headers=OWN)
    assert answer.json()["scene"]["nodes"][1]["value"] == 9.0
    assert (
        page.post("/circuit", content=json.dumps(right), headers={**OWN, "content-type": "text/plain"}).status_code
        == 415
    )
    assert page.post("/circuit", data={"source": "x"}, headers=OWN).status_code == 415
    large = {"source": {"expression": "x+" * LARGEST}}
    assert page.post("/circuit", json=large, headers=OWN).status_code == 413
    typed = {**OWN, "content-type": "application/json"}
    for body in ("", "{", "[]", "3", "[" * 100_000, json.dumps({"edits": 3}), json.dumps({"edits": [{}] * 1000})):
        assert page.post("/circuit", content=body, headers=typed).status_code == 400
    with page.websocket_connect(SOCKET, headers=OWN) as socket:
        for text in ("{", "x" * (LARGEST + 1)):
            socket.send_text(text)
            assert socket.receive_json()["type"] == "error"
        socket.send_json(right)  # and the connection still answers
        assert socket.receive_json()["type"] == "scene"


HOSTILE = (
    "__import__('os').system('id')", "().__class__", "open('/etc/passwd')", "x.__class__", "(lambda: x)()",
    "[x for x in y]", "exec('x')", "x; import os", "x if y else z", "f'{x}'", "x" + "+x" * 3000, "-" * 200 + "x",
    "9**9**9**9 + x", "x ** 99999999", "own.py:loss", "../own.py:loss", "x.T.data", "x[y]", "getattr(x, y)", "\x00x",
    "",
)  # fmt: skip


@pytest.mark.parametrize("expression", HOSTILE)
def test_hostile_expressions_are_refused_in_words(worker, expression):
    answer = ask(worker, expression=expression)
    assert answer["type"] == "error"
    assert answer["message"]


@pytest.mark.parametrize(
    "source",
    [
        None, 3, "x", [], {}, {"expression": 3}, {"function": "own.py:absent"}, {"function": "/etc/passwd:x"},
        {"example": "absent"}, {"expression": "x", "values": {"x": "@/etc/passwd"}},
        {"expression": "x", "values": {"x": 3}}, {"expression": "x", "values": 3},
        {"expression": "x", "values": {"x": "[" * 1000}}, {"expression": "x", "values": {"x": "1" * 30_000}},
        {"function": "own.py:loss", "values": {"other": "1"}},
    ],
)  # fmt: skip
def test_sources_that_make_no_sense_are_refused_in_words(worker, source):
    answer = worker.ask({"number": 5, "source": source, "edits": []})
    assert (answer["type"], answer["number"]) == ("error", 5)
    assert "Traceback" not in answer["message"]


def test_only_functions_that_were_named_are_known():
    with pytest.raises(InputError, match="no such file"):
        functions_of({"absent.py:f": (Path("absent.py"), "f")})


@pytest.mark.parametrize(
    ("name", "message"),
    [("endless", "4 seconds"), ("dying", "crashed"), ("greedy", "memory"), ("raising", "of its own")],
)
def test_a_heavy_or_broken_function_leaves_the_page_alive(worker, name, message):
    answer = ask(worker, function=f"own.py:{name}")
    assert answer["type"] == "error"
    assert message in answer["message"].lower()
    alive = ask(worker, function="own.py:loss", values={"w": "0.5"})
    assert alive["type"] == "scene"


def test_edits_are_computed_on_the_recorded_circuit(worker):
    source = {"expression": "x * y", "values": {"x": "3", "y": "4"}}
    edits = [{"kind": "set", "node": 0, "value": 5.0}]
    answer = worker.ask({"number": 2, "source": source, "edits": edits})
    assert answer["scene"]["nodes"][2]["value"] == 20.0
    wrong = worker.ask({"number": 3, "source": source, "edits": [{"kind": "set", "node": 99, "value": 5.0}]})
    assert wrong["type"] == "error"
