"""Both logs are opened, given away and opened again together."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock

from tracd_cluster.front.record import Record, Recorder
from tracd_cluster.operating.logs import Logs
from tracd_cluster.settings.log import LogSettings


def test_both_are_opened_again(tmp_path: Path) -> None:
    """And the front is told where to tell of requests."""
    recorders: list[Recorder] = []
    settings = LogSettings(access=str(tmp_path / "access"))
    logs = Logs(settings, {"logfile": str(tmp_path / "messages")}, Clock(), recorders)
    logs.start()
    for name in ("access", "messages"):
        (tmp_path / name).rename(tmp_path / f"{name}.1")
    logs.reopen()
    assert {"access", "messages", "access.1", "messages.1"} == {path.name for path in tmp_path.iterdir()}
    recorders[0](Record(0.0, "a", None, b"1"))
    logs.end()
    assert logs._messages is not None
    logs._messages._file.close()
    assert (tmp_path / "access").read_text().startswith("a - - [")


def test_nothing_to_open_again() -> None:
    """Without files it is only said."""
    recorders: list[Recorder] = []
    logs = Logs(LogSettings(), {"logger": "x"}, Clock(), recorders)
    logs.reopen()
    logs.end()
    assert [] == recorders
