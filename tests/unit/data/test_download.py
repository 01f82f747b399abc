"""The download stage against a real web server that breaks every promise."""

import json
import re
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from data_helpers import Server, files_in, refused_url, run_cli, running_server, serve, sha256, status
from resbench.common.errors import ResbenchError
from resbench.data import sources
from resbench.data.partial import open_partial
from resbench.data.sources import download_archive, without_password

BODY = np.random.default_rng(0).bytes(300_000)
HASH = sha256(BODY)
OTHER = np.random.default_rng(1).bytes(300_000)


@pytest.fixture
def server():
    with running_server() as running:
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(sources, "PAUSE", 0.01)


@pytest.fixture
def dest(tmp_path):
    return tmp_path / "new" / "archive.tar.gz"


def fetch(dest, *addresses, expected=HASH, min_rate_kb=0.0, window_s=5.0):
    return download_archive(dest, addresses, expected, min_rate_kb=min_rate_kb, window_s=window_s)


def refusal(dest, *addresses, **options):
    with pytest.raises(ResbenchError) as caught:
        fetch(dest, *addresses, **options)
    assert not dest.exists()
    return str(caught.value)


def ranges(server: Server, name: str):
    return [wanted for path, wanted in server.requests if path == f"/{name}"]


def test_plain(server, dest):
    url = server.add("a", BODY)
    assert fetch(dest, url) == {"source": url, "sha256": HASH, "bytes": len(BODY), "verified": True}
    assert dest.read_bytes() == BODY
    assert files_in(dest.parent) == {dest.name}


def test_second_run_sends_no_request(server, dest):
    url = server.add("a", BODY)
    fetch(dest, url)
    server.requests.clear()
    assert fetch(dest, url, expected=HASH.upper())["verified"]
    assert server.requests == []


def test_second_run_keeps_the_source_of_the_first(server, dest, tmp_path):
    record = tmp_path / "source.json"
    arguments = ["download", dest, "--sha256", HASH, "--source", server.add("a", BODY), "--record", record]
    contents = []
    for _ in range(2):
        process = run_cli(*arguments)
        process.communicate()
        contents.append(record.read_text())
    assert contents[0] == contents[1]
    assert "/a" in contents[0]
    for other in ("", "[]", "{}", json.dumps({"sha256": HASH}), json.dumps({"sha256": "0" * 64, "source": "another"})):
        record.write_text(other)
        options = {"min_rate_kb": 0, "window_s": 1, "record": record}
        assert download_archive(dest, ["nowhere"], HASH, **options)["source"] == "already there"


def test_without_a_hash_a_changed_source_is_read_again(dest, tmp_path):
    for content in (BODY, OTHER):
        (tmp_path / "mine.tar").write_bytes(content)
        assert fetch(dest, str(tmp_path / "mine.tar"), expected=None)["source"] == str(tmp_path / "mine.tar")
        assert dest.read_bytes() == content


def test_wrong_file_in_place_is_replaced(server, dest):
    dest.parent.mkdir()
    dest.write_bytes(b"old")
    fetch(dest, server.add("a", BODY))
    assert dest.read_bytes() == BODY


def test_wrong_file_in_place_survives_failure(server, dest):
    dest.parent.mkdir()
    dest.write_bytes(b"old")
    with pytest.raises(ResbenchError):
        fetch(dest, server.add("a", OTHER))
    assert dest.read_bytes() == b"old"


def test_cut_is_resumed_at_the_same_source(server, dest):
    url = server.add("a", BODY, serve(cut=100_000), serve(cut=50_000), serve())
    fetch(dest, url)
    assert dest.read_bytes() == BODY
    assert ranges(server, "a") == [None, "bytes=100000-", "bytes=150000-"]


def test_many_cuts_with_progress_do_not_tire_it(server, dest):
    fetch(dest, server.add("a", BODY, serve(cut=20_000)))
    assert dest.read_bytes() == BODY


