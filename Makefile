# gaol's make targets. `make run` and `make test` need Go and make; they bring the rest.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X gaol/internal/cli.version=$(VERSION)
SUDO     = $(shell [ "$$(id -u)" = 0 ] || echo sudo)
export CGO_ENABLED = 0

.PHONY: help run build test check bench bench-full bench-micro bench-compare fuzz demo cross packages image clean

help:     ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile

run: build ## build gaol and start it here, on its embedded configuration
	@scripts/packages run
	$(SUDO) bin/gaol run --embedded

build:    ## bin/gaol, static
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/gaol ./cmd/gaol

test:     ## bring what the tests need and run all of them
	@scripts/test

check:    ## formatting, vet and the linters of .golangci.yml
	@scripts/check

bench:    ## speed against fail2ban and against the limits, in one run: ten minutes, best on an idle machine
	@scripts/packages test
	@scripts/bench

bench-full: ## the same with fail2ban's million lines and ten thousand bans: forty minutes
	@scripts/packages test
	@scripts/bench full

bench-micro: ## the rooms' own benchmarks, as benchstat reads them
	@scripts/packages test
	@scripts/bench micro

bench-compare: ## the same, compared with test/bench/baseline.txt
	@scripts/packages test
	@scripts/bench compare

fuzz:     ## the regex oracle and the fuzz targets with a fresh seed
	@scripts/packages test
	@scripts/fuzz

demo: build ## the jump host story in a terminal, in namespaces it makes and removes
	@scripts/packages test
	@scripts/demo

cross:    ## build for every architecture we ship
	@scripts/cross

packages: ## deb and rpm of every architecture we ship, in dist/
	@packaging/build

image:    ## the container image gaol:latest, in the engine that `docker` talks to
	@packaging/image

clean:    ## remove what make built
	rm -rf bin dist
