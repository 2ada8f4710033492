"""What docs/monitoring/ hands to Grafana, Prometheus and Datadog, compared with what /metrics says.

promtool and the three programs are not here: of PromQL it is seen that names, labels and functions exist and brackets close.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from config.environment import BASE_DIR
from tests.helpers.webhooks import WebhookClient, person
from webhooks.models import Alert

pytestmark = pytest.mark.django_db

FOLDER = BASE_DIR / "docs" / "monitoring"
PREFIX = "buildappswith_"
#: Everything of PromQL that our expressions use besides names, labels and numbers.
PROMQL_WORDS = {"max", "sum", "by", "increase", "absent", "and", "or"}
PROMQL_TOKEN = re.compile(
    r'\s+|"[^"\n]*"|[a-zA-Z_]\w*|\$__rate_interval|\[(?:\d+[smhdw]|\$__rate_interval)\]|\d+(?:\.\d+)?|[<>=!]=|[<>=+*/,(){}-]'
)
#: An aggregator of Datadog's, a metric, and in braces what is chosen of it.
DATADOG = re.compile(r"(?:avg|max|min|sum):([\w.]+)\{([^}]*)\}(?: by \{([^}]*)\})?")
RUNBOOK = re.compile(r"/admin/webhooks/alert/runbooks/([a-z_]+)/")


@pytest.fixture
def told(webhook: WebhookClient) -> dict[str, set[str]]:
    """Return the names and labels of a real answer, as Prometheus stores them; counters end in _total."""
    zofia = person()
    webhook.created(zofia)
    text = Client().get("/metrics", headers={"accept": "application/openmetrics-text"}).content.decode()
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        # A family without samples has its name, too; the comparison with Clerk has none in a new system.
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names | {
        PREFIX + name: set() for name in ("reconciliation_age_seconds", "drift_people", "drift_unhealed_people")
    }


def read(name: str) -> Any:
    text = (FOLDER / name).read_text()
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def prometheus_rules() -> list[dict[str, Any]]:
    [group] = read("alert_rules.yml")["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def expressions() -> list[str]:
    panels = read("grafana_dashboard.json")["panels"]
    return [
        *(rule["expr"] for rule in prometheus_rules()),
        *(target["expr"] for panel in panels for target in panel["targets"]),
    ]


def datadog_queries() -> list[str]:
    widgets = read("datadog_dashboard.json")["widgets"]
    return [
        *(monitor["query"] for monitor in read("datadog_monitors.json")),
        *(request["q"] for widget in widgets for request in widget["definition"]["requests"]),
    ]


def as_datadog(name: str) -> str:
    """Return the name under which Datadog's OpenMetrics check stores a metric: counters end in .count."""
    conf = read("openmetrics.d/conf.yaml")["instances"][0]
    short = name.removeprefix(conf["raw_metric_prefix"])
    counter = short.removesuffix("_total")
    return f"{conf['namespace']}.{counter}" + (".count" if counter != short else "")


def complaints(expr: str, told: dict[str, set[str]]) -> Iterator[str]:
    """Yield what is wrong with a PromQL expression."""
    if "".join(PROMQL_TOKEN.findall(expr)) != expr:
        yield f"something that is not PromQL: {PROMQL_TOKEN.sub('', expr)}"
    rest = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expr)
    while (shorter := re.sub(r"\([^(){}]*\)|\{[^(){}]*\}", "", rest)) != rest:
        rest = shorter
    if set(rest) & set("(){}[]"):
        yield "brackets that do not close"
    names = set(re.findall(rf"{PREFIX}\w+", expr))
    yield from (f"no metric {name}" for name in names - told.keys())
    used = re.findall(r"(\w+)\s*=~?\s*\"", expr) + re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expr)))
    known = set[str]().union(*(told.get(name, set()) for name in names))
    yield from (f"no label {label} on {names}" for label in set(used) - known)
    words = set(re.findall(r"(?<![\w$\"])[a-z]\w*", re.sub(r'"[^"]*"|\[[^\]]*\]', "", expr))) - names - known
    yield from (f"no function {word}" for word in words - PROMQL_WORDS)