def test_cut_is_resumed_at_another_mirror(server, dest):
    first = server.add("a", BODY, serve(cut=100_000), status(404))
    second = server.add("b", BODY, serve(etag='"another server\'s"'))
    assert fetch(dest, first, second)["source"] == second
    assert ranges(server, "b") == ["bytes=100000-"]


def test_resume_in_a_later_run(server, dest):
    url = server.add("a", BODY, serve(cut=100_000), status(503), status(503), status(503), serve())
    refusal(dest, url)
    assert files_in(dest.parent) == {"archive.tar.gz.part", "archive.tar.gz.part.json"}
    fetch(dest, url)
    assert ranges(server, "a")[-1] == "bytes=100000-"
    assert files_in(dest.parent) == {dest.name}


def test_kill_and_resume(server, dest):
    url = server.add("a", BODY, serve(rate=60_000), serve())
    arguments = ["download", dest, "--sha256", HASH, "--source", url, "--min-rate", 0]
    part = dest.with_name(dest.name + ".part")
    process = run_cli(*arguments)
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 30_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    kept = part.stat().st_size
    assert kept < len(BODY)
    assert not dest.exists()
    record = dest.parent / "record.json"
    again = run_cli(*arguments, "--record", record)
    assert again.communicate()[1].count("Traceback") == 0
    assert again.returncode == 0
    assert dest.read_bytes() == BODY
    assert ranges(server, "a") == [None, f"bytes={kept}-"]
    assert json.loads(record.read_text())["source"] == url


def test_killed_just_before_the_end(server, dest):
    dest.parent.mkdir()
    dest.with_name(dest.name + ".part").write_bytes(BODY)
    fetch(dest, server.add("a", BODY))
    assert server.requests == []


def test_throttled_source_is_left_and_its_bytes_kept(server, dest):
    slow = server.add("slow", BODY, serve(rate=30_000))
    fast = server.add("fast", BODY)
    assert fetch(dest, slow, fast, min_rate_kb=200, window_s=0.3)["source"] == fast
    assert re.fullmatch(r"bytes=[1-9]\d+-", ranges(server, "fast")[0])
    assert dest.read_bytes() == BODY


def test_silent_source_is_left(server, dest):
    def silent(handler, body):
        handler.begin(200, Content_Length=len(body))
        handler.wfile.flush()
        time.sleep(1.5)

    assert fetch(dest, server.add("a", BODY, silent), server.add("b", BODY), min_rate_kb=1, window_s=0.3)
    assert ranges(server, "b") == [None]


def test_slow_archive_beats_none(server, dest):
    slow = server.add("slow", BODY, serve(rate=300_000))
    slower = server.add("slower", BODY, serve(rate=30_000))
    source = fetch(dest, slower, status_url(server, 404), slow, min_rate_kb=10_000, window_s=0.2)["source"]
    assert source == slow
    assert dest.read_bytes() == BODY


def status_url(server, code):
    return server.add(f"status{code}", b"", status(code))


@pytest.mark.parametrize("code", [400, 403, 404, 410, 429, 500, 503])
def test_error_status_goes_to_the_next(server, dest, code):
    assert fetch(dest, status_url(server, code), server.add("b", BODY))["sha256"] == HASH
    assert len(ranges(server, f"status{code}")) == (sources.ATTEMPTS if code in (429, 500, 503) else 1)


def test_passing_trouble_is_retried(server, dest):
    url = server.add("a", BODY, status(503), status(500), serve())
    assert fetch(dest, url)["source"] == url


def test_refused_connection_goes_to_the_next(server, dest):
    assert fetch(dest, refused_url(), server.add("b", BODY))["verified"]


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem", "https://localhost:9/a: Could not find a suitable TLS CA"),
        ("HTTPS_PROXY", "http:///none", "https://localhost:9/a: the environment names a proxy"),
    ],
)
def test_a_wrong_environment_is_no_fault_of_the_destination(dest, monkeypatch, variable, value, words):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, value)
    message = refusal(dest, "https://localhost:9/a")
    assert words in message
    assert "cannot be written" not in message


