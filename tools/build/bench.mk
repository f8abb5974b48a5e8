# The bench: figures against Debian's haproxy and nginx. See selftests/bench/bench.

.PHONY: bench bench-record bench-deps

BENCH_ARGS = $(SCENARIO) $(if $(PAIRS),--rounds $(PAIRS))

bench-deps:
	$(Q)tools/deps/install build test bench

bench: bench-deps ## compare with haproxy and nginx (SCENARIO='name ...' PAIRS=n; 5 pairs are a look, 15 a claim)
	$(Q)$(MAKE) --no-print-directory all bench-tools
	$(Q)O=$(O) selftests/bench/bench $(BENCH_ARGS)

bench-record: bench-deps ## the same, written to Documentation/bench/
	$(Q)$(MAKE) --no-print-directory all bench-tools
	$(Q)O=$(O) selftests/bench/bench --record $(BENCH_ARGS)
