"""Packages import each other in one direction, and only one package uses Clerk's wire format."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from config.environment import BASE_DIR

#: Each package and the packages it may import.
MAY_IMPORT = {
    "core": set[str](),
    "audit": {"core"},
    "accounts": {"core", "audit"},
    "profiles": {"core", "audit", "accounts"},
    "webhooks": {"core", "audit", "accounts"},
    # Apps read django.conf.settings. config contains their URLs and hooks.
    "config": {"core", "audit", "accounts", "profiles", "webhooks"},
    # Like Clerk, it communicates with the application only over HTTP.
    "local": set[str](),
}
#: Kinds of modules, and the kinds that each must not import. The kind is part of the module's path.
MUST_NOT_IMPORT = {
    # Models must not depend on code that uses them.
    "models": {"services", "forms", "views", "admin", "tasks"},
    # Commands, jobs and pages all call services, so services must not import them.
    "services": {"views", "admin"},
    # Views use forms, so forms must not import views.
    "forms": {"views", "admin"},
    # Template filters only format values.
    "templatetags": {"services", "forms", "views", "admin"},
}
#: Pairs of wings (sub-packages or top-level modules). The first wing must not import the second, even if there is no cycle.
INDEPENDENT = {
    # Events must be stored even if monitoring is broken.
    ("webhooks.inbox", "webhooks.monitoring"),
}
PACKAGES = [*MAY_IMPORT, "tests"]
FILES = sorted(path for package in MAY_IMPORT for path in BASE_DIR.joinpath(package).rglob("*.py"))
#: The dotted name of each module.
MODULES = {".".join(path.relative_to(BASE_DIR).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

#: Keys that only the parser of Clerk's payloads and the samples may read.
CLERK_KEYS = {
    *("data", "timestamp", "instance_id", "event_attributes", "http_request", "client_ip"),
    *("public_metadata", "unsafe_metadata", "private_metadata"),
    *("email_addresses", "primary_email_address_id", "email_address", "verification"),
    *("first_name", "last_name", "updated_at", "has_image"),
}
KNOWS_CLERK = BASE_DIR / "accounts" / "clerk"
PARSERS = (
    *("envelope.py", "lead_payloads.py", "organization_payloads.py", "payload_exports.py", "payloads.py"),
    "user_fields.py",
)
SAMPLES = "accounts.clerk.samples"


def name_of(path: Path) -> str:
    return path.relative_to(BASE_DIR).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), name_of(path))


def imported(node: ast.AST, path: Path) -> Iterator[str]:
    """Yield the dotted names that an import statement imports. Relative imports are resolved."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = path.relative_to(BASE_DIR).parts[: -node.level] if node.level else ()
        module = ".".join([*package, *filter(None, [node.module])])
        yield from (f"{module}.{alias.name}" for alias in node.names)


@cache
def imports_of(path: Path) -> frozenset[str]:
    return frozenset(name for node in ast.walk(tree_of(path)) for name in imported(node, path))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_module_imports_only_allowed_packages(path: Path) -> None:
    package = path.relative_to(BASE_DIR).parts[0]
    imported_packages = {name.partition(".")[0] for name in imports_of(path)} & set(PACKAGES)
    assert imported_packages <= MAY_IMPORT[package] | {package}


def project_imports(path: Path) -> set[str]:
    """Return the names of the project's modules that a module imports."""
    return {module for name in imports_of(path) if (module := module_of(name)) != ""}


