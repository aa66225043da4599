# deminer: build, test, measure. Every target works from a clean clone.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
export CGO_ENABLED = 0

.PHONY: all build test check guest fuzz yara-oracle bench agentbench ports score score-agent soak react console packages demo pictures man clean

all: build

build:            ## the one binary
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/deminer ./cmd/deminer

test:             ## every test, with the race detector where it can run
	./test/all

check:            ## vet, staticcheck, all systems compile
	go vet ./...
	GOOS=linux GOARCH=arm64 go build -o /dev/null ./cmd/deminer
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/deminer
	go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

guest:            ## the sensors' tests on Debian's kernel in qemu; needs linux-image-cloud-amd64, qemu-system-x86, busybox-static, cpio
	./test/guest

fuzz:             ## every fuzz target, FUZZTIME each (default 60s)
	./test/fuzz $(or $(FUZZTIME),60s)

yara-oracle:      ## the YARA engine beside Debian's yara on all rules below DEMINER_CORPORA; ORACLE_TREES names where files are taken from
	@[ -n "$$DEMINER_CORPORA" ] || { echo "DEMINER_CORPORA must name a directory of YARA rules"; exit 1; }
	list=$$(mktemp) && find $(or $(ORACLE_TREES),/usr/bin /usr/sbin /usr/lib /usr/share /etc) -type f -size -$(or $(ORACLE_KB),300)k ! -name '* *' 2>/dev/null | sort | \
	  awk 'NR % $(or $(ORACLE_NTH),16) == 0' >"$$list" && DEMINER_ORACLE_FILES="$$list" DEMINER_ORACLE_ROUNDS=$(or $(ORACLE_ROUNDS),20) GOMAXPROCS=1 \
	  nice -n 10 go test -timeout 6h -run TestOracle -v ./yara; code=$$?; rm -f "$$list"; exit $$code

bench:            ## side by side with unhide, chkrootkit, debsums and lynis, and with libyara where DEMINER_CORPORA names its rules; needs root and Debian
	./test/bench
	[ -z "$(DEMINER_CORPORA)" ] || { ./test/yarabench && ./test/pathbench; }

agentbench:       ## what the agent costs: one exec beside bpftrace, loads with it and without, a storm of events, at rest; needs root and Debian
	./test/agentbench

ports:            ## the tests of the engines, of judging and planning as programs of arm64 and of Windows (qemu-user, wine); needs root and Debian
	./test/ports

score: build      ## the lab: every scenario and every benign host; needs root; writes docs/score.md
	./lab/setup.sh
	go run ./lab/score -deminer bin/deminer -out docs/score.md $(SCORE)

score-agent: build ## the lab with the agent already on: which step it stops, how long after; writes its section of docs/score.md
	./lab/setup.sh
	go run ./lab/score -deminer bin/deminer -agent -out docs/score.md $(SCORE)

soak: build       ## every benign load for MINUTES (30) beside the agent, HOSTS (4) at a time; writes its section of docs/score.md
	./lab/setup.sh
	go run ./lab/score -deminer bin/deminer -soak $(or $(MINUTES),30)m -parallel $(or $(HOSTS),4) -out docs/score.md $(SCORE)

react: build      ## how fast the agent stops programs that nobody knows, TRIES (20) of each kind
	./lab/setup.sh
	go run ./lab/react -deminer bin/deminer -tries $(or $(TRIES),20)

console:          ## a browser does in the console what an admin does, on lab hosts that mine; pictures go to bin/console
	./lab/setup.sh
	mkdir -p bin/console
	DEMINER_TEST_SHOTS=$(CURDIR)/bin/console go test -tags lab -count=1 -v -timeout 20m -run 'Solution|Spread' ./lab/console

packages:         ## deb, rpm, units, man pages and checksums of both architectures, below dist/
	packaging/build

demo: build       ## one infected lab host, scanned: what the README shows; needs root
	./lab/setup.sh
	go run ./lab/score -deminer bin/deminer -scenario aliyunduns -show

pictures:         ## the pictures of README and docs, photographed from a real lab host; needs root and Debian
	./lab/pictures.sh

man: build        ## man pages
	bin/deminer man dist/man

clean:
	rm -rf bin dist
