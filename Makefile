# make            the library, shared and static, in build/lib
# make demo       a story of two programs, one of which is killed
# make test       everything that can be tested; the last line counts
# make examples   programs in other languages share a segment with one in C
# make torture    kills, faults, damage and storms in their full form, 20 minutes
# make fuzz       the fuzzers, ten minutes each, where cargo-fuzz is installed
# make bench      measures, and writes docs/performance.md anew: 5 minutes
# make bench-deps installs what it compares with and draws with (Debian)
# make check-instructions    whether the calls take more instructions than known
# make accept-instructions   makes known what they take now
# make install    to $(DESTDIR)$(PREFIX); see also LIBDIR, INCLUDEDIR
# make uninstall  takes away what make install has put there
# make install-compat        the headers for programs that have left libgpl, which
#                 make install leaves out; make uninstall-compat takes them away
# make clean      takes away what make has built

PREFIX     = /usr/local
LIBDIR     = $(PREFIX)/lib
INCLUDEDIR = $(PREFIX)/include
CARGO      = cargo
CC         = cc
CFLAGS     = -O2
INSTALL    = install

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))
SHARED   = libshm_util.so.$(VERSION)
SONAME   = libshm_util.so.$(MAJOR)
BUILT    = target/release

# For programs that have left libgpl.
COMPAT = pragmatics.h aperror.h

# What a program linked with the static library needs besides.
STATIC_LIBS = -lutil -lrt -lpthread -lm -ldl

# What is built is found out before anything else, so that an installation
# after a build needs no cargo.
INSTALLABLE = $(if $(wildcard build/lib/libshm_util.a),,library)

all: library
	@echo "The library is in build/lib, its header in include. See also: make demo"

# Cargo knows what is out of date; the links are made anew each time.
library: need-cargo need-cc
	$(CARGO) build --release --locked --lib --features shipped
	@mkdir -p build/lib
	@# Programs may be running with the old ones: they are replaced, not changed.
	@cp $(BUILT)/libshm_util.so build/lib/new.so
	@mv build/lib/new.so build/lib/$(SHARED)
	@strip -g -o build/lib/new.a $(BUILT)/libshm_util.a
	@mv build/lib/new.a build/lib/libshm_util.a
	@ln -sf $(SHARED) build/lib/$(SONAME)
	@ln -sf $(SONAME) build/lib/libshm_util.so

# Made anew each time: it says where the library is installed.
build/lib/shm_util.pc: $(INSTALLABLE)
	@printf '%s\n' \
	  'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$(INCLUDEDIR)' '' \
	  'Name: shm_util' 'Version: $(VERSION)' \
	  'Description: named shared memory segments whose names stay right' \
	  'Libs: -L$${libdir} -lshm_util' 'Libs.private: $(STATIC_LIBS)' \
	  'Cflags: -I$${includedir}' > $@

need-cargo:
	@command -v $(CARGO) >/dev/null 2>&1 || { \
	  echo "make: '$(CARGO)' is not installed: see 'What it needs' in README.md" >&2; exit 1; }

need-cc:
	@command -v $(CC) >/dev/null 2>&1 || { \
	  echo "make: no C compiler '$(CC)': install gcc, or say make CC=..." >&2; exit 1; }

demo: library
	@CC="$(CC)" c_tests/demo/run

test: library
	@CC="$(CC)" CARGO="$(CARGO)" c_tests/run-all

examples: library
	@CC="$(CC)" CXX="$(CXX)" CARGO="$(CARGO)" examples/run

torture: library
	@c_tests/torture/fuzz 60
	@CC="$(CC)" c_tests/torture/run full

fuzz: need-cargo need-cc
	@c_tests/torture/fuzz 600

bench: library
	@CC="$(CC)" CXX="$(CXX)" bench/run

bench-deps:
	@bench/run deps

check-instructions: library
	@CC="$(CC)" bench/instructions check

accept-instructions: library
	@CC="$(CC)" bench/instructions accept

install: $(INSTALLABLE) build/lib/shm_util.pc
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)'
	$(INSTALL) -m 755 build/lib/$(SHARED) '$(DESTDIR)$(LIBDIR)/$(SHARED)'
	ln -sf $(SHARED) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libshm_util.so'
	$(INSTALL) -m 644 build/lib/libshm_util.a '$(DESTDIR)$(LIBDIR)/libshm_util.a'
	$(INSTALL) -m 644 build/lib/shm_util.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/shm_util.pc'
	$(INSTALL) -m 644 include/shm_util.h '$(DESTDIR)$(INCLUDEDIR)/shm_util.h'
	@# So that programs find it at once, where we may say so.
	@test -n '$(DESTDIR)' || ldconfig 2>/dev/null || \
	  echo "make: run ldconfig as root, so that programs find $(SONAME)"

uninstall:
	rm -f '$(DESTDIR)$(LIBDIR)/$(SHARED)' '$(DESTDIR)$(LIBDIR)/$(SONAME)' \
	  '$(DESTDIR)$(LIBDIR)/libshm_util.so' '$(DESTDIR)$(LIBDIR)/libshm_util.a' \
	  '$(DESTDIR)$(LIBDIR)/pkgconfig/shm_util.pc' '$(DESTDIR)$(INCLUDEDIR)/shm_util.h'

# Not with the others: with these on the way of all, each program that includes
# shm_util.h would get the macros.
install-compat:
	$(INSTALL) -d '$(DESTDIR)$(INCLUDEDIR)/shm_util/compat'
	$(INSTALL) -m 644 $(COMPAT:%=include/shm_util/compat/%) \
	  '$(DESTDIR)$(INCLUDEDIR)/shm_util/compat'

uninstall-compat:
	rm -f $(COMPAT:%='$(DESTDIR)$(INCLUDEDIR)/shm_util/compat/%')
	@rmdir '$(DESTDIR)$(INCLUDEDIR)/shm_util/compat' '$(DESTDIR)$(INCLUDEDIR)/shm_util' \
	  2>/dev/null || true

clean:
	rm -rf build target

.PHONY: all library build/lib/shm_util.pc need-cargo need-cc demo test examples torture fuzz bench \
  bench-deps check-instructions accept-instructions install uninstall \
  install-compat uninstall-compat clean
