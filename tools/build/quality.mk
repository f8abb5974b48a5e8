# fmt, lint, sanitizers, fuzzing and the check that every header stands by itself.
# Included by the Makefile; uses its variables.

.PHONY: fmt fmt-check lint lint-c asan tsan fuzz fuzz-build check-headers compile_commands

# Tables of rows (*.tbl.h) are aligned by hand.
C_FILES := $(filter-out %.tbl.h,$(call rfind,bpf,*.[ch]) $(call rfind,user,*.[ch]) \
	   $(call rfind,l7,*.[ch]) $(call rfind,tools,*.[ch]) $(call rfind,selftests,*.[ch]))

fmt:         ## format all C files by .clang-format
	$(Q)printf '%s\n' $(C_FILES) | xargs -r clang-format -i

fmt-check:
	$(Q)printf '%s\n' $(C_FILES) | xargs -r -n 20 -P $(JOBS) clang-format --dry-run -Werror

# What bpftool prints (skeletons) is no code of ours: a system header to clang-tidy.
# A file is looked at again only when it or a header of its object changed.
LINT_SRC := $(MAP_SRC) $(USER_SRC) $(L7_SRC) $(MAIN_SRC) $(ADM_MAIN) $(ADM_SRC)
LINT_OK  := $(patsubst %.c,$(O)/lint/%.ok,$(LINT_SRC))
INC_OF    = $(if $(filter bpf/user/%,$(1)),$(INC_map),$(if $(filter user/%,$(1)),$(INC_user),$(if $(filter l7/%,$(1)),$(INC_l7),$(INC_tools))))
# Suppressed: what cppcheck 2.10 takes for mistakes in out-parameters, in values set before a call
# and in loops over lists; clang's analyzer and the sanitizers see these cases better.
CPPCHECK := cppcheck --quiet --std=c11 --language=c --inline-suppr --error-exitcode=1 \
	    --enable=warning,performance,portability -D__x86_64__ -D_GNU_SOURCE \
	    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches \
	    --suppress=unusedStructMember --suppress=nullPointerArithmeticRedundantCheck \
	    --suppress=ctuuninitvar --suppress=nullPointerRedundantCheck --suppress=uninitvar \
	    --suppress=returnDanglingLifetime --suppress=invalidPrintfArgType_uint \
	    '-DLIBBPF_OPTS(t,n,...)=struct t n' '-Djson_object_foreach(o,k,v)=while (o)' \
	    '-Djson_array_foreach(a,i,v)=while (a)'

lint: fmt-check lint-c ## cppcheck, clang-tidy and format check (nothing is changed)
lint-c: $(LINT_OK)

$(O)/lint/%.ok: %.c $(O)/obj/%.o .clang-tidy
	$(call say,LINT,$<)
	@mkdir -p $(@D)
	$(Q)$(CPPCHECK) $(call INC_OF,$<) $<
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- -std=gnu11 -D_GNU_SOURCE \
		$(subst -I$(O)/bpf,-isystem $(O)/bpf,$(call INC_OF,$<)) $(PKG_CFLAGS) 2>$@.err || { cat $@.err; exit 1; }
	@touch $@

# ---- Headers --------------------------------------------------------------------------------
# Each header compiles alone with the include path of its folder: it includes what it needs, and
# cannot include a folder that it must not know. *.tbl.h are rows, not headers.

HDRS   := $(filter-out %.tbl.h %.skel.h,$(call rfind,user,*.h) $(call rfind,l7,*.h) \
	  $(call rfind,bpf/user,*.h) $(call rfind,tools,*.h))
HDR_OK := $(patsubst %,$(O)/hdr/%.ok,$(HDRS))

check-headers: $(HDR_OK)

$(O)/hdr/%.ok: % $(STAMP) | $(SKELS)
	@mkdir -p $(@D)
	$(Q)printf '#include "%s"\n' '$(abspath $<)' | $(CC) $(CFLAGS_ALL) $(call INC_OF,$<) \
		-MMD -MP -MF $(@:.ok=.d) -MT $@ -fsyntax-only -x c - 
	@touch $@

-include $(shell find $(O)/hdr -name '*.d' 2>/dev/null)

# ---- Sanitizers -----------------------------------------------------------------------------

SAN_TESTS ?= unit conf net vtc
SAN_ENV   := LBT_NO_ASLR=1 TIMEOUT_FACTOR=3

asan:        ## build with ASan and UBSan into build/asan, run unit, conf, net and vtc tests
	$(Q)$(MAKE) --no-print-directory O=$(O)/asan SANITIZE=address,undefined OPT='-O1 -g' all tests
	$(Q)O=$(O)/asan $(SAN_ENV) selftests/run $(RECORD) $(or $(T),$(SAN_TESTS))

tsan:        ## the same with ThreadSanitizer into build/tsan
	$(Q)$(MAKE) --no-print-directory O=$(O)/tsan SANITIZE=thread OPT='-O1 -g' all tests
	$(Q)O=$(O)/tsan $(SAN_ENV) selftests/run $(RECORD) $(or $(T),$(SAN_TESTS))

# ---- Fuzzing --------------------------------------------------------------------------------

FUZZ_SECONDS ?= 20

fuzz:        ## run every selftests/fuzz/*_fuzz.c for FUZZ_SECONDS each (clang, libFuzzer)
	$(Q)$(MAKE) --no-print-directory O=$(O)/fuzz CC=clang OPT='-O1 -g' \
		SANITIZE=fuzzer-no-link,address,undefined fuzz-build
	$(Q)O=$(O)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) selftests/lib/fuzz $(T)

fuzz-build: $(FUZZ_BIN)

# ---- All of it ------------------------------------------------------------------------------

.PHONY: check-long
check-long: deps ## what takes longer than `make check`: long tests, asan, tsan, fuzz; keeps its result
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)O=$(O) MAKEFLAGS= selftests/long

# ---- For editors ----------------------------------------------------------------------------

compile_commands: ## write compile_commands.json for clangd
	$(Q)( echo '['; sep=; $(foreach f,$(LINT_SRC),printf '%s{"directory":"%s","file":"%s","command":"cc -std=gnu11 -D_GNU_SOURCE %s -c %s"}' "$$sep" '$(CURDIR)' '$(f)' '$(call INC_OF,$(f))' '$(f)'; sep=,;) echo ']' ) > compile_commands.json
