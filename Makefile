# make demo   sets up, builds and serves a populated demo clinic
# make test   sets up, builds and passes the tests
# make release ARGS='--key FILE'   tarball, Debian package, bill of materials, checksums, signature
.PHONY: release demo pentest test check bench watch-bench fuzz sanitize slow format

demo:
	@scripts/demo $(ARGS)

pentest:
	@scripts/pentest $(ARGS)

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

release:
	@scripts/setup --release
	@scripts/release $(ARGS)

watch-bench:
	@scripts/watch-bench $(ARGS)

fuzz:
	@scripts/fuzz

format:
	@scripts/format
