# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:

PREFIX ?= /usr/local
jobs := $(shell nproc)

# $(call step,WHAT,COMMAND): say what is done, and then how long it took.
step = @echo "--- $(1)"; SECONDS=0; { $(2); } || exit; echo "--- $(1): $$SECONDS s"

help: ## this list
	@echo "make demo shows it all, make check tests it all; on their own:"
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  %-21s%s\n", $$1, $$2 }'
	@echo "KERNEL_SRC=TREE, TARBALL or DEB names the kernel source to start from, FORCE=1 overrides a refusal,"
	@echo "KERNEL_CONFIG=FILE the configuration of the kernel that make deb packages (Debian's for cloud machines)"
.PHONY: help

include $(wildcard libustack/libustack.mk)
include tests/fuzz/fuzz.mk

deps: ## install the Debian packages that are missing (needs root then)
	@tests/deps
.PHONY: deps

# --- kernel and perf: one git tree, build/linux, with all series

kernel-source: deps ## get Linux 7.3 into build/linux and apply all series
	$(call step,kernel source,kernel-patches/source)
.PHONY: kernel-source

export-patches: ## write the commits of build/linux back into the series
	@kernel-patches/export
.PHONY: export-patches

# What a build depends on: the tree's commit and its uncommitted changes, but
# not perf in the kernel's case. The files change only if these do.
build/kernel.id build/perf.id: build/%.id: kernel-source
	@cd build/linux; not=; [ $* = perf ] || not='tools/perf/'; \
	{ git ls-tree -r HEAD -- . | { [ -z "$$not" ] && cat || grep -v "	$$not"; }; \
	git --no-pager diff HEAD -- . $${not:+":!$$not"}; \
	git ls-files -o --exclude-standard -- . $${not:+":!$$not"} | xargs -rd '\n' sha256sum; } | \
	sha256sum >../$*.id.$$$$; \
	cmp -s ../$*.id.$$$$ ../$*.id || cp ../$*.id.$$$$ ../$*.id; rm ../$*.id.$$$$

kernel: build/kernel/.done ## build the patched kernel for the guest
kernel_build := kernel-patches/build kernel-patches/cc kernel-patches/config/guest.config
build/kernel/.done: build/kernel.id $(kernel_build) kernel-patches/config/x86.config
	$(call step,kernel,kernel-patches/build build/linux build/kernel)
	@touch $@
.PHONY: kernel

kernel-debug: build/kernel-debug/.done ## build it with KASAN, lockdep and other checks
kernel-kcsan: build/kernel-kcsan/.done ## build it with KCSAN, the finder of data races
kernel-rt: build/kernel-rt/.done ## build it with PREEMPT_RT and lockdep
build/kernel-debug/.done build/kernel-kcsan/.done build/kernel-rt/.done: build/kernel-%/.done: build/kernel.id \
		$(kernel_build) kernel-patches/config/x86.config kernel-patches/config/%.config
	$(call step,kernel-$*,kernel-patches/build build/linux build/kernel-$* kernel-patches/config/$*.config)
	@touch $@
.PHONY: kernel-debug kernel-kcsan kernel-rt

kernel-arm64: build/kernel-arm64/.done ## build it for a guest on arm64
kernel-arm64-lockdep: build/kernel-arm64-lockdep/.done ## and that with lockdep
arm64_fragment = $(if $(filter %-lockdep,$1),kernel-patches/config/arm64-lockdep.config)
build/kernel-arm64-lockdep/.done: kernel-patches/config/arm64-lockdep.config
build/kernel-arm64/.done build/kernel-arm64-lockdep/.done: build/kernel-%/.done: build/kernel.id \
		$(kernel_build) kernel-patches/config/arm64.config
	@tests/deps arm64
	$(call step,kernel-$*,kernel-patches/build -a arm64 build/linux build/kernel-$* $(call arm64_fragment,$*))
	@touch $@
.PHONY: kernel-arm64 kernel-arm64-lockdep

# Without any patch, to compare with.
build/base/kernel/.done: build/kernel.id $(kernel_build) kernel-patches/config/x86.config
	@[ -e build/base/linux ] || git clone -q --shared --no-checkout build/linux build/base/linux
	@git -C build/base/linux checkout -q "$$(git -C build/linux rev-parse base^{commit})"
	$(call step,base/kernel,kernel-patches/build build/base/linux build/base/kernel)
	@touch $@

