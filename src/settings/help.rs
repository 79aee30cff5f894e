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

/// `testero --help`.
pub(crate) const CONSUMER: &str = concat!(
    "\
testero makes a pod really take memory, disk, CPU and more, on request over HTTP.

Usage: testero [OPTIONS]
       testero fibonacci|counter [OPTIONS]     two small services with state, see testero fibonacci --help
",
    proxy_usage!(),
    "       testero health [--url URL]
       testero status|mem|disk|cpu|… …         asks a running testero, see testero status --help

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
      --shutdown-delay TIME   after SIGTERM, unready and serving for so long [0]   (SHUTDOWNDELAY)
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

/// `testero status --help`, and that of the other commands that ask a running service.
#[cfg(feature = "client")]
pub(crate) const CLIENT: &str = "\
testero asks a running testero, since in its image there is no curl:
  kubectl exec deploy/testero -- /testero mem set 512Mi --wait

  testero status [--watch] [--json]                  what is held, and what there is
  testero mem|disk|inode|pid|fd set AMOUNT           512Mi, 2G, 50pct, max, max-64Mi
          [--ttl 5m] [--over 30s | --rate 50Mi] [--force] [--dry-run] [--wait]
          [--exact] (mem, disk)  [--kind anon|file|shm] [--touch 10s] (mem)  [--fsync] (disk)
  testero mem|disk|inode|pid|fd get [--json]
  testero mem|disk|inode|pid|fd release [--over 30s | --rate 50Mi] [--wait]
  testero cpu load [--cpu 1500m] [--time 90s] [--over 30s] [--replace] [--dry-run] [--wait]
  testero io load [--rate 20Mi] [--time 90s] [--replace] [--dry-run] [--wait]
  testero cpu|io stop, testero cpu|io get [--json]
  testero release                                    everything
  testero ready|health disable [--for 30s], testero ready|health enable
  testero spread mem|disk AMOUNT --service testero-headless:8080[,…] [--by even|available]
          [--ttl 5m] [--over 30s | --rate 50Mi] [--exact] [--force]
  testero spread cpu AMOUNT --service … [--time 90s] [--by even|available] [--over 30s] [--replace] [--wait]
  testero http [METHOD] PATH [--timeout 10s]         any request, like POST '/fault/term?ignore=true'
  testero completions bash|zsh|fish

Of whom, for all of them, before or after the command:
      --url URL          [http://127.0.0.1:8080, or as IP and PORT say]            (TESTERO_URL)
      --token TOKEN      the token it wants; or --token-file FILE                  (TOKEN, TOKENFILE)

A load without --cpu is one core flat out, and without --time lasts 60 s. --rate of io counts what is written and
what is read, together, a second. --wait tells how far it is until it is done.
spread divides AMOUNT over all pods behind the name, and waits; 50pct and max are each pod's own.
http prints the body as it comes; what is no 2xx is told on stderr, with exit status 1.
Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody answers.
";
