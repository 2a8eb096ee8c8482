"""What Trac only logs is heard, with the exception behind it."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tracd_cluster.tracd.faults import Fault, Heard, Listener, file_of, listening, plugins_left_out, trace_of

LOADER = "/site-packages/trac/loader.py"


def logged(path: str, text: str, *args: str) -> logging.LogRecord:
    """Make a record as Trac's own modules write them."""
    return logging.LogRecord("Trac.x", logging.ERROR, path, 1, text, args, None)


@pytest.mark.parametrize(
    ("plugin", "text", "reason"),
    [
        ("mail", "ModuleNotFoundError: No module named 'x'", "ModuleNotFoundError: No module named 'x'"),
        ("/p/a.py", "SyntaxError: bad\nTraceback\n  File\nSyntaxError: bad (a.py, line 1)",
         "SyntaxError: bad (a.py, line 1)"),
    ],
)  # fmt: skip
def test_what_trac_s_loader_logs_is_heard(plugin: str, text: str, reason: str) -> None:
    """A plugin that does not load is not only mentioned in a log nobody reads."""
    heard = Listener()
    heard.handle(logged(LOADER, 'Skipping "%s": %s', plugin, text))
    heard.handle(logged("/trac/web/main.py", "Internal Server Error: %s", "Traceback\nKeyError: 'x'"))
    assert {plugin: Heard(reason, None)} == heard.plugins
    assert [Heard("KeyError: 'x'", None)] == heard.errors


def test_the_exception_itself_is_heard_and_its_file(tmp_path: Path) -> None:
    """Trac leaves the traceback of a failed import out of its log; whoever mends it wants to see it."""
    plugin = tmp_path / "plugin.py"
    plugin.write_text("import nothing_of_that_name\n")
    with listening() as heard:
        try:
            exec(compile(plugin.read_text(), str(plugin), "exec"))
        except ImportError as error:
            logging.getLogger("Trac.x").handle(logged(LOADER, 'Skipping "%s": %s', "plugin", str(error)))
    [one] = heard.plugins.values()
    assert str(plugin) == one.file
    assert f'File "{plugin}", line 1' in one.traceback
    assert [] == [each for each in logging.getLogger("Trac").handlers if isinstance(each, Listener)]


def test_of_a_syntax_error_it_is_the_file_that_has_it() -> None:
    """It has no frame in the traceback."""
    with pytest.raises(SyntaxError) as caught:
        compile("def x(:", "/srv/plugins/a.py", "exec")
    assert "/srv/plugins/a.py" == file_of(caught.value)


def test_of_an_error_in_a_library_it_is_who_called_it() -> None:
    """What is to be mended is a plugin and not Python."""
    with pytest.raises(ValueError, match="Expecting value") as caught:
        __import__("json").loads("")
    assert os.path.abspath(__file__) == file_of(caught.value)


def test_an_endless_recursion_does_not_fill_the_control_link() -> None:
    """The end of a traceback is what counts."""
    error = ValueError("x" * 100_000)
    assert 20_000 == len(trace_of(error))


def test_plugins_left_out_are_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is in use is none of them."""
    for name in ("used_plugin", "broken_plugin", "second_plugin"):
        (tmp_path / f"{name}.py").write_text("")
    for name, file in (("used_plugin", tmp_path / "used_plugin.py"), ("second_plugin", Path(__file__))):
        module = ModuleType(name)
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, name, module)
    env = SimpleNamespace(path="/srv/x", plugins_dir=str(tmp_path), shared_plugins_dir="")
    heard = {
        "broken_plugin": Heard("NameError: x", NameError("x"), "/lib/helper.py", "Traceback"),
        "an egg": Heard("needs y", None),
    }
    broken, second, egg = plugins_left_out(env, heard)
    plugin = f"{tmp_path}/broken_plugin.py"
    expected = f"plugin {plugin} cannot be loaded: NameError: x"
    assert Fault("plugin", "/srv/x", plugin, expected, "/lib/helper.py", "Traceback") == broken
    assert f"environment /srv/x: {expected}" == str(broken)
    assert "a module named second_plugin was there first" in second.text
    assert Fault("plugin", "/srv/x", "an egg", "plugin an egg cannot be loaded: needs y", "an egg") == egg
