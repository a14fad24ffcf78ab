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

.PHONY: google
google: ## Google's own clients against the Cloud Run, the bucket, the queue and the registry of this machine
	@$(STEP) google

.PHONY: stand-in
stand-in: ## the embedded Lambda driven by the AWS CLI, boto3 and the JavaScript SDK, and held to AWS's model of its APIs
	@internal/standin/run.sh

.PHONY: aws-smoke
aws-smoke: ## on an AWS account: prove what could not be proven without one, and remove everything (docs/aws-smoke.md); ARGS
	@internal/smoke/run.sh $(ARGS)

.PHONY: gcp-smoke
gcp-smoke: ## in a Google Cloud project: the same for Cloud Run (docs/gcp-smoke.md); ARGS
	@internal/smoke/gcp/run.sh $(ARGS)

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
soak: ## CALLS=100000 calls through every fault at once, and a fifth of them over HTTP, held against a ledger, then FOR=2h of storms; SEED=n
	go test ./internal/soak -run '^TestSoak(HTTP)?$$' -count 1 -timeout 0 -v -args \
		-soak.calls=$(or $(CALLS),100000) -soak.seed=$(or $(SEED),$(shell date +%s))
	go test ./backend/awslambda/nest -run '^TestThreeLevels$$' -count 1 -timeout 0 -v -args -nest.parents=20000 -nest.faults=5
	@$(MAKE) storm FOR=$(or $(FOR),2h)

.PHONY: storm
storm: ## FOR=1m of random storms of calls, faults and misbehaving hooks in virtual time, with the race detector; SEED=n
	go test -race . -run '^TestStorm$$' -count 1 -timeout 0 -v -args -storm.for=$(or $(FOR),1m) -storm.seed=$(or $(SEED),$(shell date +%s)) | grep -v '=== RUN\|--- PASS: TestStorm/'

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
