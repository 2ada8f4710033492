# All development commands. `make` lists them. Requires GNU make, a POSIX shell, and Python 3.12 or newer.

.DEFAULT_GOAL := help
.PHONY: help run manage test test-slow check smoke fuzz oracle monitoring browser-test references alarms screenshots lighthouse docs bench format migrations messages
.PHONY: cluster faults image requirements clean

# Each candidate is executed, because pyenv has shims for versions that are not installed.
# To choose one yourself: make run PYTHON=/path/to/python3.13
CANDIDATES = "$(PYTHON)" python3.13 python3.14 python3.12 python3 python \
	"$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 "$$HOME"/.local/bin/python3.1[2-9]
SUITABLE = import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))
MISSING = make: no Python 3.12 or newer with its venv module was found. Install one (uv python install 3.13; \
	pyenv install 3.13; Debian 13: apt-get install python3-venv), or set its path: make PYTHON=/path/to/python3.13 $@
INSTALL = @for p in $(CANDIDATES); do \
		test -n "$$p" && "$$p" -c '$(SUITABLE)' >/dev/null 2>&1 && break; p=; \
	done; \
	test -n "$$p" || { echo "$(strip $(MISSING))" >&2; exit 1; }; \
	exec "$$p" -I local/stack/install.py
# Clerk's scripts, to test that the Content-Security-Policy allows them, and axe, to check accessibility.
BROWSER_SCRIPTS = @clerk/clerk-js@6.40.0 @clerk/ui@1.36.0 axe-core@4.14.1
IN_VENV = @exec .venv/bin/python
# Settings of a deployment, for commands that need no database.
PRODUCTION = @env -u LOCAL_MODE -u DEBUG SECRET_KEY="$$(.venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(50))')" LIVE_SITE=on \
	DATABASE_URL=postgresql://app@/app?host=/nowhere ALLOWED_HOSTS=example.com CLERK_WEBHOOK_SECRET=whsec_bm90IGEgc2VjcmV0IG5vdCBhIHNlY3JldA== \
	CLERK_PUBLISHABLE_KEY=pk_live_Y2xlcmsuZXhhbXBsZS5jb20k CLERK_SECRET_KEY=sk_live_not-a-secret-but-as-long \
	CLERK_AUTHORIZED_PARTIES=https://example.com TRUSTED_PROXY_COUNT=1 TRUSTED_PROXY_SSL_HEADER='X-Forwarded-Proto: https' \
	MEDIA_ROOT=. EMAIL_URL=smtp://localhost:25 ALERT_URLS=json://localhost AUDIT_SEAL_KEY=not-a-secret-but-as-long-as-one-has-to-be

help: ## List all commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /|/' | while IFS='|' read -r name text; do \
		printf '  make %-14s %s\n' "$$name" "$$text"; done

run: ## Run the database, web server, worker and stand-in for Clerk; set PORT and DATA_DIR to run a second copy
	$(INSTALL) local.txt
	$(IN_VENV) -m local.stack

manage: ## Run a manage.py command while `make run` is running: make manage ARGS="clerk_doctor"
	$(INSTALL) local.txt
	$(IN_VENV) -m local.stack.manage $(ARGS)

PYTEST = $(IN_VENV) -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

test: ## Run the quick tests with a real PostgreSQL. To run only some tests, slow ones included: make test ARGS="tests/webhooks -k retry"
	$(INSTALL) dev.txt
	$(PYTEST) $(or $(ARGS),-m "not slow")

test-slow: ## Run the other tests, which start processes or request every URL
	$(INSTALL) dev.txt
	$(PYTEST) -m slow $(ARGS)

check: ## Check lint, formatting, types, migrations, deployment settings and known vulnerabilities
	$(INSTALL) dev.txt
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy .
	@DATA_DIR=. SECRET_KEY=. CLERK_WEBHOOK_SECRET=whsec_AAAA .venv/bin/mypy --config-file local/clerk/mypy.ini local/clerk
	git ls-files -z '*.html' | xargs -0 .venv/bin/djade --check --target-version 6.1
	$(PRODUCTION) .venv/bin/python manage.py makemigrations --check --dry-run 2>/dev/null  # hides a warning about the missing database
	$(PRODUCTION) .venv/bin/python manage.py check --deploy --fail-level WARNING
	@echo "pip-audit -r requirements/base.txt"; \
		found=$$(.venv/bin/pip-audit --disable-pip --require-hashes --progress-spinner off -r requirements/base.txt 2>&1) || \
		case "$$found" in \
			*"known vulnerabilit"*) echo "$$found"; exit 1;; \
			*) echo "The list of known vulnerabilities could not be downloaded, so nothing was checked: $$(echo "$$found" | tail -n 1)";; \
		esac; \
		echo "$$found" | tail -n 1

smoke: ## Test `make run` in an empty folder, including restart and stop
	$(INSTALL) dev.txt
	$(IN_VENV) -m tests.smoke

fuzz: ## Throw 100,000 mutated requests at the whole application: make fuzz ARGS="--requests=5000 --seed=7"
	$(INSTALL) dev.txt
	$(IN_VENV) -m tests.fuzz $(ARGS)

