//! What `--help` says.

/// What a consumer alone says nothing of.
#[cfg(feature = "proxy")]
macro_rules! proxy_usage {
    () => {
        "       testero proxy [OPTIONS]                 passes requests on to services, see testero proxy --help\n"
    };
}
#[cfg(not(feature = "proxy"))]
macro_rules! proxy_usage {
    () => {
        ""
    };
}

#[cfg(feature = "crash")]
macro_rules! crash_usage {
    () => {
        "       testero crash N [WORD]...               crashes parts of a system, see testero crash --help\n"
    };
}
#[cfg(not(feature = "crash"))]
macro_rules! crash_usage {
    () => {
        ""
    };
}

#[cfg(feature = "scenario")]
macro_rules! scenario_usage {
    () => {
        "       testero scenario check|record|examples  loads that move over time, see testero scenario --help\n"
    };
}
#[cfg(feature = "scenario")]
macro_rules! scenario_option {
    () => {
        "      --scenario FILE    played from the start, and read again when it changes     (SCENARIO)\n"
    };
}
#[cfg(not(feature = "scenario"))]
macro_rules! scenario_option {
    () => {
        ""
    };
}
#[cfg(not(feature = "scenario"))]
macro_rules! scenario_usage {
    () => {
        ""
    };
}

/// What asks a running service.
#[cfg(feature = "client")]
macro_rules! client_usage {
    () => {
        "       testero COMMAND [VERB] [FLAG]...        asks a running testero:

  status, top                   what is held, and what there is; of all pods
  mem, disk, inode, pid, fd     set AMOUNT, get, release
  cpu, io                       load [AMOUNT], stop, get
  release                       everything
  ready, health                 whether it is well; disable, enable
  fault                         delay, status, hang, exit, abort, log, term, end
  spread                        one amount over all pods behind a name
  http [METHOD] PATH            any request
  completions bash|zsh|fish     what a shell offers while one types

testero help COMMAND [VERB] has the flags of each, and examples. Exit status of
these: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody answers, 130 Ctrl-C.
"
    };
}
#[cfg(not(feature = "client"))]
macro_rules! client_usage {
    () => {
        ""
    };
}

