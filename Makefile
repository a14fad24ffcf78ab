# Every check lives in .ci/run, step by step; the targets here are short names for
# its steps, so that what passes on a desk passes there.

.DEFAULT_GOAL := help
STEP := .ci/run
PKG  ?= ./...

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: ## the tests, as the README runs them
	go test $(PKG)

.PHONY: race
race: ## the tests under the race detector
	@$(STEP) race

.PHONY: s3
s3: ## large payloads through versitygw, which checks S3's signatures
	@$(STEP) s3

.PHONY: lint
lint: ## gofmt, vet and golangci-lint
	@$(STEP) fmt vet lint

.PHONY: vuln
vuln: ## govulncheck; says so when its database cannot be reached
	@$(STEP) vuln

.PHONY: fuzz
fuzz: ## every fuzz target; FUZZTIME=20s each
	@$(STEP) fuzz

.PHONY: cover
cover: ## coverage per package, and cover.out for `go tool cover -html`
	go test -coverpkg=./... -coverprofile=cover.out ./...
	@go tool cover -func=cover.out | tail -n 1

.PHONY: bench
bench: ## measure, and write docs/benchmarks.md
	bench/run >docs/benchmarks.md.new
	mv docs/benchmarks.md.new docs/benchmarks.md

.PHONY: soak
soak: ## CALLS=100000 calls through every fault at once, held against a ledger; SEED=n
	go test ./internal/soak -run '^TestSoak$$' -count 1 -timeout 0 -v -args \
		-soak.calls=$(or $(CALLS),100000) -soak.seed=$(or $(SEED),$(shell date +%s))

.PHONY: kill
kill: ## ITEMS=10000 items of detached runs and journals, with kill -9 of whatever is part of them; SEED=n
	go test ./internal/soak -run '^Test(Detached|Journal)$$' -count 1 -timeout 0 -parallel 4 -v -args \
		-soak.items=$(or $(ITEMS),10000) -soak.seed=$(or $(SEED),$(shell date +%s))

.PHONY: repeat
repeat: ## the tests, COUNT=10 times over, shuffled, under the race detector
	go test -race -count $(or $(COUNT),10) -shuffle on $(PKG)

.PHONY: agent-size
agent-size: ## build a stripped linux/arm64 agent and hold it to its limit
	@$(STEP) agent-size

.PHONY: cross
cross: ## build for linux/arm64 and darwin, without cgo
	@$(STEP) cross

.PHONY: ci
ci: ## everything that CI runs
	@$(STEP)
