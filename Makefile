# lbd: one Makefile, no recursion into folders. Sources are found by wildcard: a new .c file needs
# no line here. `make help` lists the targets. Each folder gets its own include path, and these
# paths are the rule about who may include whom: see "Folders" below and CONTRIBUTING.md.
#
# Variables: CC=clang, O=directory for everything that is built, V=1 shows commands,
# SANITIZE=address,undefined (set by `make asan`), EXTRA_CFLAGS=...

O        ?= build
CC       := $(if $(filter default,$(origin CC)),gcc,$(CC))
CLANG    ?= clang
BPFTOOL  ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
SANITIZE ?=
PREFIX   ?= /usr/local
JOBS     ?= $(shell nproc 2>/dev/null || echo 2)
Q        := $(if $(V),,@)
say       = $(if $(V),@:,@printf '  %-8s %s\n' $(1) $(2))

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(JOBS)
endif
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# ---- Libraries ------------------------------------------------------------------------------

PKGS       := libbpf libnl-3.0 libnl-route-3.0 openssl libnghttp2 libpcre2-8 libcares zlib \
	      libxxhash jansson liburcu-qsbr
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lcrypt -lpthread -lm
MAP_PKGS   := libbpf
MAP_LIBS   := $(shell pkg-config --libs $(MAP_PKGS) 2>/dev/null)
ADM_LIBS   := $(MAP_LIBS) $(shell pkg-config --libs jansson libnl-3.0 libnl-route-3.0 2>/dev/null)
CMOCKA     := $(shell pkg-config --libs cmocka 2>/dev/null || echo -lcmocka)

# ---- Flags ----------------------------------------------------------------------------------

WARN   := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	  -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
WARN   += $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
# fences that gcc's TSan does not see: what they order is reported as a race and suppressed by name
WARN   += $(if $(findstring clang,$(CC)),,$(if $(findstring thread,$(SANITIZE)),-Wno-tsan))
OPT    ?= -O2 -g
SANF   := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
# what liburcu's barriers order, said so that TSan sees it
SANF   += $(if $(findstring thread,$(SANITIZE)),-include selftests/lib/tsan_rcu.h)
CFLAGS_ALL = -std=gnu11 $(OPT) -D_GNU_SOURCE -fno-strict-aliasing -fvisibility=hidden -pthread \
	  $(WARN) $(SANF) $(PKG_CFLAGS) $(EXTRA_CFLAGS)
LDFLAGS_ALL = -pthread $(SANF) -Wl,--as-needed $(EXTRA_LDFLAGS)

MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)
BPF_ARCH  := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
BPF_CFLAGS = -target bpf -O2 -g -mcpu=v3 -std=gnu11 -D__TARGET_ARCH_$(BPF_ARCH) \
	  -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	  -Wno-missing-field-initializers -Wno-missing-declarations -Wno-compare-distinct-pointer-types \
	  $(INC_bpf) $(if $(MULTIARCH),-idirafter /usr/include/$(MULTIARCH))

# ---- Folders, and who may include whom ------------------------------------------------------
# A folder that is not in a line cannot be included from there: the compiler says "no such file".

INC_bpf       := -Ibpf/include -Ibpf/lib -I.
INC_map       := -Ibpf/include -Ibpf/user -I$(O)/bpf
INC_user      := -Iuser -Ibpf/user -Ibpf/include
INC_l7        := -Il7 -Iuser -Ibpf/include
INC_tools     := -Itools -Ibpf/user -Ibpf/include
INC_selftests := -Iselftests -Il7 -Iuser -Itools -Ibpf/user -Ibpf/include -I$(O)/bpf

# ---- Sources --------------------------------------------------------------------------------

rfind = $(sort $(shell find $(1) -name '$(2)' -type f 2>/dev/null))