def test_redirects_are_followed_with_their_range(server, dest):
    target = server.add("target", BODY, serve(cut=100_000), serve())
    fetch(dest, server.add("a", b"", status(302, Location=target)))
    assert ranges(server, "target") == [None, "bytes=100000-"]


def test_redirect_loop_goes_to_the_next(server, dest):
    loop = server.add("loop", b"", status(302, Location="/loop"))
    assert fetch(dest, loop, server.add("b", BODY))["verified"]


def test_range_ignored(server, dest):
    url = server.add("a", BODY, serve(cut=100_000), serve(ranges=False))
    fetch(dest, url)
    assert dest.read_bytes() == BODY


def test_range_ignored_and_cut_keeps_the_longer_part(server, dest):
    first = server.add("a", BODY, serve(cut=200_000), status(404))
    cutting = server.add("b", BODY, serve(ranges=False, cut=50_000))
    refusal(dest, first, cutting)
    assert dest.with_name(dest.name + ".part").stat().st_size == 200_000


def test_another_range_than_asked_for(server, dest):
    def shifted(handler, body):
        handler.begin(206, Content_Range=f"bytes 5-{len(body) - 1}/{len(body)}", Content_Length=len(body) - 5)
        handler.wfile.write(body[5:])

    url = server.add("a", BODY, serve(cut=100_000), shifted, serve())
    fetch(dest, url)
    assert ranges(server, "a") == [None, "bytes=100000-", None]


def test_length_overstated(server, dest):
    lying = server.add("a", BODY, serve(claim=len(BODY) + 1000, cut=len(BODY)))
    assert fetch(dest, lying, server.add("b", BODY))["verified"]
    assert dest.read_bytes() == BODY


def test_length_overstated_by_the_only_source(server, dest):
    assert fetch(dest, server.add("a", BODY, serve(claim=len(BODY) + 1000, cut=len(BODY))))["verified"]


def test_length_understated(server, dest):
    lying = server.add("a", BODY, serve(claim=1000))
    good = server.add("b", BODY)
    assert fetch(dest, lying, good)["source"] == good


def test_absurd_length_is_not_waited_for(server, dest):
    lying = server.add("a", BODY, serve(claim=10**15))
    assert "too many for this archive" in refusal(dest, lying)


def test_endless_source(server, dest, monkeypatch):
    from resbench.data import transfer

    monkeypatch.setattr(transfer, "MAX_BYTES", 400_000)
    endless = server.add("a", BODY, serve(length=False, surplus=bytes(10_000_000)))
    assert "sends more than" in refusal(dest, endless)
    assert files_in(dest.parent) == set()


def test_more_than_its_range(server, dest):
    def too_much(handler, body):
        handler.begin(206, Content_Range=f"bytes {handler.start}-{len(body) - 1}/{len(body)}")
        handler.wfile.write(body[handler.start :] + bytes(100_000))

    lying = server.add("a", BODY, serve(cut=100_000, etag=None), too_much)
    good = server.add("b", BODY)
    assert fetch(dest, lying, good)["source"] == good
    assert ranges(server, "b") == ["bytes=100000-"]  # what came before the lie is kept


@pytest.mark.parametrize("expected", [HASH, None])
def test_file_changed_midway(server, dest, expected):
    url = server.add("a", BODY, serve(etag='"v2"'))
    server.sites["/a"].behaviours.insert(0, lambda handler, _: serve(cut=100_000, etag='"v1"')(handler, OTHER))
    fetch(dest, url, expected=expected)
    assert dest.read_bytes() == BODY
    assert ranges(server, "a") == [None, "bytes=100000-", None]


def test_length_changed_midway(server, dest):
    url = server.add("a", BODY, serve(etag=None))
    server.sites["/a"].behaviours.insert(0, lambda handler, _: serve(cut=100_000, etag=None)(handler, OTHER[:-7]))
    fetch(dest, url)
    assert dest.read_bytes() == BODY