# What the series is compared with, each with nmi_clock to sample it: Linux as it
# is, and with the first two series, those that are not about deferred stacks.
build/variant/7.3/kernel/.done: variant := base
build/variant/output/kernel/.done: variant := 2-output
build/variant/%/kernel/.done: build/kernel.id $(kernel_build) kernel-patches/config/x86.config
	@mkdir -p build/variant/$*
	@[ -e build/variant/$*/linux ] || git clone -q --shared --no-checkout build/linux build/variant/$*/linux
	@cd build/variant/$*/linux && git checkout -q -f --detach "$$(git -C ../../../linux rev-parse $(variant)^{commit})" && \
		git -c user.name=variant -c user.email=variant cherry-pick \
			"$$(git -C ../../../linux log -1 --format=%H --grep='^perf/x86: Add nmi_clock,')" >/dev/null
	$(call step,variant/$*/kernel,kernel-patches/build build/variant/$*/linux build/variant/$*/kernel)
	@touch $@

perf: build/perf/.done ## build the patched perf
build/perf/.done: build/perf.id perf-integration/build
	$(call step,perf,perf-integration/build build/linux build/perf)
	@touch $@
.PHONY: perf

# With most of what Debian's has, from build/perf-full. The prefix is in it: for another
# one a part is built again. It looks for libustack in ../lib of where it is.
install-perf: build/perf.id ## install perf, with its libustack, to DESTDIR and PREFIX
	@tests/deps perf
	$(call step,perf to install,perf-integration/build build/linux build/perf-full '$(PREFIX)' '$(DESTDIR)')
	$(install_dir) '$(DESTDIR)$(PREFIX)/lib'
	install -m 755 build/perf-full/libustack/lib/$(USTACK_SONAME) '$(DESTDIR)$(PREFIX)/lib'
.PHONY: install-perf

# The kernel that is packaged has Debian's configuration for cloud machines, the
# one in KERNEL_CONFIG=FILE, or with KERNEL_CONFIG=guest that of the tests' guest.
KERNEL_CONFIG ?= cloud
deb_kernel := build/$(if $(filter guest,$(KERNEL_CONFIG)),kernel,machine)
machine_fragments := kernel-patches/config/machine.config \
	$(if $(filter cloud,$(KERNEL_CONFIG)),kernel-patches/config/cloud.config)

build/machine/base.config: deps
	@kernel-patches/machine-config '$(KERNEL_CONFIG)' $@

build/machine/.done: build/machine/base.config build/kernel.id kernel-patches/build kernel-patches/cc $(machine_fragments)
	$(call step,kernel for machines,kernel-patches/build -c $< build/linux build/machine $(machine_fragments))
	@touch $@

deb-ustack: deps ## Debian packages of libustack and ustack alone, for any kernel: in a minute
	$(call step,packages,perf-integration/deb)
.PHONY: deb-ustack

deb: deps ## Debian packages of kernel, perf, libustack and ustack, in build/deb
	@tests/deps deb
	@$(MAKE) --no-print-directory $(deb_kernel)/.done build/perf.id
	$(call step,packages,perf-integration/deb $(deb_kernel))
.PHONY: deb

check-patches: ## all series as a maintainer's tools see them, patch by patch
	@tests/deps check-patches
	@kernel-patches/check
.PHONY: check-patches

check-perf-patches: kernel ## perf builds and passes its tests as each of its patches leaves it
	@perf-integration/each
.PHONY: check-perf-patches

# --- what can be seen and what is tested

demo: deps ## record cc1 and a truth program both ways in the guest, compare
	$(call step,libustack,$(MAKE) --no-print-directory -s -j$(jobs) lib)
	@$(MAKE) --no-print-directory kernel perf
	@bench/demo
.PHONY: demo

