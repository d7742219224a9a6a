# Needs CPython 3.11, 3.12 or 3.13 and make. Everything else is installed into .venv.

PYTHON ?= python3 python3.13 python3.12 python3.11
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# A stamp bears the checksum of its requirement file: only a changed file is installed again.
MADE := .venv/.made
RUN := .venv/.run-$(shell cksum < requirements/embedded.txt | cut -d' ' -f1)
DEV := .venv/.dev-$(shell cksum < requirements/dev.txt | cut -d' ' -f1)
PEERS := .venv/.peers-$(shell cksum < requirements/peers.txt | cut -d' ' -f1)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --annotation-style line

.DEFAULT_GOAL := help
.PHONY: help run token import replay secrets env compose-test observe-test bundle test test-real bench peers faults check contracts mutants fmt lock clean

help: ## print the targets / 列出全部目标
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: $(RUN) ## play the story on this machine, e.g. ARGS="--once" / 在本机演示
	@$(BIN)/python -m deploy.embedded $(ARGS)

secrets: $(RUN) ## make the secrets of docker-compose that are missing / 生成 docker-compose 所需密钥
	@$(BIN)/python -m deploy.stack.secrets $(ARGS)

token: $(RUN) ## print a token for the HTTP interfaces / 签发访问令牌
	@$(BIN)/python -m deploy.embedded.token $(ARGS)

import: $(RUN) ## import units or tenures, e.g. ARGS="china-division-2.7.0.tgz" / 导入单位或任职
	@$(BIN)/python -m deploy.importing $(ARGS)

replay: $(RUN) ## let a stopped service say its books again, e.g. SERVICE=reminders / 重新发布账本
	@$(BIN)/python -m services.$(or $(SERVICE),$(error SERVICE=<name> is missing / 缺少 SERVICE=<服务名>)) say-again $(ARGS)

test: $(DEV) ## run every test on the embedded servers / 运行全部测试
	@$(BIN)/python -m pytest $(or $(ARGS),-n 2 --dist loadgroup)

test-real: $(DEV) ## run the tests over the wire on Apache Kafka / 在 Apache Kafka 上测试
	@$(BIN)/python -m tests.real $(ARGS)

compose-test: $(DEV) ## start docker-compose.yml for real, kill each container, as root / 在 Docker 上测试
	@$(BIN)/python -m pytest tests/compose --timeout=900 --durations=12 $(ARGS)

observe-test: $(DEV) ## ask Prometheus every panel and rule while the story runs / 验证面板与告警表达式
	@$(BIN)/python -m pytest tests/observe $(ARGS)

bundle: $(DEV) ## pack images and installer for a machine without network / 制作离线安装包
	@$(BIN)/python -m deploy.stack.bundle $(ARGS)

bench: $(DEV) $(if $(findstring deadline-day,$(ARGS)),$(PEERS)) ## measure; ARGS="deadline-day" the deadline of a country / 性能测量
	@$(BIN)/python -m tests.bench $(ARGS)

peers: $(DEV) $(PEERS) ## drain deadline day beside other schedulers, e.g. ARGS="--only floor,huey" / 与同类调度器对比
	@$(BIN)/python -m tests.bench.peers $(ARGS)

faults: $(DEV) ## strike the stack while the story runs, e.g. ARGS="--minutes 30" / 故障演练
	@$(BIN)/python -m tests.faults $(ARGS)

mutants: $(DEV) ## plant faults and see that the tests catch each / 植入错误，检验测试
	@$(BIN)/python -m tests.mutants $(ARGS)

check: $(DEV) ## lint, format, types, imports, contracts, dependencies / 静态检查
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.export --check
	$(BIN)/deptry --no-ansi .

contracts: $(DEV) ## write schemas and AsyncAPI again from the models / 重新导出契约
	@$(BIN)/python -m contracts.export $(ARGS)

fmt: $(DEV) ## format and fix what can be fixed / 整理格式
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

env: $(DEV) ## write .env.example again from the settings / 重新生成 .env.example
	@$(BIN)/python -m deploy.stack.environment

lock: $(DEV) ## write requirements/*.txt again from *.in; ARGS="--upgrade" for newer ones / 锁定依赖
	cd requirements && ../$(LOCK) $(ARGS) run.in -o run.txt
	cd requirements && ../$(LOCK) $(ARGS) embedded.in -c run.txt -o embedded.txt
	cd requirements && ../$(LOCK) $(ARGS) dev.in -c embedded.txt -o dev.txt
	cd requirements && ../$(LOCK) $(ARGS) peers.in -c dev.txt -o peers.txt

clean: ## remove the environment and the caches, keep ./.data / 清除环境与缓存，保留 ./.data
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@for python in $(PYTHON); do \
		"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue; \
		if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
			without="$$without $$python"; continue; \
		fi; \
		echo "making .venv with $$("$$python" --version) / 正在创建 .venv"; \
		"$$python" -m venv --clear .venv && touch $@; exit; \
	done; \
	if [ -n "$$without" ]; then \
		echo "these have no venv or ensurepip (Debian, Ubuntu: install python3-venv):$$without" >&2; \
		echo "以下 Python 缺少 venv 或 ensurepip（Debian、Ubuntu 请安装 python3-venv）：$$without" >&2; \
	else \
		echo "CPython 3.11, 3.12 or 3.13 is needed; tried: $(PYTHON). Name another: make PYTHON=/path/to/python3" >&2; \
		echo "需要 CPython 3.11、3.12 或 3.13；已尝试：$(PYTHON)。可另行指定：make PYTHON=/path/to/python3" >&2; \
	fi; exit 1

$(RUN): $(MADE)
	@echo "installing requirements/embedded.txt / 正在安装依赖"
	@$(PIP) -r requirements/embedded.txt
	@rm -f .venv/.run-* && touch $@

$(DEV): $(MADE)
	@echo "installing requirements/dev.txt / 正在安装开发依赖"
	@$(PIP) -r requirements/dev.txt
	@rm -f .venv/.dev-* && touch $@

$(PEERS): $(DEV)
	@echo "installing requirements/peers.txt / 正在安装对比用依赖"
	@$(PIP) -r requirements/peers.txt
	@rm -f .venv/.peers-* && touch $@
