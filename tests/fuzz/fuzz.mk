# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
# Included by the top Makefile; all paths are from the root.

FUZZ := expr record cfi datafile elf name source warm whole
RUNS := 1000000

FUZZ_OUT := build/fuzz
# A block of more than 128 KB is mapped and unmapped by ASan in every run.
FUZZ_CFLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
	-DRULES=64 -DWALK_FRAMES_MAX=16 -DCHUNK_SIZE=98304u -DKEEP_MAX=1

# The calls that files.c answers in the kernel's place, and where it bounds a window.
FUZZ_WRAP := open fopen close fstat lseek pread read mmap munmap ZSTD_createDStream

# Bounds, bytes an input may have: small ones are tried faster.
FUZZ_MAX_expr := 128
FUZZ_MAX_record := 512
FUZZ_MAX_cfi := 512
FUZZ_MAX_datafile := 2048
FUZZ_MAX_elf := 4096
FUZZ_MAX_name := 512
FUZZ_MAX_source := 8192
FUZZ_MAX_warm := 1024
FUZZ_MAX_whole := 8192
# No other process adds to the corpus: -reload=0 reads it once.
fuzz_args = -max_len=$(FUZZ_MAX_$(1)) -timeout=10 -malloc_limit_mb=160 -rss_limit_mb=1024 \
	-print_final_stats=1 -verbosity=0 -reload=0 -artifact_prefix=$(FUZZ_OUT)/found/

# Freed memory waits for less before it is used again: 3,894 runs of whole a
# second, and 2,664 without this.
fuzz_env := ASAN_OPTIONS=quarantine_size_mb=2:allocator_release_to_os_interval_ms=-1:malloc_context_size=4

# The objects: internals are what most of them call.
FUZZ_OBJ = $(USTACK_SRC:%=$(FUZZ_OUT)/lib/%.o)

fuzz-lib:
	@$(MAKE) --no-print-directory -s CC=clang USTACK_OUT=$(FUZZ_OUT)/lib CFLAGS="$(FUZZ_CFLAGS)" $(FUZZ_OBJ)
.PHONY: fuzz-lib

$(FUZZ_OUT)/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/files.c tests/fuzz/fuzz.h fuzz-lib
	@clang $(USTACK_CFLAGS) $(FUZZ_CFLAGS) -fsanitize=fuzzer -Ilibustack $(FUZZ_WRAP:%=-Wl,--wrap=%) \
		-o $@ $< tests/fuzz/files.c $(FUZZ_OBJ) $(USTACK_LIBS)

fuzz-build: $(FUZZ:%=$(FUZZ_OUT)/fuzz_%)
.PHONY: fuzz-build

fuzz: fuzz-build ## hostile input, RUNS=N for each, or only FUZZ=NAME
	@mkdir -p $(FUZZ_OUT)/found
	@$(foreach t,$(FUZZ),mkdir -p $(FUZZ_OUT)/corpus/$(t) && echo "--- fuzz $(t)" && \
		$(fuzz_env) $(FUZZ_OUT)/fuzz_$(t) $(call fuzz_args,$(t)) -runs=$(RUNS) $(FUZZ_MORE) \
			$(FUZZ_OUT)/corpus/$(t) tests/fuzz/corpus/$(t) &&) :
.PHONY: fuzz