bench-unwind: deps ## compare unwinders in speed and outcome; writes bench/results/unwind.csv
	$(call step,libustack,$(MAKE) --no-print-directory -s -j$(jobs) lib reference build/bench/unwind)
	$(call step,recordings,bench/unwind-data)
	$(call step,unwinders,framehop=$$(bench/unwind-framehop) || [ $$? = 77 ]; \
		for turn in 1 2 3 4 5; do for name in cc1plus python3 build; do \
			build/bench/unwind --rounds 2 $${framehop:+--framehop "$$framehop"} \
				--data build/bench/$$name.data >build/bench/$$name.$$turn.csv || exit; \
		done; done; \
		bench/unwind-best $(foreach name,cc1plus python3 build,build/bench/$(name).[1-5].csv) >build/bench/unwind.csv)
	@mkdir -p bench/results
	@mv build/bench/unwind.csv bench/results/unwind.csv
.PHONY: bench-unwind

# The unwinders to compare with: libdw, and libunwind where it is installed.  They
# and bench/unwind ask for more than the library shows.
references := libdw $(if $(shell pkg-config --exists libunwind-generic 2>/dev/null && echo yes),libunwind)
reference_obj := $(addprefix build/bench/reference/,reference.o $(references:%=%.o))
reference_flags := -Ibench $(patsubst %,-DWITH_%,$(filter libunwind,$(references)))
reference_libs = $$(pkg-config --libs libdw $(if $(filter libunwind,$(references)),libunwind-generic)) $(USTACK_LIBS)

reference: $(references:%=build/bench/ustack-%) ## the ustack tool with the unwinders that it is compared with
.PHONY: reference

build/bench/reference/%.o: bench/reference/%.c
	@mkdir -p $(@D)
	$(CC) $(USTACK_CFLAGS) $(USTACK_CPPFLAGS) $(reference_flags) $(CFLAGS) -MMD -MP -c $< -o $@

build/bench/reference/ustack-%.o: bench/reference/ustack.c
	@mkdir -p $(@D)
	$(CC) $(USTACK_CFLAGS) $(USTACK_CPPFLAGS) $(reference_flags) -DREFERENCE=reference_$* $(CFLAGS) -MMD -MP -c $< -o $@

$(references:%=build/bench/ustack-%): build/bench/ustack-%: build/bench/reference/ustack-%.o $(reference_obj) $(USTACK_CLI_OBJ) $(USTACK_OBJ)
	$(CC) $(foreach f,unwinder_new unwinder_free unwind,-Wl,--wrap=ustack_$(f)) $(LDFLAGS) $^ $(reference_libs) $(USTACK_CLI_LIBS) -o $@

build/bench/unwind: bench/unwind.c $(reference_obj) $(USTACK_OBJ)
	@mkdir -p $(@D)
	$(CC) $(USTACK_CFLAGS) $(USTACK_CPPFLAGS) $(reference_flags) $(CFLAGS) -MMD -MP -MF $@.d $< $(reference_obj) $(USTACK_OBJ) $(reference_libs) -o $@

