# make demo   sets up, builds and serves a populated demo clinic
# make test   sets up, builds and passes the tests
.PHONY: demo test check bench fuzz sanitize slow format

demo:
	@scripts/demo $(ARGS)

test:
	@scripts/test

slow:
	@scripts/test --slow

check:
	@scripts/check

sanitize:
	@scripts/test-sanitizers

bench:
	@scripts/bench

fuzz:
	@scripts/fuzz

format:
	@scripts/format
