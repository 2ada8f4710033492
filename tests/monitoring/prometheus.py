"""Run promtool on the files in docs/monitoring/: syntax checks, and unit tests of every alert.

The module is not named test_*, because it needs promtool, which `make test` does not require. `make monitoring` runs it.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.environment import BASE_DIR
from webhooks.models import Alert
from webhooks.monitoring.rules import SEVERITIES

FOLDER = BASE_DIR / "docs" / "monitoring"
RULES_FILE = FOLDER / "alert_rules.yml"
#: The value of `buildappswith_signal` that fires an alert. 2 is degraded.
BROKEN = 3
#: Prometheus evaluates the rules every 30 s in these tests. The signals are well for 2 minutes, bad for 5, and well again.
INTERVAL, WELL_BEFORE, BAD, WELL_AFTER = "30s", 4, 10, 8


def promtool(*arguments: str | Path) -> str:
    """Run promtool and return its output. If promtool is missing, tests fail rather than being skipped."""
    path = shutil.which("promtool")
    assert path, "promtool was not found; on Debian: apt-get install prometheus"
    result = subprocess.run([path, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=FOLDER)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def rules() -> dict[str, dict[str, Any]]:
    """Return the alerts, keyed by their `rule` label."""
    [group] = yaml.safe_load(RULES_FILE.read_text())["groups"]
    return {rule["labels"]["rule"]: rule for rule in group["rules"]}


def run_unit_tests(folder: Path, *tests: dict[str, Any]) -> None:
    file = folder / "tests.yml"
    content = {"rule_files": [str(RULES_FILE)], "evaluation_interval": INTERVAL, "tests": tests}
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    promtool("test", "rules", file)


def unit_test(series: dict[str, str], alert: dict[str, Any], firing: dict[str, bool]) -> dict[str, Any]:
    """Return a unit test.

    Args:
        series: the values of each series, every 30 s.
        firing: whether the alert fires at each time.
    """
    expected = {"exp_labels": alert["labels"], "exp_annotations": alert["annotations"]}
    return {
        "interval": INTERVAL,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": time, "alertname": alert["alert"], "exp_alerts": [expected] if is_firing else []}
            for time, is_firing in firing.items()
        ],
    }


def signal(rule: str, host: str = "a") -> str:
    return f'buildappswith_signal{{rule="{rule}", instance="{host}"}}'


def values(bad: int, well: int = 0) -> str:
    return f"{well}x{WELL_BEFORE - 1} {bad}x{BAD - 1} {well}x{WELL_AFTER - 1}"


def test_rules_are_valid() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", RULES_FILE)


def test_configuration_is_valid(tmp_path: Path) -> None:
    """The configuration references a token file that exists only on the server."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    token = tmp_path / "token"
    token.touch()
    for job in config["scrape_configs"]:
        job["authorization"]["credentials_file"] = str(token)
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    promtool("check", "config", file)


@pytest.mark.parametrize("rule", Alert.Rule)
def test_alert_fires_after_a_minute_and_resolves_with_its_signal(rule: Alert.Rule, tmp_path: Path) -> None:
    alert = rules()[rule]
    run_unit_tests(
        tmp_path,
        unit_test(
            {signal(rule): values(BROKEN)},
            alert,
            {"1m30s": False, "2m30s": False, "3m30s": True, "6m30s": True, "7m30s": False},
        ),
        # Degraded and unknown signals do not fire, and other rules' signals do not either.
        unit_test({signal(rule): values(BROKEN - 1), signal("other"): values(BROKEN)}, alert, {"5m": False}),
    )


@pytest.mark.parametrize("rule", Alert.Rule)
def test_two_scraped_hosts_fire_one_alert(rule: Alert.Rule, tmp_path: Path) -> None:
    series = {signal(rule, "a"): values(BROKEN), signal(rule, "b"): values(BROKEN)}
    run_unit_tests(tmp_path, unit_test(series, rules()[rule], {"5m": True}))


@pytest.mark.parametrize("rule", Alert.Rule)
def test_severity_matches_the_application(rule: Alert.Rule) -> None:
    assert rules()[rule]["labels"]["severity"] == SEVERITIES[rule]


def test_missing_metrics_fire_after_five_minutes(tmp_path: Path) -> None:
    alert = rules()["unreachable"]
    # Prometheus uses the last value for five minutes, so the metric is absent from 7m on.
    gap = {"buildappswith_workers": "1x4 _x30 1x10"}
    run_unit_tests(tmp_path, unit_test(gap, alert, {"2m": False, "11m": False, "13m": True, "16m": True, "19m": False}))