def test_wrong_start_of_another_source_is_thrown_away(server, dest):
    bad = server.add("bad", OTHER, serve(cut=100_000), status(404))
    good = server.add("good", BODY)
    assert fetch(dest, bad, good)["source"] == good
    assert ranges(server, "good") == ["bytes=100000-", None]


@pytest.mark.parametrize("cut", [None, 150_000])
def test_wrong_hash_everywhere(server, dest, cut):
    """It is read from the beginning once more, not for ever."""
    message = refusal(dest, server.add("a", OTHER, serve(cut=cut)))
    assert f"SHA-256 is {sha256(OTHER)}, not {HASH}" in message
    assert files_in(dest.parent) == set()


def test_compression_by_the_server_is_declined(server, dest):
    def encoded(handler, body):
        assert handler.headers["Accept-Encoding"] == "identity"
        handler.begin(200, Content_Encoding="gzip", Content_Length=len(body))  # as some do for any .gz
        handler.wfile.write(body)

    fetch(dest, server.add("a", BODY, encoded))
    assert dest.read_bytes() == BODY


def test_login_page_leaves_the_partial_alone(server, dest):
    def page(handler, _):
        handler.begin(200, Content_Type="text/html; charset=utf-8", Content_Length=6)
        handler.wfile.write(b"<html>")

    first = server.add("a", BODY, serve(cut=100_000), status(404))
    good = server.add("b", BODY)
    fetch(dest, first, server.add("portal", b"", page), good)
    assert ranges(server, "b") == ["bytes=100000-"]


def test_all_failed_names_each_and_the_ways_on(server, dest, tmp_path):
    missing = tmp_path / "missing.tar.gz"
    addresses = [
        refused_url(),
        status_url(server, 404),
        status_url(server, 500),
        missing,
        "ftp://host/x",
        "file://host/x",
        "http://[::",
    ]
    message = refusal(dest, *map(str, addresses))
    for address, reason in zip(
        addresses,
        [
            "Connection refused",
            "HTTP 404 Not Found",
            "HTTP 500",
            "no such file",
            "ftp:// is not",
            "a file:// URL with a host",
            "no valid",
        ],
        strict=True,
    ):
        assert re.search(rf"^  {re.escape(str(address))}: {re.escape(reason)}", message, re.M), reason
    assert "name its path first in data.sources" in message
    assert "make demo" in message


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://user:secret@host/a", "https://host/a"),
        ("https://user:se@cret@host:8443/a", "https://host:8443/a"),
        ("https://secret@host?token=secret", "https://host"),
        ("https://user:se#cr?et@host/a", "https://host/a"),
        ("HTTPS://host/@scope/a.zip?token=secret#part", "HTTPS://host/@scope/a.zip"),
        ("ftp://user:secret@host/a", "ftp://host/a"),
        ("photos/who?#1 @home", "photos/who?#1 @home"),
        ("file:///home/me@work/a?.zip", "file:///home/me@work/a?.zip"),
    ],
)
def test_passwords_and_tokens_are_not_part_of_what_is_shown(source, shown):
    assert without_password(source) == shown


@pytest.mark.parametrize("place", ["{}", "{}?token=secret", "http://", "http://[x", "http://ho st"])
def test_password_is_not_shown(server, dest, capsys, place):
    url = place.format(server.add("a", BODY, status(403))).replace("http://", "http://user:secret@")
    assert "secret" not in refusal(dest, url) + capsys.readouterr().err


def test_password_is_not_recorded(server, dest):
    url = server.add("a", BODY)
    with_password = url.replace("http://", "http://user:secret@") + "?token=secret"
    assert fetch(dest, with_password)["source"] == url
    killed = dest.with_name("killed")  # just before its end
    killed.with_name("killed.part").write_bytes(BODY)
    killed.with_name("killed.part.json").write_text(json.dumps({"url": with_password}))
    assert fetch(killed, with_password)["source"] == url


