"""The files in docs/monitoring/ for Grafana, Prometheus and Datadog match the metrics of /metrics.

PromQL is checked only for existing names, labels and functions, and for balanced brackets. `make monitoring` runs promtool.
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
from webhooks.monitoring.signals import SEVERITY, State

pytestmark = pytest.mark.django_db

FOLDER = BASE_DIR / "docs" / "monitoring"
PREFIX = "buildappswith_"
#: PromQL functions and operators used in our expressions.
PROMQL_WORDS = {"max", "sum", "by", "increase", "absent", "and", "or"}
PROMQL_TOKEN = re.compile(
    r'\s+|"[^"\n]*"|[a-zA-Z_]\w*|\$__rate_interval|\[(?:\d+[smhdw]|\$__rate_interval)\]|\d+(?:\.\d+)?|[<>=!]=|[<>=+*/,(){}-]'
)
#: A Datadog query: aggregator, metric, and filters in braces.
DATADOG = re.compile(r"(?:avg|max|min|sum):([\w.]+)\{([^}]*)\}(?: by \{([^}]*)\})?")
RUNBOOK = re.compile(r"/admin/webhooks/alert/runbooks/([a-z_]+)/")


@pytest.fixture
def metrics(webhook: WebhookClient) -> dict[str, set[str]]:
    """Return the labels of every metric in a real response, keyed by Prometheus name."""
    zofia = person()
    webhook.created(zofia)
    text = Client().get("/metrics", headers={"accept": "application/openmetrics-text"}).content.decode()
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        # Families without samples are not listed here. The drift metrics have no samples before the first
        # reconciliation.
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
    """Return a metric's name in Datadog's OpenMetrics check. Counter names end in .count."""
    conf = read("openmetrics.d/conf.yaml")["instances"][0]
    short = name.removeprefix(conf["raw_metric_prefix"])
    counter = short.removesuffix("_total")
    return f"{conf['namespace']}.{counter}" + (".count" if counter != short else "")


def promql_errors(expr: str, metrics: dict[str, set[str]]) -> Iterator[str]:
    """Yield errors in a PromQL expression."""
    if "".join(PROMQL_TOKEN.findall(expr)) != expr:
        yield f"not PromQL: {PROMQL_TOKEN.sub('', expr)}"
    rest = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expr)
    while (shorter := re.sub(r"\([^(){}]*\)|\{[^(){}]*\}", "", rest)) != rest:
        rest = shorter
    if set(rest) & set("(){}[]"):
        yield "unbalanced brackets"
    names = set(re.findall(rf"{PREFIX}\w+", expr))
    yield from (f"no metric {name}" for name in names - metrics.keys())
    used = re.findall(r"(\w+)\s*=~?\s*\"", expr) + re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expr)))
    known = set[str]().union(*(metrics.get(name, set()) for name in names))
    yield from (f"no label {label} on {names}" for label in set(used) - known)
    words = set(re.findall(r"(?<![\w$\"])[a-z]\w*", re.sub(r'"[^"]*"|\[[^\]]*\]', "", expr))) - names - known
    yield from (f"no function {word}" for word in words - PROMQL_WORDS)


def test_promql_uses_existing_metrics(metrics: dict[str, set[str]]) -> None:
    assert {expr: found for expr in expressions() if (found := list(promql_errors(expr, metrics)))} == {}


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
def test_invalid_promql_is_detected(metrics: dict[str, set[str]], expr: str) -> None:
    assert list(promql_errors(expr, metrics))


def test_datadog_queries_use_stored_metrics(metrics: dict[str, set[str]]) -> None:
    stored = {as_datadog(name): labels | {"env"} for name, labels in metrics.items()}
    for query in datadog_queries():
        found = DATADOG.findall(query)
        assert len(found) == query.count("buildappswith.") > 0, query
        for name, chosen, by in found:
            assert name in stored, query
            labels = {part.partition(":")[0].lstrip("$") for part in chosen.split(",") if part != "*"}
            assert labels | set(filter(None, by.split(","))) <= stored[name], query
            # as_count() can be used only with counters.
            assert (".as_count()" in query) == name.endswith(".count"), query


def test_datadog_collects_every_metric(metrics: dict[str, set[str]]) -> None:
    listed = read("openmetrics.d/conf.yaml")["instances"][0]["metrics"]
    # Datadog expects counters without _total: docs.datadoghq.com/integrations/openmetrics
    assert sorted(listed) == sorted(name.removeprefix(PREFIX).removesuffix("_total") for name in metrics)


def test_both_dashboards_show_every_metric(metrics: dict[str, set[str]]) -> None:
    grafana = (FOLDER / "grafana_dashboard.json").read_text()
    datadog = (FOLDER / "datadog_dashboard.json").read_text()
    assert {name for name in metrics if name not in grafana} == set()
    assert {name for name in metrics if as_datadog(name) not in datadog} == set()


def test_every_rule_has_an_alert_with_a_runbook_in_both_systems() -> None:
    rules = {rule["labels"]["rule"]: rule["annotations"]["runbook_url"] for rule in prometheus_rules()}
    monitors = {
        tag.removeprefix("rule:"): monitor["message"]
        for monitor in read("datadog_monitors.json")
        for tag in monitor["tags"]
        if tag.startswith("rule:")
    }
    # The site cannot report its own outage. In Datadog, another monitor's "no data" option detects it.
    assert set(rules) == set(Alert.Rule) | {"unreachable"}
    assert set(monitors) == set(Alert.Rule)
    for rule, text in [*rules.items(), *monitors.items()]:
        assert rule in RUNBOOK.findall(text)
        for name in RUNBOOK.findall(text):
            assert (BASE_DIR / "docs" / "runbooks" / f"{name}.md").is_file()


@pytest.mark.parametrize("rule", Alert.Rule)
def test_alert_has_the_same_name_everywhere(rule: Alert.Rule) -> None:
    docs = BASE_DIR / "docs"
    assert (docs / "runbooks" / f"{rule}.md").read_text().startswith(f"# {rule.label}\n")
    assert f"| {rule.label} | " in (docs / "operators.md").read_text()
    [prometheus] = [each for each in prometheus_rules() if each["labels"]["rule"] == rule]
    [monitor] = [each for each in read("datadog_monitors.json") if f"rule:{rule}" in each["tags"]]
    assert prometheus["annotations"]["summary"].startswith(str(rule.label))
    assert monitor["name"].startswith(f"[buildappswith] {rule.label}")


def test_monitors_that_fire_without_data_name_the_site() -> None:
    names = [monitor["name"] for monitor in read("datadog_monitors.json") if monitor["options"]["notify_no_data"]]
    assert [name.endswith(", or the site is down") for name in names] == [True]


@pytest.mark.parametrize("rule", Alert.Rule)
def test_both_systems_alert_exactly_when_the_application_does(rule: Alert.Rule) -> None:
    """The application opens alerts for broken signals only."""
    value = SEVERITY[State.BROKEN]
    [prometheus] = [each["expr"] for each in prometheus_rules() if each["labels"]["rule"] == rule]
    [monitor] = [each for each in read("datadog_monitors.json") if f"rule:{rule}" in each["tags"]]
    assert prometheus == f'max(buildappswith_signal{{rule="{rule}"}}) >= {value}'
    assert monitor["query"] == f"max(last_5m):max:buildappswith.signal{{rule:{rule}}} >= {value}"
    assert monitor["options"]["thresholds"]["critical"] == value


def test_queries_of_alert_gauges_name_existing_rules() -> None:
    queried = re.findall(r'rule(?:="|:)([a-z_]+)', "\n".join([*expressions(), *datadog_queries()]))
    assert set(queried) <= set(Alert.Rule)
    assert {"silence", "other_instance", "audit_chain_broken"} <= set(queried)


def test_grafana_dashboard_uses_a_data_source_variable() -> None:
    dashboard = read("grafana_dashboard.json")
    [variable] = dashboard["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    sources = [each["datasource"]["uid"] for panel in dashboard["panels"] for each in (panel, *panel["targets"])]
    assert set(sources) == {f"${{{variable['name']}}}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_prometheus_configuration_has_scrape_job_and_rule_files() -> None:
    config = read("prometheus.yml")
    [job] = config["scrape_configs"]
    assert (job["metrics_path"], job["authorization"]["type"]) == ("/metrics", "Bearer")
    assert all((FOLDER / name).is_file() for name in config["rule_files"])