-include $(wildcard build/bench/*.d build/bench/reference/*.d)

# --- what it costs and what it gets right: bench/README.md

bench_programs := $(addprefix build/bench/,sampler load server pageout parts.so)
bench_cflags := -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror

build/bench/%: bench/%.c
	@mkdir -p $(@D)
	$(CC) $(bench_cflags) $(bench_flags) $< $(bench_libs) -o $@

build/bench/parts.so: bench/parts.c
	@mkdir -p $(@D)
	$(CC) $(bench_cflags) -fPIC -shared -fvisibility=hidden $< -o $@

build/bench/sampler: bench_flags = -isystem build/linux/tools/include/uapi $$(pkg-config --cflags libtracefs)
build/bench/sampler: bench_libs = $$(pkg-config --libs libtracefs)
build/bench/load: bench_flags = -fno-omit-frame-pointer
build/bench/server: bench_flags = -pthread

bench-deps: deps
	@tests/deps bench
	@$(MAKE) --no-print-directory -s -j$(jobs) lib reference
	@$(MAKE) --no-print-directory kernel perf
	@$(MAKE) --no-print-directory -s $(bench_programs)
.PHONY: bench-deps

# For the guest on arm64, which has no libraries.
build/bench/arm64/%: bench/%.c
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc -static $(bench_cflags) $(bench_flags) $< -o $@

build/bench/arm64/sampler: bench_flags = -isystem build/linux/tools/include/uapi
build/bench/arm64/load: bench_flags = -fno-omit-frame-pointer

bench-nmi-arm64: deps ## length of an NMI on arm64, of loops; needs no part of make bench
	@tests/deps arm64
	@$(MAKE) --no-print-directory kernel-arm64
	@tests/qemu/userland
	@$(MAKE) --no-print-directory -s build/bench/arm64/sampler build/bench/arm64/load
	@bench/nmi --arm64
.PHONY: bench-nmi-arm64

benches := accuracy nmi overhead volume scale caches
bench-nmi: bench-deps ## length of an NMI by mode and size of stack
	@bench/nmi
bench-overhead: bench-deps build/variant/7.3/kernel/.done build/variant/output/kernel/.done ## instructions of a sample in all, slowdown of programs
	@bench/overhead
bench-volume: bench-deps ## bytes of a sample, losses at rising rates
	@bench/volume
bench-accuracy: bench-deps ## exact chains by program, mode and unwinder
	@bench/accuracy
bench-instructions: bench-deps ## instructions at the edges of functions that an NMI came at
	@bench/instructions
bench-scale: bench-deps ## cost of a sample as events, tasks, CPUs and stacks grow
	@bench/scale
bench-caches: bench-deps ## lines that a sample brings into the caches
	@bench/caches
CHAINS ?= 1000000
bench-truth: bench-deps ## exact chains of deferred stacks, until there are CHAINS=N: hours, goes on where it was
	@bench/truth --chains $(CHAINS)
bench-perf-tool: bench-deps ## perf script and report with libdw and libustack
	@bench/perf-tool
bench-script: bench-deps ## samples a second that ustack script makes chains of
	@bench/script
bench-views: bench-deps ## what views of a recording take, and perf's
	@bench/views
bench-live: bench-deps ## ustack record against perf record: lost, bytes, processor time, memory
	@bench/live
.PHONY: $(benches:%=bench-%) bench-truth bench-instructions bench-perf-tool bench-script bench-views bench-live

# Two at a time, the longest first; what counts instructions does not mind the other.
bench: bench-deps build/variant/7.3/kernel/.done build/variant/output/kernel/.done ## all of them, bench/results and build/bench/report.html
	@printf '%s\n' $(benches) | xargs -P 2 -I{} sh -c 'exec bench/{}'
	@$(MAKE) --no-print-directory bench-unwind bench-script bench-views bench-perf-tool bench-live
	@bench/report
.PHONY: bench

readme-table: ## the tables in README.md and bench/README.md from bench/results
	@bench/readme-table
.PHONY: readme-table

# A unit test that quotes nothing but ustack.h becomes a program with the static
# library and one with the shared library.  One of internals, whose headers stand
# in a room, is linked with the objects: neither library shows what it needs.
unit_all := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))
room_headers := $(notdir $(shell grep -lsE '^\#include "[a-z]+/' tests/unit/*.h))
unit_internal := $(patsubst tests/unit/%.c,%,$(shell grep -lsE -e '^\#include "[a-z]+/' \
	$(room_headers:%=-e '^\#include "%"') tests/unit/test_*.c))
unit_public := $(filter-out $(unit_internal),$(unit_all))
unit_programs := $(unit_all:%=build/unit/%) $(unit_public:%=build/unit/%-shared)

# A test may define _GNU_SOURCE itself.
unit_compile = $(CC) $(filter-out -D_GNU_SOURCE,$(USTACK_CFLAGS)) -D_GNU_SOURCE= $(USTACK_CPPFLAGS) $(unit_flags) $(CFLAGS) -MMD -MP -MF $@.d $<
unit_libs = $(USTACK_LIBS) $$(pkg-config --libs cmocka)

build/unit/test_reference: $(reference_obj)
build/unit/test_reference: private unit_flags = $(reference_flags)
build/unit/test_reference: private unit_libs = $(reference_libs) $$(pkg-config --libs cmocka)
# Of the tool, not of the library.
record_obj := $(addprefix $(USTACK_OUT)/cli/record/,file.o grow.o head.o held.o sample.o)
build/unit/test_record_file: $(record_obj) $(USTACK_OUT)/cli/chain.o
build/unit/test_record_depth: $(USTACK_OUT)/cli/record/depth.o
build/unit/test_record_held: $(addprefix $(USTACK_OUT)/cli/record/,grow.o held.o)
build/unit/test_record_wait: $(record_obj) $(USTACK_OUT)/cli/record/wait.o
build/unit/test_named: $(addprefix $(USTACK_OUT)/cli/,frame.o out.o) $(USTACK_OUT)/util/hash.o
# It compresses, too.
build/unit/test_debug_file: private unit_libs = $(USTACK_LIBS) $$(pkg-config --libs cmocka zlib)
# Build-ids as elfutils finds them.
build/unit/test_sym: private unit_libs = $(USTACK_LIBS) $$(pkg-config --libs cmocka libdw)

unit: $(unit_programs)
.PHONY: unit

$(unit_internal:%=build/unit/%): build/unit/%: tests/unit/%.c $(USTACK_OBJ)
	@mkdir -p $(@D)
	$(unit_compile) $(filter %.o,$^) $(unit_libs) -o $@

$(unit_public:%=build/unit/%): build/unit/%: tests/unit/%.c build/libustack/libustack.a
	@mkdir -p $(@D)
	$(unit_compile) build/libustack/libustack.a $(unit_libs) -o $@

build/unit/%-shared: tests/unit/%.c build/libustack/libustack.so
	@mkdir -p $(@D)
	$(unit_compile) -Lbuild/libustack -lustack -Wl,-rpath,'$$ORIGIN/../libustack' $$(pkg-config --libs cmocka) -o $@

-include $(wildcard build/unit/*.d)

# How patches apply is tested with the patches; it takes longer than all others.
patch_test = tests/host/kernel-source.sh
# While somebody records all CPUs with build-ids, every other perf record takes what
# is none for one and aborts: a fault of Linux 6.18.
alone := tests/host/record-soak.sh
# What decides about input alone gets no second try.
fuzzers := $(wildcard tests/host/fuzz-*.sh)
host_tests = --again 0 $(fuzzers) $(unit_programs) \
	--again 1 $(filter-out $(patch_test) $(alone) $(fuzzers),$(wildcard tests/host/*.sh))

check-unit: deps ## only the tests that need no guest and no kernel
	@tests/run --limit 600 tests/build/library.sh --jobs $(jobs) --limit 300 $(host_tests) \
		--jobs 1 $(alone) $(patch_test)
.PHONY: check-unit

check: deps ## all tests: unit tests, all series apply and build, guest tests
	@tests/run --limit 600 tests/build/library.sh --jobs $(jobs) --limit 300 $(host_tests) \
		--jobs 1 $(alone) --limit 3600 --again 0 $(patch_test) tests/build/kernel.sh tests/build/perf.sh \
		tests/build/documentation.sh --again 1 tests/build/demo.sh tests/build/deb.sh tests/build/deb-ustack.sh \
		--jobs 2 --limit 1200 $(wildcard tests/qemu/*.sh)
.PHONY: check

# Ten times slower than the kernel of `make check`, hence the limits. Five-level
# paging: in an interrupt while identify_cpu() has the CPU's features cleared,
# KASAN takes an address of it for a wild one.
KIND ?= debug

check-live: deps ## ustack record of all that runs for ten minutes: its memory stays as it is
	@$(MAKE) --no-print-directory -s -j$(jobs) lib
	@SECONDS_OF_SOAK=600 tests/run --limit 3600 tests/host/record-soak.sh
.PHONY: check-live

check-record: deps ## profiles of real programs by ustack record, as perf report and hotspot see them
	@tests/deps record
	@$(MAKE) --no-print-directory -s -j$(jobs) lib
	@tests/host/record-programs.sh all
.PHONY: check-record

check-debug: deps ## the guest tests on the debug kernel, or that of KIND=kcsan or rt
	@$(MAKE) --no-print-directory kernel-$(KIND) perf
	@$(MAKE) --no-print-directory -s -j$(jobs) lib
	@KERNEL=$(CURDIR)/build/kernel-$(KIND)/arch/x86/boot/bzImage VM_TIME_FACTOR=10 VM_APPEND=no5lvl \
		tests/run --limit 12000 $(wildcard tests/qemu/*.sh)
.PHONY: check-debug

# What is not x86's by nature: its registers, HPET, cost in instructions and 32-bit
# programs; perf and libustack. A kernel with lockdep is slower, as in check-debug.
arm64_tests := $(patsubst %,tests/qemu/%.sh,access altstack bpf capture cookie deliver \
	kselftest lifetime memcg memory nmi-work several slow stay sysctl uprobe watch)

check-arm64: deps ## guest tests on arm64, with and without lockdep; writes bench/results/nmi-arm64.csv
	@tests/deps arm64
	@$(MAKE) --no-print-directory kernel-arm64 kernel-arm64-lockdep
	@tests/qemu/userland
	$(call arm64_run,kernel-arm64,1)
	$(call arm64_run,kernel-arm64-lockdep,5)
	@$(MAKE) --no-print-directory bench-nmi-arm64
.PHONY: check-arm64

# $(call arm64_run,KERNEL,TIME FACTOR)
arm64_run = @echo "--- $1"; KERNEL=$(CURDIR)/build/$1/arch/arm64/boot/Image VM_TIME_FACTOR=$2 tests/run --limit 6000 $(arm64_tests)

check-deb: deb ## install what make deb made in a Debian of its own and boot that
	$(call step,check-deb,tests/build/check-deb)
.PHONY: check-deb

check-perf-test: deps ## perf's own tests: same verdicts with and without the patches
	@$(MAKE) --no-print-directory kernel perf build/base/kernel/.done
	@tests/qemu/perf-test
.PHONY: check-perf-test

check-teeth: deps ## each patch left out in turn: does its test fail? PATCHES="1/4 3/9"
	@$(MAKE) --no-print-directory kernel perf
	@$(MAKE) --no-print-directory -s -j$(jobs) lib
	@tests/qemu/teeth
.PHONY: check-teeth

# Rows of CFI as readelf and libdw have them.
build/rows: tests/rows/rows.c $(USTACK_OBJ)
	@mkdir -p $(@D)
	$(CC) $(USTACK_CFLAGS) $(USTACK_CPPFLAGS) $(CFLAGS) $^ $(USTACK_LIBS) $$(pkg-config --libs libdw) -o $@

ROWS ?= /usr /opt

check-rows: deps ## all rows of CFI of all ELF files in ROWS="DIR..." as readelf and libdw have them
	@$(MAKE) --no-print-directory -s -j$(jobs) lib build/rows
	@find $(ROWS) -xdev -type f -size +1k 2>/dev/null | sort | build/rows -
.PHONY: check-rows

check-views: deps ## what ustack draws and exports, opened in Chromium, go tool pprof, Firefox Profiler, speedscope
	@tests/deps views
	@$(MAKE) --no-print-directory -s -j$(jobs) lib
	@$(MAKE) --no-print-directory install-perf PREFIX=/usr/local DESTDIR='$(CURDIR)/build/views/perf'
	@tests/views/check
.PHONY: check-views

check-runtimes: deps ## chains of some forty compilers, run-times and interpreters, bench/results/runtimes.csv
	@tests/deps runtimes
	@$(MAKE) --no-print-directory -s -j$(jobs) lib reference
	@tests/runtimes/check
	@$(MAKE) --no-print-directory kernel perf
	@tests/runtimes/check --guest
.PHONY: check-runtimes

SAMPLE ?= 200
SEED ?= 1

check-mutants: deps ## do the unit tests notice mistakes? SAMPLE=N of them by SEED=N; writes tests/mutants.csv
	@tests/mutate --sample $(SAMPLE) --seed $(SEED)
.PHONY: check-mutants

NMIS ?= 200000

soak: deps ## stress-ng and a fuzzer under NMIS=N samples, SEED=N, KIND as above
	@tests/deps soak
	@$(MAKE) --no-print-directory kernel-$(KIND)
	@KERNEL=$(CURDIR)/build/kernel-$(KIND)/arch/x86/boot/bzImage tests/qemu/soak $(NMIS) $(SEED)
.PHONY: soak

# build/linux may hold work, build/apt and build/upstream took a download.
clean: ## delete what was built; kernel tree and download stay
	rm -rf $(filter-out build/linux build/apt build/upstream,$(wildcard build/*))
.PHONY: clean