/// `testero --help`.
pub(crate) const CONSUMER: &str = concat!(
    "\
testero makes a pod really take memory, disk, CPU and more, on request over HTTP.

Usage: testero [OPTIONS]
       testero fibonacci|counter [OPTIONS]     two small services with state, see testero fibonacci --help
",
    proxy_usage!(),
    crash_usage!(),
    scenario_usage!(),
    "       testero health [--url URL]
",
    client_usage!(),
    "
  curl 'http://localhost:8080/api/mem/set?amount=512Mi'     take memory (0 gives it back)
  curl 'http://localhost:8080/api/disk/set?amount=50pct'    take disk
  curl 'http://localhost:8080/api/cpu/load?time=60'         one CPU flat out for 60 seconds
  curl -X DELETE 'http://localhost:8080/api'                give everything back
  curl 'http://localhost:8080/api/status'                   what is held, and what there is

Options, and the variables they win over:
      --listen ADDR      where to listen [0.0.0.0:8080]; [::]:8080 takes IPv4 too  (IP, PORT)
      --port N           the port alone                                            (PORT)
      --data-dir DIR     where files go; must exist [.]                            (DATADIR)
      --mem-limit N      most bytes of memory, 0: what is free at the start        (HIGHMEMLIM)
      --disk-limit N     most bytes of files, 0: what is available at the start    (HIGHFILELIM)
      --disk-reserve AMOUNT   of that limit, left for logs and others, like 64Mi   (DISKRESERVE)
      --eviction-reserve memory=100Mi,disk=10pct   kept free on the node           (EVICTIONRESERVE)
      --cpu-limit N      most seconds of one CPU load [1500], 0: no limit          (HIGHCPULIM)
      --inode-limit N    most empty files, 0: what there is room for               (HIGHINODELIM)
      --pid-limit N      most parked threads, 0: what there is room for            (HIGHPIDLIM)
      --fd-limit N       most open descriptors, 0: what there is room for          (HIGHFDLIM)
      --number N         the number to factor, below 2^128                         (NUMTOFACTOR)
      --max-ttl TIME     nothing is held for longer                                (MAXTTL)
      --start-mem AMOUNT[,ttl=TIME]   taken at the start; also --start-disk        (START_MEM, START_DISK)
      --start-cpu AMOUNT[,ttl=TIME]   used from the start, like 500m               (START_CPU)
      --token-file FILE  changes need this bearer token; or in the variable TOKEN  (TOKENFILE)
      --token-reads on   reads and probes need it, too                             (TOKENREADS)
      --faults on        faults on request: /fault/exit and others                 (FAULTS)
      --connections N    most connections at a time, to leave threads to take      (CONNECTIONS)
",
    scenario_option!(),
    "      --shutdown-delay TIME   after SIGTERM, unready and serving for so long [0]   (SHUTDOWNDELAY)
      --log-format json  log lines as JSON                                         (LOGFORMAT)
  -h, --help             this text
  -V, --version          the version

testero health exits with 0 when the service answers, with 1 when it does not.
      --url URL          where it is asked [http://127.0.0.1:8080/healthz, or as IP and PORT say]

RUST_LOG chooses what is logged: error, warn, info (default), debug.
POD_NAME, NODE_NAME and POD_NAMESPACE are told in the status, the metrics and the log.
Exit status: 0 stopped by a signal and all clean, 1 failed, 2 wrong usage.
"
);

/// `testero fibonacci --help`.
#[cfg(feature = "fibonacci")]
pub(crate) const FIBONACCI: &str = "\
testero fibonacci hands out Fibonacci's numbers, one a request, and never loses one that it has answered.

Usage: testero fibonacci [OPTIONS]      (or testero pex)

  curl http://localhost:8081/next           the next number
  curl http://localhost:8081/previous       one step back
  curl http://localhost:8081/current        where it stands
  curl http://localhost:8081/reset          begin again

Options, and the variables they win over:
      --listen ADDR      where to listen [0.0.0.0:8081]; [::]:8081 takes IPv4 too  (IP, PORT)
      --port N           the port alone                                            (PORT)
      --data-dir DIR     where the state is kept; must exist [.]                   (DATADIR)
      --limit-digits N   numbers have at most so many digits [100000]              (LIMITDIGITS)
      --durability step|interval   answer when the step is on disk [step], or      (DURABILITY)
                         at once and sync every second, as the original did
      --shutdown-delay TIME   after SIGTERM, unready and serving for so long [0]   (SHUTDOWNDELAY)
      --log-format json  log lines as JSON                                         (LOGFORMAT)
  -h, --help             this text
  -V, --version          the version

Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.
";

/// `testero counter --help`.
#[cfg(feature = "counter")]
pub(crate) const COUNTER: &str = "\
testero counter tells each request which one it is, to this instance and to all of them.

Usage: testero counter [OPTIONS]        (or testero count)

  curl http://localhost:8083/

Options, and the variables they win over, which may also stand in a file .env in the working folder:
      --listen ADDR      where to listen [0.0.0.0:8083]                            (IP, PORT, SERVICE_PORT)
      --port N           the port alone                                            (PORT, SERVICE_PORT)
      --redis-url URL    where the total is counted: redis://user:password@host:6379/0, or
                         unix:///path/to/socket                                    (REDIS_URL)
                         the original's CONTAINER_DB_HOST and CONTAINER_DB_PORT do as well; with none of them
                         the total is a file that all instances on the machine share
      --data-dir DIR     where that file is; must exist [.]                        (DATADIR)
      --shutdown-delay TIME   after SIGTERM, unready and serving for so long [0]   (SHUTDOWNDELAY)
      --log-format json  log lines as JSON                                         (LOGFORMAT)
  -h, --help             this text
  -V, --version          the version

Exit status: 0 stopped by a signal, 1 failed, 2 wrong usage.
";

/// `testero proxy --help`.
#[cfg(feature = "proxy")]
pub(crate) const PROXY: &str = "\
testero proxy passes HTTP requests on to the members of services, chosen by their Host.

Usage: testero proxy [OPTIONS]

  testero proxy --check -f config.yaml      what is wrong with the file, if anything is

  proxy:
    listen: {address: 0.0.0.0, port: 8080}
    services:
      - name: shop
        domain: shop.example.com
        strategy: RANDOM                    or RROBIN, LEAST
        hosts:
          - {address: 10.0.0.1, port: 80}
          - {address: shop.internal, port: 80, weight: 2}
    access_log: off                         or text, json: a line a request on stdout

  How much, and for how long; each of it is left to the proxy where it is left out:
    proxy.max_connections: 1000             of clients [as many as there are descriptors for]
    proxy.max_connections_per_client: 50    [any number]
    proxy.services[].health: {path: /, interval: 5s, timeout: 2s, healthy: 2, unhealthy: 3, status: 200-399} [not asked]
    proxy.services[].timeouts: {connect: 1s, answer: 10s, idle: 75s, head: 10s} [-t for the first two]
    proxy.services[].limits: {head: 8Ki, body: 10Mi}   of a request [16Ki, any size]
    proxy.services[].retries: 2             on how many further members a request is tried [2]
    proxy.services[].max_requests_per_member: 20, queue: {length: 100, time: 1s} [any number]

The port of the metrics answers /healthz, /readyz, /status (a table, or JSON with ?format=json), and on all other paths
metrics.

  Who the client is, where members are to know:
    proxy.trusted: [10.0.0.0/8]             addresses whose word counts on that [none]
    proxy.forwarded: x-forwarded            X-Forwarded-For, -Proto, -Host; or forwarded (RFC 7239), both [off]
                                            what others than the trusted send of them is left out, unless off
    proxy.request_id: true                  X-Request-Id: passed on, or made, and in the answer [false]
    proxy.listen.proxy_protocol: true       PROXY protocol v1 or v2 on every connection, from the trusted [false]
    proxy.services[].proxy_protocol: v2     the same to members, or v1; a client's connections are its own [none]

Options, and the variables they win over:
  -f, --file FILE        the configuration, YAML or JSON [config.yaml]
      --check            read it, say what is wrong, and end
  -l, --log-level debug|info|warn|error   what is logged [info]
  -p, --prometheus-port N   the port of the metrics, on all addresses [8000]
  -n, --next-port        where the port to listen on is taken, try the next ones
  -d, --dry-run          answer 200, and contact no member
  -a, --listen-all-addr  listen on 0.0.0.0 in place of the configured address
  -t, --timeout N        seconds that a member may be silent, at least 1 [10]
      --shutdown-delay TIME   after SIGTERM, unready and serving for so long [0]   (SHUTDOWNDELAY)
      --drain TIME       after that, requests in flight may go on for so long [30]
      --threads N        how many threads work [one a CPU, at most 4]
      --log-format json  log lines as JSON                                         (LOGFORMAT)
  -h, --help             this text
  -V, --version          the version

Exit status: 0 stopped by a signal, or the file is right; 1 failed, 2 wrong usage.
";

/// `testero crash --help`.
#[cfg(feature = "crash")]
pub(crate) const CRASH: &str = "\
testero crash starts a system, kills, pauses, joins and removes parts of it over and over, and checks all the while that
nothing promised is lost, doubled or reordered.

Usage: testero crash N [WORD]... [OPTIONS]
       testero crash -f FILE [OPTIONS]
       testero crash STEP --dir DIR [OPTIONS]

  testero crash 3 crash0 crash1 pause2 crash-sink    three workers, four kinds of trouble, a verdict
  testero crash 3 crash0 crash-store --store redis   the same with a redis-server of its own, which is killed as well
  testero crash 3 crash0 --break output-first        does it find a bug that is put in?

N workers (1 to 10) pass the input of each key from its feed to the sink, each byte once. Choices come from the seed,
which is printed first: the same seed makes the same choices, but not the same interleaving.

Words:
  crashK             kill -9 worker K and start it again, over and over; crashK.slow: about every two minutes
  pauseK             SIGSTOP worker K for 0.3 to 2.5 leases, then SIGCONT
  crash-sink, crash-source, crash-store    the same for the sink, each feed, the redis-server of --store redis
  grow, shrink, grow-and-shrink            workers 1 to 9 join and leave by chance; never worker 0
  run_custom1        worker 1 leaves and joins again
  run_custom2        five join, some leave and join again
  run_custom3        some join while others leave
  run_custom4        all leave until worker 0 is alone, and join again
  run_custom5        2 and 1 leave and join, twice
  run_custom_crashsink_crash0_overlap      sink and worker 0 are down at once
  no-sanity, no-ack-progress, no-registry-process    leave that check out
  reset-only         clear the run folder

Steps by hand, in one run folder:
  create-inputs, delete-inputs, reset, start-sink, start-initializer, start-worker K, join-worker K, shrink-worker K,
  crash-worker K, poll-ready [-v] [-w TIME] K, poll-all-ready [-v] [-w TIME], feed KEY [BYTES/S], verify KEY

A system of your own, as a file describes it: what is started, what is done to it, and what must hold.
  -f, --file FILE        run it; - is the standard input; --dir, --seed, --for, --hold and reports go with it
      --check            only say whether the file is good, and of mistakes, all with line and path
      --print NAME       show a built-in file: fibonacci, counter, pipeline or proxy; their comments explain the format
Left out in a file: copies 1, ready within 30s, pods within 60s; of a load clients 4, timeout 10s; of a fault
  every 5s..10s, down 0s..4s (kill, term), for 1s..5s (pause); of a ledger order none, duplicates no; missing 0,
  status 200; of a command every 5s, within 10s; progress within 60s; settle 30s

Options, and the variables they win over:
      --dir DIR          the run folder [a new one in TMPDIR, removed when all is well]   (CRASH_DIR, for steps)
      --keys \"A B C\"     letters and digits, a feed each [A to J]   (MULTIPLE_KEYS_LIST)
      --lines N          lines of 49 bytes in each input [250000]
      --rate N|max       bytes a second of each feed [66000]
      --store files|redis|redis://HOST:PORT|unix:PATH   where streams and checkpoints are [files]
      --lease TIME       for how long a claim holds without a sign of life [1500ms]
      --for TIME         faults for so long, then what was fed gets through [until the inputs end]
      --seed N           make the same choices again [a random one]
      --ack-within TIME  within which each key must get further [5m]
      --abort-every N    the sink takes back each Nth transaction
      --break NAME       put a bug in: ack-first, output-first, no-fence, client-fence, forgetful-feed, skip-backlog,
                         newest-first, no-truncate, wrong-offset, log-first, rewrite, stall, no-tail-cut
      --hold             when something is wrong, leave all stopped as it is until Enter or Ctrl-C
      --json PATH, --junit PATH, --html PATH    reports
  -h, --help             this
  -V, --version          the version

While it runs:  , verified   cN rN killed, started again (S sink, F feed, R store)   pN uN stopped, let go
  :cN :s left out   {AP} {RP} progress looked at   Join N. Shrink N   Pause the world! something is wrong

Exit: 0 passed, 1 data wrong, 2 usage or not begun, 3 not live, 4 cannot tell, 5 a part died by itself, 130 or 143 interrupted.
";

/// What asks a service of scenarios.
#[cfg(all(feature = "scenario", feature = "client"))]
macro_rules! scenario_client {
    () => {
        "
A running testero plays FILE, with the recordings that it names in it:
  testero scenario run FILE [--replace] [--wait [--timeout 10m]] [OF WHOM]
  testero scenario status|stop [OF WHOM]

Of whom: one service, or all pods behind a name:
      --url URL          [http://127.0.0.1:8080, or as IP and PORT say]
      --service HOST[:PORT][,...]   all begin at the same time
      --divide           with --service: FILE has the amounts of all pods, and
                         each plays its part of them, also when pods come or
                         go while it waits
      --replace          takes the place of what is played
      --wait             until it is over everywhere; --divide waits, too
      --timeout TIME     for no longer than that
      --token TOKEN, --token-file FILE   as for testero status

What fails at one pod is told, and the others go on. Ctrl-C ends the waiting,
not the scenario.
Exit status of these: 0 done, or over; 1 refused, failed, stopped, ended or
replaced by somebody, or not over in time; 2 wrong usage or mistakes; 3 nobody
answers; 130 Ctrl-C.
"
    };
}
#[cfg(all(feature = "scenario", not(feature = "client")))]
macro_rules! scenario_client {
    () => {
        ""
    };
}

/// `testero scenario --help`.
#[cfg(feature = "scenario")]
pub(crate) const SCENARIO: &str = concat!(
    "\
testero scenario looks at files that say what a pod is to hold over time.

Usage:
  testero scenario check FILE [--limit memory=512Mi,cpu=2]
      what it takes at most, and when, and drawings
  testero scenario examples [NAME]
      built-in files; their comments explain the format
  testero scenario schema
      the JSON Schema of files, for editors
  testero scenario record SOURCE [-o FILE [--replace]]
      a recording (CSV) that a trace plays, of one of these sources:
      --prometheus [COLUMN=]FILE [--series pod=web-0]
          what query_range answered, in JSON; COLUMN is memory_bytes [this],
          disk_bytes, cpu_cores, inodes, pids, fds or io_bytes_per_second.
          Several, a column each, are joined by time
      --top FILE [--pod NAME] [--every 15s]
          what kubectl top pod printed, over and over: at the times that
          date +%s printed before it, or --every so long. The sum of all pods
          where none is named
      --metrics [URL] [--every 1s] [--for 10m] [--token-file FILE]
          what a testero holds and uses, until Ctrl-C where --for is left out
      --history [URL] [--for 10m] [--token-file FILE]
          what it held and used in the last ten minutes

A scenario is YAML or JSON. Where a FILE is read, - is the standard input.
--limit is for amounts like 50pct: memory, disk, cpu, inode, pid, fd.
URL, and the token, are as for testero status (see testero help status).
Exit status: 0 the file is good, or is recorded; 1 failed; 2 wrong usage, or a
file with mistakes: all of a scenario's, with line and path.
",
    scenario_client!()
);
