//! What `--help` says: of the consumer as it stands here, of further roles packed.

/// Whose help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// `testero --help`.
    Consumer,
    /// `testero fibonacci --help`.
    #[cfg(feature = "fibonacci")]
    Fibonacci,
    /// `testero counter --help`.
    #[cfg(feature = "counter")]
    Counter,
    /// `testero proxy --help`.
    #[cfg(feature = "proxy")]
    Proxy,
    /// `testero crash --help`.
    #[cfg(feature = "crash")]
    Crash,
    /// `testero scenario --help`.
    #[cfg(feature = "scenario")]
    Scenario,
}

impl Help {
    /// The text.
    pub fn text(self) -> String {
        match self {
            Self::Consumer => CONSUMER.to_owned(),
            // The places are those of build.rs.
            #[cfg(feature = "fibonacci")]
            Self::Fibonacci => of_role(0),
            #[cfg(feature = "counter")]
            Self::Counter => of_role(1),
            #[cfg(feature = "proxy")]
            Self::Proxy => of_role(2),
            #[cfg(feature = "crash")]
            Self::Crash => of_role(3),
            #[cfg(feature = "scenario")]
            Self::Scenario if cfg!(feature = "client") => of_role(4) + &of_role(5),
            #[cfg(feature = "scenario")]
            Self::Scenario => of_role(4),
        }
    }
}

#[cfg(any(feature = "fibonacci", feature = "counter", feature = "proxy", feature = "crash", feature = "scenario"))]
fn of_role(place: usize) -> String {
    crate::packed::unpacked_one(include_bytes!(concat!(env!("OUT_DIR"), "/help.deflate")), place)
}

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
const CONSUMER: &str = concat!(
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