def test_a_local_file_may_have_any_length(dest, tmp_path, monkeypatch):
    from resbench.data import transfer

    monkeypatch.setattr(transfer, "MAX_BYTES", 1000)
    (tmp_path / "mine.tar").write_bytes(BODY)
    fetch(dest, str(tmp_path / "mine.tar"))
    assert dest.read_bytes() == BODY


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_local_file(dest, tmp_path, form):
    (tmp_path / "local copy").write_bytes(BODY)
    source = form.format(tmp_path / "local copy")
    assert fetch(dest, source)["source"] == source
    assert dest.read_bytes() == BODY


def test_wrong_local_file_goes_to_the_next(server, dest, tmp_path):
    (tmp_path / "wrong").write_bytes(OTHER)
    url = server.add("a", BODY)
    assert fetch(dest, str(tmp_path / "wrong"), str(tmp_path), "/dev/zero", url)["source"] == url


def test_no_hash_warns_and_mixes_nothing(server, dest, capsys):
    first = server.add("a", BODY, serve(cut=100_000), status(404))
    second = server.add("b", BODY)
    assert fetch(dest, first, second, expected=None)["verified"] is False
    assert "WARNING" in capsys.readouterr().err
    assert ranges(server, "b") == [None]


def test_no_hash_resumes_only_what_is_surely_the_same(server, dest):
    url = server.add("a", BODY, serve(cut=100_000), serve())
    fetch(dest, url, expected=None)
    undated = server.add("b", BODY, serve(cut=100_000, etag=None), serve(etag=None))
    fetch(dest.with_name("other"), undated, expected=None)
    assert ranges(server, "a") == [None, "bytes=100000-"]
    assert ranges(server, "b") == [None, None]


@pytest.mark.parametrize("digits", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_malformed_hash(server, dest, digits):
    assert "64 hex digits" in refusal(dest, server.add("a", BODY), expected=digits)
    assert server.requests == []


def test_destination_is_a_folder(server, tmp_path):
    with pytest.raises(ResbenchError, match="is a folder"):
        fetch(tmp_path, server.add("a", BODY))


def test_unwritable_destination(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ResbenchError, match="cannot be written"):
        fetch(tmp_path / "file" / "archive", server.add("a", BODY))


@pytest.mark.parametrize("content", [b"x" * 500_000, BODY + b"x"])
def test_torn_note_and_foreign_partial_are_harmless(server, dest, content):
    dest.parent.mkdir()
    dest.with_name(dest.name + ".part").write_bytes(content)
    dest.with_name(dest.name + ".part.json").write_bytes(b'{"url": 3, "wha')
    fetch(dest, server.add("a", BODY))
    assert dest.read_bytes() == BODY


def test_two_at_once(server, dest):
    dest.parent.mkdir()
    with open_partial(dest):
        assert "another process" in refusal(dest, server.add("a", BODY))


def test_another_run_that_finished_it_just_now_is_left_alone(server, dest, monkeypatch):
    """The file that was opened has its final name by the time it is locked."""
    part = dest.with_name(dest.name + ".part")
    dest.parent.mkdir()
    part.write_bytes(BODY)
    monkeypatch.setattr("fcntl.flock", lambda *_: (part.replace(dest), part.touch()))
    with pytest.raises(ResbenchError, match="another process"):
        fetch(dest, server.add("a", OTHER), expected=None)
    assert dest.read_bytes() == BODY


def test_a_short_write_is_continued(dest):
    dest.parent.mkdir()
    with open_partial(dest) as partial:
        stream = partial.stream
        partial.stream = SimpleNamespace(fileno=stream.fileno, write=lambda data: stream.write(data[:3]))
        partial.write(0, b"0123456789")
        assert partial.path.read_bytes() == b"0123456789"


def test_command_line_failure(server, dest):
    process = run_cli("download", dest, "--sha256", HASH, "--source", status_url(server, 404))
    error = process.communicate()[1]
    assert process.returncode == 1
    assert "Traceback" not in error
    assert "make demo" in error
    assert files_in(dest.parent) == set()