def module_of(name: str) -> str:
    """Return the longest part of an imported name that is a module of the project, or ""."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name


def wing_of(module: str) -> str:
    """Return the sub-package or top-level module of an app that `module` is in, for example webhooks.inbox."""
    return ".".join(module.split(".")[:2])


def wing_imports(package: str) -> dict[str, set[str]]:
    """Return each wing of a package with the other wings of the package that it imports."""
    wings: dict[str, set[str]] = {}
    for module, path in MODULES.items():
        if module.startswith(f"{package}."):
            inside = {wing_of(name) for name in project_imports(path) if name.startswith(f"{package}.")}
            wings.setdefault(wing_of(module), set()).update(inside - {wing_of(module)})
    return wings


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_wings_import_each_other_one_way(package: str) -> None:
    try:
        TopologicalSorter(wing_imports(package)).prepare()
    except CycleError as error:
        pytest.fail(f"Wings import each other in a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("kind", MUST_NOT_IMPORT)
def test_kind_of_module_does_not_import_others(kind: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module, path in MODULES.items()
        if kind in module.split(".")
        for name in sorted(project_imports(path))
        if MUST_NOT_IMPORT[kind] & set(name.split("."))
    ]
    assert wrong == []


def test_template_tags_are_used_only_by_templates() -> None:
    assert [name_of(path) for path in FILES if any(".templatetags" in name for name in project_imports(path))] == []


@pytest.mark.parametrize(("wing", "other"), sorted(INDEPENDENT))
def test_wing_does_not_import_the_other(wing: str, other: str) -> None:
    importers = {wing_of(module) for module, path in MODULES.items() if other in map(wing_of, project_imports(path))}
    assert wing not in importers


@pytest.mark.parametrize("name", sorted({*MUST_NOT_IMPORT, *set.union(*MUST_NOT_IMPORT.values())}))
def test_kinds_in_the_rules_exist(name: str) -> None:
    assert any(name in module.split(".") for module in MODULES)


@pytest.mark.parametrize("package", ("clerk", "demo"))
def test_local_stack_is_imported_only_by_itself(package: str) -> None:
    files = BASE_DIR.joinpath("local", package).rglob("*.py")
    assert not [name_of(path) for path in files if any(name.startswith("local.stack") for name in imports_of(path))]


def test_every_package_has_a_rule() -> None:
    packages = {path.parent.name for path in BASE_DIR.glob("*/__init__.py")}
    assert packages == set(PACKAGES)


def test_relative_and_nested_imports_are_found() -> None:
    source = "from ..audit import log\ndef f():\n    import config.settings"
    names = {name for node in ast.walk(ast.parse(source)) for name in imported(node, BASE_DIR / "accounts" / "x.py")}
    assert names == {"audit.log", "config.settings"}


@pytest.mark.parametrize("package", [package for package in MAY_IMPORT if package not in {"config", "local"}])
def test_functions_do_not_import_project_modules(package: str) -> None:
    """If such an import is needed because of a cycle, move the code. `AppConfig.ready` is an exception."""
    hidden = [
        f"{name_of(path)}: {name}"
        for path in BASE_DIR.joinpath(package).rglob("*.py")
        for function in ast.walk(tree_of(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name != "ready"
        for node in ast.walk(function)
        for name in imported(node, path)
        if name.partition(".")[0] in PACKAGES
    ]
    assert hidden == []


def test_only_the_event_generator_imports_samples() -> None:
    users = {name_of(path) for path in FILES if any(name.startswith(SAMPLES) for name in imports_of(path))}
    assert users == {"webhooks/management/commands/clerk_event.py"}


def looked_up(node: ast.AST) -> str | None:
    """Return the constant key that `node` reads: x["data"], x.get("data"), or read_text(x, "data") and similar
    functions."""
    match node:
        case ast.Subscript(slice=ast.Constant(value=str(key)), ctx=ast.Load()):
            return key
        case ast.Call(func=ast.Attribute(attr="get"), args=[ast.Constant(value=str(key)), *_]):
            return key
        case ast.Call(func=ast.Name(id="read" | "read_text" | "read_time"), args=[_, ast.Constant(value=str(key)), *_]):
            return key
    return None


# local.clerk is excluded, because it creates the payloads.
@pytest.mark.parametrize("package", [package for package in MAY_IMPORT if package != "local"])
def test_only_the_parser_reads_clerks_payloads(package: str) -> None:
    readers = {
        f"{name_of(path)}: {key}"
        for path in BASE_DIR.joinpath(package).rglob("*.py")
        if not path.is_relative_to(KNOWS_CLERK)
        for node in ast.walk(tree_of(path))
        if (key := looked_up(node)) in CLERK_KEYS
    }
    assert readers == set()


def test_parser_reads_clerks_payloads() -> None:
    """If this test fails, the test above checks the wrong keys."""
    keys = {looked_up(node) for name in PARSERS for node in ast.walk(tree_of(KNOWS_CLERK / name))}
    assert {"data", "public_metadata", "email_addresses"} <= keys


def test_only_the_parser_reads_payloads_in_its_package() -> None:
    readers = {
        name_of(path)
        for path in KNOWS_CLERK.rglob("*.py")
        if any(looked_up(node) in CLERK_KEYS for node in ast.walk(tree_of(path)))
    }
    assert readers == {*(f"accounts/clerk/{name}" for name in PARSERS), "accounts/clerk/samples/__init__.py"}


def test_apps_use_only_the_signals_of_accounts() -> None:
    """Other signals between apps, and post_save receivers for the project's models, are not allowed.

    The receiver of `post_migrate` is an exception, which sets defaults of the database role (core.db.timeouts).
    """
    imported_signals = {
        name
        for path in FILES
        if path.relative_to(BASE_DIR).parts[0] != "local"
        for name in imports_of(path)
        if name.startswith(("django.db.models.signals", "django.dispatch"))
    }
    assert imported_signals == {"django.dispatch.Signal", "django.db.models.signals.post_migrate"}
