"""Every job is registered with workers. To register a job at start-up, a `tasks` module must import its module."""

import ast
import inspect
import subprocess
import sys

from django.apps import apps
from procrastinate.contrib.django import app

from config.environment import BASE_DIR
from core.jobs import descriptions

APPS = ("accounts", "audit", "profiles", "webhooks")


def declared_jobs() -> set[str]:
    """Return the names of all functions that are decorated as jobs."""
    return {
        f"{path.relative_to(BASE_DIR).with_suffix('').as_posix().replace('/', '.')}.{node.name}"
        for app in APPS
        for path in BASE_DIR.joinpath(app).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if any(".task" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def test_every_job_is_registered_with_workers() -> None:
    code = "import django; django.setup(); from procrastinate.contrib.django import app; print(*app.tasks)"
    done = subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=True)
    jobs = declared_jobs()
    assert len(jobs) > 20
    assert jobs <= set(done.stdout.split())


def test_every_registered_job_is_described() -> None:
    """Procrastinate's built-in jobs are excluded, because they are not used."""
    code = (
        "import django; django.setup(); from core.jobs import descriptions;"
        "from procrastinate.contrib.django import app;"
        "print(*(name for name in app.tasks if name not in descriptions and not name.startswith('builtin:') and not name.startswith('procrastinate.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=BASE_DIR, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_declared_person_argument_exists() -> None:
    for name, description in descriptions.items():
        if description.person:
            arguments = inspect.signature(app.tasks[name].func).parameters
            assert description.person.argument in arguments, name
            model = apps.get_model(description.person.model)
            model.objects.filter(**{description.person.column: 1, description.person.clerk_id: "user_1"})