BPF_SRC   := $(sort $(wildcard bpf/*.bpf.c))
MAP_SRC   := $(call rfind,bpf/user,*.c)
USER_SRC  := $(call rfind,user,*.c)
L7_SRC    := $(filter-out l7/main.c,$(call rfind,l7,*.c))
MAIN_SRC  := $(wildcard l7/main.c)
ADM_MAIN  := $(wildcard tools/lbadm.c)
ADM_SRC   := $(sort $(wildcard tools/lbadm_*.c tools/cmd/*.c))
UNIT_SRC  := $(sort $(wildcard selftests/unit/*_test.c))
BPFT_SRC  := $(sort $(wildcard selftests/bpf/*_test.c))
TSUP_SRC  := $(filter-out %_test.c,$(sort $(wildcard selftests/unit/*.c selftests/bpf/*.c)))
BENCH_SRC := $(sort $(wildcard selftests/bench/*.c))
THELP_SRC := $(sort $(wildcard selftests/lib/*.c))
NETC_SRC  := $(sort $(wildcard selftests/net/*.c))
FUZZ_SRC  := $(sort $(wildcard selftests/fuzz/*_fuzz.c))

objs      = $(patsubst %.c,$(O)/obj/%.o,$(1))
BPF_OBJ  := $(patsubst bpf/%.bpf.c,$(O)/bpf/%.bpf.o,$(BPF_SRC))
SKELS    := $(BPF_OBJ:.bpf.o=.skel.h)

LIB_MAP  := $(O)/liblbdmap.a
LIB_USER := $(O)/liblbd-user.a
LIB_L7   := $(O)/liblbd-l7.a
LIB_ADM  := $(O)/liblbadm.a
LIB_TEST := $(O)/liblbdtest.a
LIBS     := $(LIB_L7) $(LIB_USER) $(LIB_MAP)

UNIT_BIN  := $(patsubst %.c,$(O)/%,$(UNIT_SRC))
BPFT_BIN  := $(patsubst %.c,$(O)/%,$(BPFT_SRC))
BENCH_BIN := $(patsubst %.c,$(O)/%,$(BENCH_SRC))
THELP_BIN := $(patsubst %.c,$(O)/%,$(THELP_SRC))
NETC_BIN  := $(patsubst %.c,$(O)/%,$(NETC_SRC))
FUZZ_BIN  := $(patsubst %.c,$(O)/%,$(FUZZ_SRC))
REPLAY_BIN := $(FUZZ_BIN:_fuzz=_replay)
PROGRAMS  := $(if $(MAIN_SRC),$(O)/lbd) $(if $(ADM_MAIN),$(O)/lbadm)

# ---- What people call -----------------------------------------------------------------------

.PHONY: all help deps deps-check install clean
all: deps-check $(BPF_OBJ) $(SKELS) $(LIBS) $(PROGRAMS)  ## build lbd, lbadm and the BPF programs into build/

deps:        ## install the Debian packages that are missing (tools/deps/packages.txt)
	$(Q)tools/deps/install

deps-check:
	$(Q)tools/deps/install --check build

help:        ## this list
	$(Q)echo "make targets:"; \
	sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "  %-14s %s\n", $$1, $$2}'; \
	echo "variables: CC=clang O=dir V=1 JOBS=n PREFIX=/usr/local DESTDIR= DEMO_SECONDS=n SCENARIO=name PAIRS=n T='test ...'"

install: all ## install lbd and lbadm below $(PREFIX)
	$(Q)install -d $(DESTDIR)$(PREFIX)/sbin
	$(Q)install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/sbin/
	$(Q)if [ -f conf/lbd.service ]; then install -d $(DESTDIR)$(PREFIX)/lib/systemd/system && \
		install -m 644 conf/lbd.service $(DESTDIR)$(PREFIX)/lib/systemd/system/; fi

print-%:
	$(Q)echo '$($*)'

clean:       ## remove what was built
	rm -rf $(O)

# ---- Tests ----------------------------------------------------------------------------------

.PHONY: check check-unit check-bpf check-run tests bench-tools demo
bench-tools: $(BENCH_BIN)
	@:
tests: $(UNIT_BIN) $(BPFT_BIN) $(NETC_BIN) $(THELP_BIN) $(REPLAY_BIN)

check: deps  ## install what is missing, build, run every test (at most 12 minutes)
	$(Q)$(MAKE) --no-print-directory check-run

check-run: all tests check-headers
	$(Q)O=$(O) selftests/run $(T)

check-unit: $(UNIT_BIN) ## unit tests only
	$(Q)O=$(O) selftests/run unit

check-bpf: all $(BPFT_BIN) ## tests of the BPF programs only (root)
	$(Q)O=$(O) selftests/run bpf

demo: deps   ## the main job, shown in network namespaces (DEMO_SECONDS=n ends by itself)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)O=$(O) tools/demo/demo

# ---- Rules ----------------------------------------------------------------------------------

# Rebuild everything when the compiler or its flags change.
STAMP := $(O)/.flags
FLAGS_NOW := $(CC) $(CFLAGS_ALL) $(BPF_CFLAGS)
$(shell mkdir -p $(O); printf '%s\n' '$(FLAGS_NOW)' | cmp -s - $(STAMP) || printf '%s\n' '$(FLAGS_NOW)' > $(STAMP))

define compile
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(1) -MMD -MP -c -o $@ $<
endef

$(O)/obj/bpf/user/%.o: bpf/user/%.c $(STAMP) | $(SKELS)
	$(call compile,$(INC_map))
$(O)/obj/user/%.o: user/%.c $(STAMP)
	$(call compile,$(INC_user))
$(O)/obj/l7/%.o: l7/%.c $(STAMP)
	$(call compile,$(INC_l7))
$(O)/obj/tools/%.o: tools/%.c $(STAMP)
	$(call compile,$(INC_tools))
$(O)/obj/selftests/bench/%.o: selftests/bench/%.c $(STAMP)
	$(call compile,-Iselftests/bench)
$(O)/obj/selftests/%.o: selftests/%.c $(STAMP) | $(SKELS)
	$(call compile,$(INC_selftests))

$(O)/bpf/%.bpf.o: bpf/%.bpf.c $(STAMP)
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

$(O)/bpf/%.skel.h: $(O)/bpf/%.bpf.o
	$(call say,SKEL,$@)
	$(Q){ echo '/* NOLINTBEGIN */'; $(BPFTOOL) gen skeleton $< name $(subst -,_,$*) && echo '/* NOLINTEND */'; } > $@.new && mv $@.new $@

define archive
	$(call say,AR,$@)
	@mkdir -p $(@D); rm -f $@
	$(Q)ar qcsD $@ $(filter %.o,$^)
endef

# A list of the objects is a prerequisite, so that a deleted source leaves its archive too.
define lib
$(2): $(call objs,$(3)) $(O)/.list-$(1)
	$$(archive)
$(shell mkdir -p $(O); echo '$(3)' | cmp -s - $(O)/.list-$(1) || echo '$(3)' > $(O)/.list-$(1))
endef
$(eval $(call lib,map,$(LIB_MAP),$(MAP_SRC)))
$(eval $(call lib,user,$(LIB_USER),$(USER_SRC)))
$(eval $(call lib,l7,$(LIB_L7),$(L7_SRC)))
$(eval $(call lib,adm,$(LIB_ADM),$(ADM_SRC)))
$(eval $(call lib,test,$(LIB_TEST),$(TSUP_SRC)))

define link
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(1)
endef

$(O)/lbd: $(call objs,$(MAIN_SRC)) $(LIBS)
	$(call link,$(PKG_LIBS))
$(O)/lbadm: $(call objs,$(ADM_MAIN)) $(LIB_ADM) $(LIB_MAP)
	$(call link,$(ADM_LIBS))

$(UNIT_BIN) $(BPFT_BIN) $(NETC_BIN): $(O)/selftests/%: $(O)/obj/selftests/%.o $(LIB_TEST) $(LIB_ADM) $(LIBS)
	$(call link,$(PKG_LIBS) $(CMOCKA))
$(BENCH_BIN) $(THELP_BIN): $(O)/selftests/%: $(O)/obj/selftests/%.o
	$(call link,-lm)
$(REPLAY_BIN): $(O)/selftests/fuzz/%_replay: $(O)/obj/selftests/fuzz/%_fuzz.o $(O)/obj/selftests/fuzz/replay.o $(LIBS)
	$(call link,$(PKG_LIBS))
$(FUZZ_BIN): $(O)/selftests/%: $(O)/obj/selftests/%.o $(LIBS)
	$(call link,$(PKG_LIBS) -fsanitize=fuzzer)

include $(sort $(wildcard tools/build/*.mk))

.SECONDARY:
-include $(shell find $(O)/obj $(O)/bpf -name '*.d' 2>/dev/null)