def test_promql_asks_for_what_is_told(told: dict[str, set[str]]) -> None:
    assert {expr: found for expr in expressions() if (found := list(complaints(expr, told)))} == {}


@pytest.mark.parametrize(
    "expr",
    (
        "max(buildappswith_nothing)",
        "max(buildappswith_workers",
        "max(buildappswith_workers))",
        "sum by (colour) (buildappswith_workers)",
        'buildappswith_workers{host="a"}',
        "maximum(buildappswith_workers)",
        "buildappswith_workers; 1",
        "increase(buildappswith_deliveries[2h])",
    ),
)
def test_promql_that_is_wrong_is_found(told: dict[str, set[str]], expr: str) -> None:
    assert list(complaints(expr, told))


def test_datadog_asks_for_what_its_check_stores(told: dict[str, set[str]]) -> None:
    stored = {as_datadog(name): labels | {"env"} for name, labels in told.items()}
    for query in datadog_queries():
        found = DATADOG.findall(query)
        assert len(found) == query.count("buildappswith.") > 0, query
        for name, chosen, by in found:
            assert name in stored, query
            labels = {part.partition(":")[0].lstrip("$") for part in chosen.split(",") if part != "*"}
            assert labels | set(filter(None, by.split(","))) <= stored[name], query
            # Only counts are summed over a time as counts.
            assert (".as_count()" in query) == name.endswith(".count"), query


def test_datadog_collects_exactly_what_is_told(told: dict[str, set[str]]) -> None:
    listed = read("openmetrics.d/conf.yaml")["instances"][0]["metrics"]
    # Datadog wants counters without _total: docs.datadoghq.com/integrations/openmetrics
    assert sorted(listed) == sorted(name.removeprefix(PREFIX).removesuffix("_total") for name in told)


def test_every_metric_is_on_both_dashboards(told: dict[str, set[str]]) -> None:
    grafana = (FOLDER / "grafana_dashboard.json").read_text()
    datadog = (FOLDER / "datadog_dashboard.json").read_text()
    assert {name for name in told if name not in grafana} == set()
    assert {name for name in told if as_datadog(name) not in datadog} == set()


def test_every_rule_has_an_alert_in_both_and_each_names_its_runbook() -> None:
    rules = {rule["labels"]["rule"]: rule["annotations"]["runbook_url"] for rule in prometheus_rules()}
    monitors = {
        tag.removeprefix("rule:"): monitor["message"]
        for monitor in read("datadog_monitors.json")
        for tag in monitor["tags"]
        if tag.startswith("rule:")
    }
    # The site being away is what it cannot tell itself; Datadog calls it "no data" and has it on another monitor.
    assert set(rules) == set(Alert.Rule) | {"unreachable"}
    assert set(monitors) == set(Alert.Rule)
    for rule, text in [*rules.items(), *monitors.items()]:
        assert rule in RUNBOOK.findall(text)
        for name in RUNBOOK.findall(text):
            assert (BASE_DIR / "docs" / "runbooks" / f"{name}.md").is_file()


def test_verdicts_of_the_product_are_asked_for_by_rules_that_exist() -> None:
    asked = re.findall(r'rule(?:="|:)([a-z_]+)', "\n".join([*expressions(), *datadog_queries()]))
    assert set(asked) <= set(Alert.Rule)
    assert {"silence", "other_instance", "audit_chain_broken"} <= set(asked)


def test_the_grafana_dashboard_can_be_imported_anywhere() -> None:
    dashboard = read("grafana_dashboard.json")
    [variable] = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    sources = [each["datasource"]["uid"] for panel in dashboard["panels"] for each in (panel, *panel["targets"])]
    assert set(sources) == {f"${{{variable['name']}}}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_prometheus_is_led_to_metrics_and_to_the_rules() -> None:
    config = read("prometheus.yml")
    [job] = config["scrape_configs"]
    assert (job["metrics_path"], job["authorization"]["type"]) == ("/metrics", "Bearer")
    assert all((FOLDER / name).is_file() for name in config["rule_files"])
