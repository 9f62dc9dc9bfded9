# Everything is installed into .venv; nothing outside this folder is touched.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
OUT := demo

.PHONY: demo test check soak format bench reproduce notebooks clean

demo: .venv/.ready
	@mkdir -p $(OUT)
	@echo "\n== 1  load the data: what is in it, and what is wrong with it"
	$(BIN)/nnzoo load penguins --target species
	@echo "\n== 2  build the model: sized to the data, nothing trained yet"
	$(BIN)/nnzoo build penguins --target species --network deep-feed-forward
	@echo "\n== 3  train: early stopping, best weights kept"
	$(BIN)/nnzoo train penguins --target species --network deep-feed-forward --out $(OUT)/penguins.nnzoo
	@echo "\n== 4  evaluate: on rows that nothing has seen, beside the baselines"
	$(BIN)/nnzoo evaluate $(OUT)/penguins.nnzoo penguins --html $(OUT)/report.html
	@echo "\n== 5  predict, from the saved file alone"
	$(BIN)/nnzoo predict $(OUT)/penguins.nnzoo penguins --out $(OUT)/predictions.csv
	@head -n 4 $(OUT)/predictions.csv
	@echo "\nThe same five steps on images: 12,000 pieces of clothing (a part of Fashion-MNIST), a convolutional network"
	$(BIN)/nnzoo load fashion-sample
	$(BIN)/nnzoo build fashion-sample
	$(BIN)/nnzoo train fashion-sample --out $(OUT)/fashion.nnzoo
	$(BIN)/nnzoo evaluate $(OUT)/fashion.nnzoo fashion-sample --html $(OUT)/fashion.html
	$(BIN)/nnzoo predict $(OUT)/fashion.nnzoo fashion-sample --out $(OUT)/fashion.csv
	@head -n 4 $(OUT)/fashion.csv
	@echo "\nThe reports with pictures: $(OUT)/report.html, and for the images $(OUT)/fashion.html"
	@echo "Now your own table:   $(BIN)/nnzoo load your.csv --target your_column"
	@echo "or your own images:   $(BIN)/nnzoo load folder/    (one sub-folder a class)"

test: .venv/.tools
	$(BIN)/python -m pytest

check: .venv/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -q -m "not slow"

# 1,200 killed runs, a million damaged model files, 160,000 damaged inputs, scikit-learn's checks at all defaults.
soak: .venv/.tools
	$(BIN)/python -m pytest tests/trust tests/test_common.py --soak

format: .venv/.tools
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# nnzoo beside its peers, some hours; ONLY=epochs is a part, ROUNDS=1 a glance, MNIST=FOLDER holds its raw IDX files.
bench: .venv/.tools
	$(BIN)/python benchmarks/bench.py $(if $(ONLY),--only $(ONLY)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(MNIST),--mnist $(MNIST))

# The networks' numbers, measured again and written to docs/numbers.md: NAMES=lstm is one network, MNIST=FOLDER as above.
reproduce: .venv/.tools
	$(BIN)/python benchmarks/reproduce.py $(or $(NAMES),all) --page $(if $(MNIST),--mnist $(MNIST))

# Executes them in place; Fashion-MNIST takes some minutes.
notebooks: .venv/.tools
	$(BIN)/jupyter-execute --inplace --timeout=1800 examples/*.ipynb
	$(BIN)/ruff format --quiet examples

# torch first and pinned, so that nothing else chooses another build of it.
.venv/.ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) "$$(grep '^torch==' constraints.txt)"
	$(PIP) --editable .
	touch $@

.venv/.tools: .venv/.ready requirements-dev.txt
	$(PIP) --requirement requirements-dev.txt
	touch $@

clean:
	rm -rf .venv $(OUT) dist build