oracle: ## Compare session verification with Clerk's JavaScript library; needs Node
	$(INSTALL) dev.txt
	@command -v npm >/dev/null || { echo "make: npm was not found; install Node 20 or newer" >&2; exit 1; }
	@cd tests/oracle && npm ci --no-audit --no-fund --silent
	$(IN_VENV) -m pytest -q -rP --show-capture=stdout tests/oracle/compare.py

browser-test: ## Run the browser tests; needs Chromium, and npm for Clerk's scripts
	$(INSTALL) dev.txt
	@command -v npm >/dev/null || { echo "make: npm was not found; install Node 20 or newer" >&2; exit 1; }
	@cd tests/browser && for package in $(BROWSER_SCRIPTS); do \
		folder=node_modules/$$package; test -d $$folder && continue; \
		archive=$$(npm pack --silent $$package) && mkdir -p $$folder && \
			tar xzf $$archive -C $$folder --strip-components=1 && rm $$archive || exit 1; done
	$(IN_VENV) -m pytest -q -n 2 --dist loadfile -o python_files='*.py' tests/browser $(ARGS)

references: ## Retake the screenshots for the visual regression test; needs Chromium. Only some pages: make references ARGS="-k directory"
	$(INSTALL) dev.txt
	RETAKE_REFERENCES=1 .venv/bin/python -m pytest -q -o python_files='*.py' tests/browser/visual/pages.py $(ARGS)

monitoring: ## Test the files in docs/monitoring and OpenTelemetry; needs promtool (Debian: prometheus), Node and npm
	$(INSTALL) dev.txt
	@command -v npm >/dev/null || { echo "make: npm was not found; install Node 20 or newer" >&2; exit 1; }
	@cd tests/monitoring && npm ci --no-audit --no-fund --silent && node check_grafana.mjs
	$(IN_VENV) -m pytest -q tests/monitoring/prometheus.py tests/monitoring/traces.py

cluster: ## Run a site on several hosts (nginx, PgBouncer, replica, object store); ARGS=--test proves that it loses nothing, ARGS=--journeys runs user journeys
	$(INSTALL) dev.txt
	$(IN_VENV) -m tests.cluster $(ARGS)

faults: ## Deliver 50,000 events while parts of the site fail; needs PgBouncer. Short: make faults ARGS="--events=1500 --rate=40"
	$(INSTALL) dev.txt
	$(IN_VENV) -m tests.faults $(ARGS)

alarms: ## Cause and cure each kind of problem in a running system, and check what operators see
	$(INSTALL) dev.txt
	$(IN_VENV) -m pytest -q tests/journeys/alarms.py $(ARGS)

screenshots: ## Retake the screenshots in docs/; needs Chromium
	$(INSTALL) dev.txt
	$(IN_VENV) -m tests.screenshots

lighthouse: ## Run Lighthouse on the public pages; needs Chromium, Node 18 or newer, and npm
	$(INSTALL) dev.txt
	@cd tests/lighthouse && npm ci --no-audit --no-fund --silent
	$(IN_VENV) -m tests.lighthouse

docs: ## Build the documentation as a site in docs/_build, check its links, and follow the step-by-step guides
	$(INSTALL) dev.txt
	$(IN_VENV) -m sphinx --quiet --fail-on-warning --keep-going --nitpicky -b html docs docs/_build
	$(IN_VENV) -m pytest tests/guides.py

image: ## Build the container image, and test it without a container engine; needs root and Buildah
	$(INSTALL) dev.txt
	@command -v buildah >/dev/null || { echo "make: buildah was not found (Debian: apt-get install buildah)" >&2; exit 1; }
	buildah build -f deploy/Containerfile --format docker --timestamp "$$(git log -1 --format=%ct)" -t buildappswith .
	@container=$$(buildah from buildappswith) && trap "buildah rm $$container >/dev/null" EXIT && \
		IMAGE_ROOT=$$(buildah mount $$container) .venv/bin/python -m pytest -q tests/deploy/image.py

bench: ## Run the benchmarks; ARGS=--ci only compares ratios with bounds
	$(INSTALL) dev.txt
	$(IN_VENV) -m tests.bench $(ARGS)

format: ## Format code and templates
	$(INSTALL) dev.txt
	@.venv/bin/ruff check --fix-only --quiet . && .venv/bin/ruff format . && \
		git ls-files -z '*.html' | xargs -0 .venv/bin/djade --target-version 6.1

migrations: ## Create migrations for changed models
	$(INSTALL) dev.txt
	$(PRODUCTION) .venv/bin/python manage.py makemigrations

messages: ## Update and compile the translations in locale/; needs gettext
	$(INSTALL) dev.txt
	@command -v xgettext >/dev/null || { echo "make: xgettext was not found; install gettext" >&2; exit 1; }
	$(PRODUCTION) .venv/bin/python manage.py makemessages
	$(PRODUCTION) .venv/bin/python manage.py compilemessages --ignore=.venv

requirements: ## Update requirements/*.txt to the latest versions allowed by pyproject.toml; needs uv
	@for extra in base local otel dev sbom; do \
		case $$extra in base) option=pyproject.toml;; sbom) option="--group sbom";; *) option="--extra $$extra pyproject.toml";; esac; \
		uv pip compile --quiet --upgrade --universal --python-version 3.12 --generate-hashes --no-header \
			--no-emit-index-url $$option -o requirements/$$extra.txt || exit 1; done

clean: ## Remove the virtual environment and caches, but keep the data in .data
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
