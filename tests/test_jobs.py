"""Workers know every job: it is registered when Django has started, because a `tasks` module imports its module."""

import ast
import subprocess
import sys

from config.environment import BASE_DIR

APPS = ("accounts", "audit", "profiles", "webhooks")


def declared_jobs() -> set[str]:
    """Return the names of all functions with a decorator of the queue."""
    return {
        f"{path.relative_to(BASE_DIR).with_suffix('').as_posix().replace('/', '.')}.{node.name}"
        for app in APPS
        for path in BASE_DIR.joinpath(app).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if any(".task" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def test_workers_know_every_job() -> None:
    code = "import django; django.setup(); from procrastinate.contrib.django import app; print(*app.tasks)"
    done = subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=True)
    jobs = declared_jobs()
    assert len(jobs) > 20
    assert jobs <= set(done.stdout.split())
