"""A generation takes over unless something is lost by it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracd_cluster.workers.control import Failed, Fault, Ready
from tracd_cluster.workers.endings import Ending
from tracd_cluster.workers.judgement import Failure, failure_of, for_the_worse
from tracd_cluster.workers.worker import Template

PLUGIN = Fault("plugin", "/srv/x", "/srv/x/plugins/a.py", "plugin a cannot be loaded", "/srv/x/plugins/a.py", "")
EGG = Fault("plugin", "/srv/x", "egg = egg.web", "plugin egg cannot be loaded", "", "")
SETTINGS = Fault("settings", "/srv/x", "trac.ini", "it cannot be parsed", "/srv/x/conf/trac.ini", "")
PAGE = Fault("page", "/srv/x", "/report", "/report failed", "", "")

RUNNING = Ready(
    1.0, True, ("/srv/x/plugins/a.py",), (), (), opened=("/srv/x", "/srv/y"), warmed=("/srv/x",)
)  # fmt: skip


@pytest.mark.parametrize("fault", [PLUGIN, EGG, SETTINGS, PAGE])
def test_what_worked_must_go_on_working(fault: Fault) -> None:
    """A page that would be gone without an error is not lost in silence."""
    assert fault == for_the_worse(replace(RUNNING, faults=(fault,)), RUNNING)


@pytest.mark.parametrize("fault", [PLUGIN, EGG, SETTINGS, PAGE])
def test_what_was_broken_before_is_no_reason_to_wait(fault: Fault) -> None:
    """One broken plugin does not keep all others from being mended."""
    broken = replace(RUNNING, faults=(fault,))
    assert for_the_worse(broken, broken) is None
    assert for_the_worse(RUNNING, broken) is None
    another = replace(fault, what=fault.what + "x", environment="/srv/z")
    assert for_the_worse(replace(RUNNING, faults=(fault, another)), broken) is None


@pytest.mark.parametrize(
    "fault",
    [
        replace(PLUGIN, what="/srv/x/plugins/new.py", file="/srv/x/plugins/new.py"),
        replace(EGG, environment="/srv/new"),
        replace(SETTINGS, environment="/srv/new"),
        replace(PAGE, environment="/srv/y"),
    ],
)
def test_what_was_not_there_before_is_not_lost(fault: Fault) -> None:
    """A new plugin or environment that is broken is one warning more, and the others take up their changes."""
    assert for_the_worse(replace(RUNNING, faults=(fault,)), RUNNING) is None


def test_a_failure_is_told_in_the_template_s_words_or_ours() -> None:
    """The status says why, and which file to mend, if anybody knows."""
    template = Template(generation=3, since=0.0)
    failed = Failed("open /srv/x", "SyntaxError", "Traceback", "/srv/a.py")
    told = failure_of(template, Ending(status=1, failed=failed), 9.0)
    assert Failure(3, 9.0, "cannot open /srv/x: SyntaxError", "/srv/a.py", "Traceback") == told
    assert "status 3" in failure_of(template, Ending(status=3), 9.0).error
    template.fault = "it did not get ready within 5 s"
    assert Failure(3, 9.0, template.fault) == failure_of(template, Ending(status=-9), 9.0)
